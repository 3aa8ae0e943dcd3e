"""What pages ask of Prometheus when somebody opens them: once for all who look, at most every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bascule import slo
from bascule.console import queries
from bascule.conventions import PARTNER, SEGMENT, VERSION, Recorded
from bascule.errors import BasculeError
from bascule.prometheus import NoData, Prometheus
from bascule.promql import Unproven
from bascule.slo import Headline, Slo
from bascule.spec import Spec
from bascule.spec.signals import HistogramSignal
from bascule.states import Cause

T = TypeVar("T")
KEPT_FOR = 4.0  # seconds
PROOF_KEPT_FOR = 60.0  # seconds: the labels that series have change with a deployment
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
ByVersion = Mapping[tuple[str, str], float]  # (version, segment or partner) -> value


class ReadOnce(Generic[T]):
    """An answer that serves everybody for some seconds; what fails is raised to each who asked meanwhile."""

    def __init__(
        self, make: Callable[[], T], clock: Callable[[], float] = time.monotonic, kept_for: float = KEPT_FOR
    ) -> None:
        self._make = make
        self._clock = clock
        self._kept_for = kept_for
        self._kept: tuple[float, T] | None = None
        self._failed: tuple[float, BasculeError] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> T:
        asked = self._clock()
        with self._lock:
            if self._kept is None or self._clock() - self._kept[0] >= self._kept_for:
                self._kept = self._made(asked)
            return self._kept[1]

    def _made(self, asked: float) -> tuple[float, T]:
        """Who waited while it failed is not kept waiting for as long again."""
        if self._failed is not None and self._failed[0] > asked:
            raise self._failed[1]
        try:
            return self._clock(), self._make()
        except BasculeError as error:
            self._failed = (self._clock(), error)
            raise


@dataclass(frozen=True)
class MeasuredTraffic:
    """The last five minutes of segments and partners; values in the signals' own units, requests per second.

    `unknown`: why nothing could be asked.
    """

    signals: Mapping[tuple[str, str], ByVersion] = field(default_factory=dict)  # (signal, quantile or "")
    requests: ByVersion = field(default_factory=dict)
    refused: ByVersion = field(default_factory=dict)
    partner_errors: ByVersion = field(default_factory=dict)
    partner_format: ByVersion = field(default_factory=dict)
    partner_requests: Mapping[str, float] = field(default_factory=dict)  # of the last hour
    partner_quota: Mapping[str, float] = field(default_factory=dict)  # the share of it that is used
    unknown: Cause | None = None


def measure(spec: Spec, prometheus: Prometheus) -> MeasuredTraffic:
    """Raises BasculeError when Prometheus does not answer."""

    def by(query: str, label: str) -> ByVersion:
        return {(s.labels.get(VERSION, ""), s.labels.get(label, "")): s.value for s in prometheus.instant(query)}

    signals: dict[tuple[str, str], ByVersion] = {}
    for name, signal in spec.signals.items():
        for quantile, q in list(QUANTILES.items()) if isinstance(signal, HistogramSignal) else [("", 0.95)]:
            asked = {v: queries.by_segment(spec, signal, v, q) for v in spec.versions.both}
            signals[name, quantile] = {
                (version, sample.labels.get(spec.segments.label, "")): sample.value
                for version, query in asked.items()
                for sample in prometheus.instant(query)
            }
    return MeasuredTraffic(
        signals,
        by(Recorded.REQUESTS, SEGMENT),
        by(Recorded.REFUSED, SEGMENT),
        by(Recorded.ERRORS_BY_PARTNER, PARTNER),
        by(Recorded.FORMAT_COMPATIBLE, PARTNER),
        _by_label(prometheus, Recorded.PARTNER_REQUESTS, PARTNER),
        _by_label(prometheus, Recorded.PARTNER_QUOTA, PARTNER),
    )


@dataclass(frozen=True)
class Business:
    """What may be said of each SLA over its own window; consumers of the API by version."""

    headlines: Mapping[str, Headline]
    consumers: Mapping[str, float]


def business(spec: Spec, prometheus: Prometheus, found: Mapping[str, tuple[Unproven, ...]]) -> Business:
    """`found`: selectors that cannot count what they name, by SLA.

    Raises BasculeError when Prometheus does not answer.
    """
    told = {e.name: slo.mistrusted(_headline(prometheus, e), found.get(e.name, ())) for e in slo.all_of(spec)}
    return Business(told, _by_label(prometheus, Recorded.CONSUMERS, VERSION))


def _headline(prometheus: Prometheus, each: Slo) -> Headline:
    asked = slo.recorded(each)
    spent, covered, events = (known(prometheus.scalar(query)) for query in (asked.spent, asked.covered, asked.events))
    return slo.headline(each, spent, covered or 0.0, events)


def known(answer: float | NoData) -> float | None:
    return None if isinstance(answer, NoData) else answer


def _by_label(prometheus: Prometheus, query: str, label: str) -> dict[str, float]:
    return {sample.labels.get(label, ""): sample.value for sample in prometheus.instant(query)}
