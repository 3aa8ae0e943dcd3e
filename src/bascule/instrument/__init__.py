"""What a service imports: its requests and matches become the metrics that every rule reads.

    from bascule.instrument import Instrument

    instrument = Instrument(version="v2", config="instrument.json")
    instrument.init_flask(app)                      # or app = instrument.wsgi(app), instrument.asgi(app)
    instrument.record_match_result("v2", "nexten", "enterprise", accuracy=0.93, success=True, value=12.5)

The SuperSmartMatch source document's names work as they are written there:

    from bascule.instrument import MATCH_ACCURACY, record_match_result, update_traffic_split

Needs prometheus_client alone. Set PROMETHEUS_MULTIPROC_DIR for several worker processes (`multiprocess`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry

from bascule import conventions
from bascule.instrument.core import core_of
from bascule.instrument.recorder import Recorder
from bascule.instrument.resolvers import PARTNER_HEADER, SEGMENT_HEADER, Source

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "ACTIVE_USERS",
    "MATCHES_TOTAL",
    "MATCH_ACCURACY",
    "RESPONSE_TIME",
    "TRAFFIC_SPLIT",
    "Instrument",
    "record_match_result",
    "update_traffic_split",
]

_SOURCE_NAMES = {"ACTIVE_USERS", "MATCHES_TOTAL", "MATCH_ACCURACY", "RESPONSE_TIME", "TRAFFIC_SPLIT"}
VERSION_VARIABLE = "BASCULE_VERSION"


class Instrument(Recorder):
    """A service's metrics: `version` is fixed, or a callable that finds it in each request.

    `config` is the path of an `instrument.json`, by default that of the environment variable BASCULE_INSTRUMENT.
    """

    def __init__(
        self,
        version: Source | None = None,
        config: Path | str | None = None,
        registry: CollectorRegistry | None = None,
        revision: str = "",
        metrics_path: str = "/metrics",
    ) -> None:
        super().__init__(core_of(registry or REGISTRY, config))
        self.version: Source = version or os.environ.get(VERSION_VARIABLE) or conventions.UNKNOWN
        self.metrics_path = metrics_path
        self._start(revision)

    def _start(self, revision: str) -> None:
        if not isinstance(self.version, str):
            for version in self._core.config.versions:
                self._core.start_at_zero(version)
            return
        self._core.labels.declare(conventions.VERSION, (self.version,))
        self._core.start_at_zero(self.version)
        self._core.families[conventions.BUILD_INFO].labels(self.version, revision or conventions.UNKNOWN).set(1)

    @property
    def registry(self) -> CollectorRegistry:
        return self._core.registry

    def init_flask(self, app: Flask, segment: Source = SEGMENT_HEADER, partner: Source = PARTNER_HEADER) -> None:
        """Count `app`'s requests and serve `/metrics`. `segment`, `partner`: a header's name, or a callable of the
        `flask.Request`."""
        from bascule.instrument.flask import instrument_flask

        instrument_flask(app, self._core, self.version, segment, partner, self.metrics_path)


_default: Instrument | None = None


def _instrument() -> Instrument:
    """The instrument behind this module's own names, on prometheus_client's default registry."""
    global _default
    if _default is None:
        _default = Instrument()
    return _default


def record_match_result(
    version: str,
    algorithm: str,
    user_segment: str,
    accuracy: float,
    success: bool,
    value: float | None = None,
) -> None:
    """See `Instrument.record_match_result`."""
    _instrument().record_match_result(version, algorithm, user_segment, accuracy, success, value)


def update_traffic_split(v1_requests: float, v2_requests: float) -> None:
    """See `Instrument.update_traffic_split`."""
    _instrument().update_traffic_split(v1_requests, v2_requests)


def __getattr__(name: str) -> Any:
    """The source document's metrics, made when first asked for, so that an Instrument may choose the buckets."""
    if name in _SOURCE_NAMES:
        return core_of(REGISTRY, None).families[getattr(conventions, name)]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
