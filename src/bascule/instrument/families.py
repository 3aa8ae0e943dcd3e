"""The canonical metrics of the `instrument` room, made once per registry from the table in `conventions`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from bascule.conventions import HTTP_DURATION, HTTP_REQUESTS, METRICS, RESPONSE_TIME, Metric
from bascule.instrument.derived import ResponseTime

Families = dict[Metric, Any]  # the prometheus_client object of each metric

SERVICE_METRICS = tuple(metric for metric in METRICS if metric.producer == "instrument")


def make_families(registry: CollectorRegistry, buckets: Mapping[str, tuple[float, ...]]) -> Families:
    """Every metric a service exports, registered; `buckets` replaces those of the table, by metric name."""
    families: Families = {}
    for metric in SERVICE_METRICS:
        bounds = buckets.get(metric.name, metric.buckets)
        families[metric] = _make(metric, registry, bounds)
    families[RESPONSE_TIME].derive_from(families)
    return families


class RequestCounter(Counter):
    """Increased by one and nothing else, without the checks that other amounts need: it is paid for by each request."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        self._value.inc(1)


class RequestDuration(Histogram):
    """Finds the bucket by bisection, without checks: it is paid for by each request."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        if exemplar:
            super().observe(amount, exemplar)
        else:
            self._sum.inc(amount)
            self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


_CLASSES: dict[Metric, Any] = {
    HTTP_REQUESTS: RequestCounter,
    HTTP_DURATION: RequestDuration,
    RESPONSE_TIME: ResponseTime,
}
_KINDS: dict[str, Any] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


def _make(metric: Metric, registry: CollectorRegistry, bounds: tuple[float, ...]) -> MetricWrapperBase:
    make = _CLASSES.get(metric, _KINDS[metric.kind])
    options: dict[str, Any] = {}
    if metric.kind == "histogram":
        options["buckets"] = bounds
    if metric.kind == "gauge":
        options["multiprocess_mode"] = metric.multiprocess_mode
    made: MetricWrapperBase = make(metric.name, metric.help, metric.labels, registry=registry, **options)
    return made
