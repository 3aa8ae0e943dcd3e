"""The canonical metrics of the `instrument` room, made once per registry from the table in `conventions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from bascule.conventions import METRICS, RESPONSE_TIME, Metric
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


def _make(metric: Metric, registry: CollectorRegistry, bounds: tuple[float, ...]) -> MetricWrapperBase:
    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind == "gauge":
        mode: Any = metric.multiprocess_mode
        return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=mode)
    make = ResponseTime if metric is RESPONSE_TIME else Histogram
    return make(metric.name, metric.help, metric.labels, registry=registry, buckets=bounds)
