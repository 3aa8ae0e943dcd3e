"""What all instruments of one registry share: its metrics, its label values and its count of problems."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from threading import Lock
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

from bascule import conventions as c
from bascule.errors import UsageError
from bascule.instrument.config import Config, load_config
from bascule.instrument.families import Families, make_families
from bascule.instrument.labels import Labels
from bascule.instrument.multiprocess import check_directory
from bascule.instrument.problems import Problems

CONFIG_VARIABLE = "BASCULE_INSTRUMENT"  # path of instrument.json, when the code names none
ZERO_STATUSES = ("200", "500", "503", c.CLIENT_GAVE_UP)  # exist from the start, so that rate() sees the first error
STANDARD_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WEBSOCKET")

FIXED_VALUES = {
    c.SUCCESS: ("True", "False"),
    "compatible": ("True", "False"),
    "result": ("hit", "miss"),
    "decision": ("allowed", "refused"),
}


class Core:
    def __init__(self, registry: CollectorRegistry, config: Config) -> None:
        check_directory()
        self.config = config
        self.families: Families = make_families(registry, config.buckets)
        self.problems = Problems(self.families[c.INSTRUMENT_PROBLEMS])
        self.labels = Labels(config.label_limit, self.families[c.LABEL_VALUES_CAPPED], self.problems)
        self._declare()

    def _declare(self) -> None:
        config, labels = self.config, self.labels
        labels.close(c.VERSION, config.versions)
        labels.close(c.SEGMENT, config.segments)
        labels.declare(c.PARTNER, (partner for _, partner in config.clients()))
        labels.declare(c.ENDPOINT, (endpoint for endpoint, _ in config.routes()))
        labels.declare(c.METHOD, {*STANDARD_METHODS, *config.methods})
        labels.declare(c.STATUS, map(str, range(100, 600)))
        labels.declare(c.ALGORITHM, config.algorithms)
        labels.declare("user_type", config.segments)
        for label, values in FIXED_VALUES.items():
            labels.declare(label, values)

    def start_at_zero(self, version: str) -> None:
        """Make every declared label set of this version exist, at zero."""
        config, families = self.config, self.families
        self.requests_at_zero(version, config.routes())
        for algorithm, segment in product(config.algorithms, config.segments):
            families[c.MATCH_ACCURACY].labels(version, algorithm, segment)
            for success in FIXED_VALUES[c.SUCCESS]:
                families[c.MATCHES_TOTAL].labels(version, algorithm, success, segment)
        for segment in config.segments:
            for metric in (c.MATCH_VALUE, c.MATCH_VALUE_SQUARED, c.USER_RATING):
                families[metric].labels(version, segment)
        for segment, partner in config.clients():
            for decision in FIXED_VALUES["decision"]:
                families[c.RATE_LIMIT_REQUESTS].labels(version, segment, partner, decision)
        for partner in {partner for _, partner in config.clients()} - {c.NONE}:
            for compatible in FIXED_VALUES["compatible"]:
                families[c.FORMAT_CHECKS].labels(version, partner, compatible)
        for result in FIXED_VALUES["result"]:
            families[c.CACHE_REQUESTS].labels(version, result)

    def requests_at_zero(self, version: str, routes: Iterable[tuple[str, str]]) -> None:
        """Make the label sets of these (endpoint, method) exist, of every declared segment and partner."""
        families = self.families
        for (endpoint, method), (segment, partner) in product(routes, self.config.clients()):
            families[c.HTTP_DURATION].labels(version, endpoint, method, segment)
            families[c.HTTP_LEFT].labels(version, endpoint, method, segment)
            families[c.FALLBACK_ANSWERS].labels(version, endpoint, segment)
            for status in ZERO_STATUSES:
                families[c.HTTP_REQUESTS].labels(version, endpoint, method, status, segment, partner)


_cores: WeakKeyDictionary[CollectorRegistry, Core] = WeakKeyDictionary()
_lock = Lock()


def core_of(registry: CollectorRegistry, config: Path | str | None) -> Core:
    """The registry's core, made at the first call; a later call may not ask for another config."""
    with _lock:
        core = _cores.get(registry)
        wanted = _config(config, core)
        if core is None:
            core = _cores[registry] = Core(registry, wanted)
        elif wanted != core.config:
            raise UsageError(
                f"{config}: this process already has metrics made with another configuration",
                f"name the file in {CONFIG_VARIABLE}, or make the first Instrument with it",
            )
        return core


def _config(path: Path | str | None, core: Core | None) -> Config:
    if path is None and core is not None:
        return core.config
    path = path or os.environ.get(CONFIG_VARIABLE)
    return load_config(path) if path else Config()
