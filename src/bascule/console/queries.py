"""The PromQL behind every figure and chart, in one place, so that the page can show what it asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from bascule import promql
from bascule.conventions import (
    PLANNED_SHARE,
    SEGMENT,
    SIGNAL_EFFECT,
    SIGNAL_LOG_EVIDENCE,
    SIGNAL_THRESHOLD,
    SIGNAL_VALUE,
    TOTAL_SEGMENT,
    VERSION,
)
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.kinds import Signal
from bascule.spec.quantities import format_duration

HEALTH = '{__name__=~"up|probe_success|redis_up|nginx_up"}'
HEALTH_TIMES = "timestamp(up)"


def window_seconds(spec: Spec, step: float = 0.0) -> float:
    """The shortest window that holds enough scrapes for a rate, and never less than a chart's step."""
    return max(10.0, 4 * spec.stack.scrape.interval, step)


def window(spec: Spec, step: float = 0.0) -> str:
    return format_duration(window_seconds(spec, step))


def rate_by_segment(spec: Spec, version: str, step: float = 0.0) -> str:
    """Requests per second of one version, by segment."""
    selector = promql.traffic(spec).where(*spec.versions.matchers(version))
    return f"sum by ({spec.segments.label}) (rate({selector.over(window(spec, step))}))"


def share_by_segment(spec: Spec, step: float = 0.0) -> str:
    """The candidate's share of each segment's requests; none while a version that is not up cannot be counted."""
    return _share(spec, *(rate_by_segment(spec, version, step) for version in spec.versions.both))


def share_total(spec: Spec, step: float = 0.0) -> str:
    """The candidate's share of all requests."""
    return _share(spec, *(f"sum({rate_by_segment(spec, version, step)})" for version in spec.versions.both))


def _share(spec: Spec, baseline: str, candidate: str) -> str:
    one = _counted(spec, spec.versions.candidate, candidate, baseline)
    other = _counted(spec, spec.versions.baseline, baseline, candidate)
    return f"{one} / ({one} + {other})"


def _counted(spec: Spec, version: str, rate: str, other: str) -> str:
    """A version's rate; 0 where only the other version has requests, provided that this one is up and would tell."""
    jobs = "|".join(name for name, service in spec.services.items() if service.version == version)
    is_up = f' and on () (sum(up{{job=~"{jobs}"}}) > 0)' if jobs else ""
    return f"({rate} or 0 * {other}{is_up})"


def planned_by_segment(spec: Spec) -> str:
    return f"max by ({SEGMENT}) ({PLANNED_SHARE.name})"


def down_seconds(spec: Spec, jobs: list[str]) -> str:
    """How long each of these jobs has not been seen up, at most an hour back."""
    names = "|".join(jobs)
    step = format_duration(max(1.0, spec.stack.scrape.interval))
    return f'time() - max by (job) (max_over_time(timestamp(up{{job=~"{names}"}} == 1)[1h:{step}]))'


@lru_cache(maxsize=1024)
def judged(signal: str, segment: str, **more: str) -> Mapping[str, str]:
    """The judge's own figures of one signal and segment, as it exports them to Prometheus."""
    here = {"signal": signal, SEGMENT: segment}
    return {
        "baseline": str(_metric(SIGNAL_VALUE.name, here | {VERSION: more.get("baseline", "v1")})),
        "candidate": str(_metric(SIGNAL_VALUE.name, here | {VERSION: more.get("candidate", "v2")})),
        "effect": str(_metric(SIGNAL_EFFECT.name, here)),
        "evidence": str(_metric(SIGNAL_LOG_EVIDENCE.name, here)),
        "threshold": str(_metric(SIGNAL_THRESHOLD.name, here)),
    }


def values(spec: Spec, name: str, segment: str, version: str, step: float = 0.0) -> str:
    """One version's course of a signal in a segment.

    Over all segments it is the judge's figure since the phase began, because only that is standardised to one mix:
    a pooled rate would differ between two identical versions.
    """
    signal = spec.signals.get(name)
    if signal is None or segment == TOTAL_SEGMENT:
        return str(_metric(SIGNAL_VALUE.name, {"signal": name, SEGMENT: segment, VERSION: version}))
    narrow = (*spec.versions.matchers(version), Matcher(spec.segments.label, "=", segment))
    return promql.value(signal, narrow, window(spec, step))


def by_segment(spec: Spec, signal: Signal, version: str, q: float) -> str:
    """One version's ratio, mean or quantile of the last five minutes, by segment."""
    return promql.value(signal, spec.versions.matchers(version), "5m", spec.segments.label, q)


LOOK_BACK = 3600.0  # seconds that the SLAs' figures are over
COVERED = f"max(count_over_time(up[{format_duration(LOOK_BACK)}]))"


def statistic(signal: Signal | None) -> str:
    """What a chart of the signal shows, in words."""
    if signal is None:
        return ""
    return "95th percentile" if signal.buckets is not None else "mean"


def _metric(name: str, labels: Mapping[str, str]) -> Selector:
    return Selector(name, tuple(Matcher(label, "=", value) for label, value in labels.items()))
