"""The canonical metrics of the `instrument` room, made once per registry from the table in `conventions`."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric as Family

from bascule.conventions import HTTP_DURATION, HTTP_REQUESTS, METRICS, RESPONSE_TIME, Metric
from bascule.instrument.derived import ResponseTime
from bascule.instrument.series import RequestSeries

Families = dict[Metric, Any]  # the prometheus_client object of each metric

SERVICE_METRICS = tuple(metric for metric in METRICS if metric.producer == "instrument")


def make_families(registry: CollectorRegistry, buckets: Mapping[str, tuple[float, ...]]) -> Families:
    """Every metric a service exports, registered; `buckets` replaces those of the table, by metric name."""
    families: Families = {}
    for metric in SERVICE_METRICS:
        bounds = buckets.get(metric.name, metric.buckets)
        families[metric] = _make(metric, registry, bounds)
    families[RESPONSE_TIME].derive_from(families)
    families[HTTP_REQUESTS].series = families[HTTP_DURATION].series = []
    return families


class _OfRequests(MetricWrapperBase):
    """Paid for by each request: without the checks that amounts from elsewhere need, and added to in batches."""

    series: Sequence[RequestSeries] = ()  # of the whole metric; what waits in them is added before it is collected

    def collect(self) -> Iterable[Family]:
        for series in tuple(self.series):
            series.settle()
        return super().collect()


class RequestCounter(_OfRequests, Counter):
    def increase(self, number: int) -> None:
        self._value.inc(number)


class RequestDuration(_OfRequests, Histogram):
    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        if exemplar:
            super().observe(amount, exemplar)
        else:
            self._sum.inc(amount)
            self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Each of them, none of them traced."""
        self._sum.inc(sum(amounts))
        bounds = self._upper_bounds
        for bucket, number in Tally(bisect_left(bounds, amount) for amount in amounts).items():
            self._buckets[bucket].inc(number)


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
