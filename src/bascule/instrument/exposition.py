"""The `/metrics` page: one process or many, Prometheus' text or OpenMetrics."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bascule.conventions import HTTP_DURATION, RESPONSE_TIME, TRAFFIC_SPLIT
from bascule.instrument.derived import with_derived
from bascule.instrument.merge import begun, locked
from bascule.instrument.multiprocess import directory, forget_dead_workers


class ScrapePage(NamedTuple):
    headers: list[tuple[str, str]]
    body: bytes


def render(registry: CollectorRegistry, accept: str = "", accept_encoding: str = "") -> ScrapePage:
    """The page in the format that the scraper's headers ask for."""
    encode, content_type = choose_encoder(accept)
    body = encode(Exposed(registry))
    headers = [("Content-Type", content_type)]
    if gzip_accepted(accept_encoding):
        body = gzip.compress(body, compresslevel=1)
        headers.append(("Content-Encoding", "gzip"))
    return ScrapePage([*headers, ("Content-Length", str(len(body)))], body)


class Exposed(Collector):
    """The registry's metrics, or all workers' metrics, without `_created` series and without absent shares."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        return [_trimmed(family) for family in self._families()]

    def _families(self) -> Iterable[Family]:
        folder = directory()
        if folder is None:
            return self._registry.collect()
        forget_dead_workers()
        with locked(folder, "shared"):
            files = [str(file) for file in begun(folder.glob("*.db"))]
            merged: Iterable[Family] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return _with_response_time({family.name: family for family in merged})


def _with_response_time(families: dict[str, Family]) -> Iterator[Family]:
    own = families.pop(RESPONSE_TIME.name, None) or Family(RESPONSE_TIME.name, RESPONSE_TIME.help, "histogram")
    if duration := families.get(HTTP_DURATION.name):
        own = with_derived(own, duration)
    yield from families.values()
    yield own


def _trimmed(family: Family) -> Family:
    created = family.name + "_created"
    trimmed = Family(family.name, family.documentation, family.type, family.unit)
    trimmed.samples = [sample for sample in family.samples if sample.name != created]
    if family.name == TRAFFIC_SPLIT.name:  # no traffic: no share, rather than the last one for ever
        trimmed.samples = [sample for sample in trimmed.samples if not math.isnan(sample.value)]
    return trimmed
