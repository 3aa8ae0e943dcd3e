"""The PromQL behind every figure and chart, in one place, so that the page can show what it asked."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.conventions import (
    PHASE,
    PHASE_STARTED,
    PLANNED_SHARE,
    SEGMENT,
    SIGNAL_EFFECT,
    SIGNAL_LOG_EVIDENCE,
    SIGNAL_THRESHOLD,
    SIGNAL_VALUE,
    TOTAL_SEGMENT,
    VERSION,
)
from bascule.spec.model import GaugeSignal, HistogramSignal, MeanSignal, RatioSignal, Signal, Spec
from bascule.spec.quantities import format_duration
from bascule.spec.selector import Matcher, Selector

HEALTH = '{__name__=~"up|probe_success|redis_up|nginx_up"}'
HEALTH_TIMES = "timestamp(up)"
PLAN = f'{{__name__=~"{PLANNED_SHARE.name}|{PHASE.name}|{PHASE_STARTED.name}"}}'


def window(spec: Spec, step: float = 0.0) -> str:
    """The shortest window that holds enough scrapes for a rate, and never less than a chart's step."""
    return format_duration(max(15.0, 4 * spec.stack.scrape.interval, step))


def traffic(spec: Spec) -> Selector:
    """A counter of all requests: what the first signal that counts events counts."""
    for signal in spec.signals.values():
        if isinstance(signal, RatioSignal):
            return signal.total
        if isinstance(signal, HistogramSignal):
            return signal.series("count")
        if isinstance(signal, MeanSignal):
            return signal.count
    return Selector("http_requests_total")


def rate_by_segment(spec: Spec, version: str, step: float = 0.0) -> str:
    """Requests per second of one version, by segment."""
    selector = traffic(spec).where(*spec.versions.matchers(version))
    return f"sum by ({spec.segments.label}) (rate({selector.over(window(spec, step))}))"


def rate_total(spec: Spec, version: str) -> str:
    selector = traffic(spec).where(*spec.versions.matchers(version))
    return f"sum(rate({selector.over(window(spec))}))"


def share_by_segment(spec: Spec, step: float = 0.0) -> str:
    """The candidate's share of each segment's requests; 0 where only the baseline answers."""
    baseline = rate_by_segment(spec, spec.versions.baseline, step)
    candidate = rate_by_segment(spec, spec.versions.candidate, step)
    return f"({candidate} or 0 * {baseline}) / (({candidate} + {baseline}) or {candidate} or {baseline})"


def share_total(spec: Spec, step: float = 0.0) -> str:
    """The candidate's share of all requests."""
    by_segment = [rate_by_segment(spec, version, step) for version in (spec.versions.candidate, spec.versions.baseline)]
    candidate, baseline = (f"sum({each})" for each in by_segment)
    return f"({candidate} or 0 * {baseline}) / (({candidate} + {baseline}) or {candidate} or {baseline})"


def planned_by_segment(spec: Spec) -> str:
    return f"max by ({SEGMENT}) ({PLANNED_SHARE.name})"


def down_seconds(spec: Spec, jobs: list[str]) -> str:
    """How long each of these jobs has not been seen up, at most an hour back."""
    names = "|".join(jobs)
    step = format_duration(max(1.0, spec.stack.scrape.interval))
    return f'time() - max by (job) (max_over_time(timestamp(up{{job=~"{names}"}} == 1)[1h:{step}]))'


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
    return _course(signal, narrow, window(spec, step))


def _course(signal: Signal, narrow: tuple[Matcher, ...], over: str) -> str:
    def rate(selector: Selector) -> str:
        return f"rate({selector.where(*narrow).over(over)})"

    match signal:
        case RatioSignal():
            return f"(sum({rate(signal.events)}) or 0 * sum({rate(signal.total)})) / sum({rate(signal.total)})"
        case HistogramSignal():
            return f"histogram_quantile(0.95, sum by (le) ({rate(signal.series('bucket'))}))"
        case MeanSignal():
            return f"sum({rate(signal.sum)}) / sum({rate(signal.count)})"
        case GaugeSignal():
            return f"avg({signal.metric.where(*narrow)})"


def statistic(signal: Signal | None) -> str:
    """What a chart of the signal shows, in words."""
    return "95th percentile" if isinstance(signal, HistogramSignal) else "mean" if signal else ""


def _metric(name: str, labels: Mapping[str, str]) -> Selector:
    return Selector(name, tuple(Matcher(label, "=", value) for label, value in labels.items()))
