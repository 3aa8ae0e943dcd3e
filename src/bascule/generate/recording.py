"""The recording rules: every signal by version and segment, both versions set side by side, traffic, services, cache.

How a signal is kept. Numerators and denominators are recorded first, within strata, under a `signal` label; every
later rule is one expression over all signals. Ratios are of sums, never averages of ratios, and are absent without
traffic (`> 0`), so that "no data" stays no data. A bad-event counter that has not appeared yet counts as zero only
where that is known: the total has events, and the counter is of the same metric or exists for that version.

How two versions are compared (`standardised`). Segments move at different times, so that pooled figures differ by mix
alone. Each version's figure is formed within each stratum that both serve and weighed with one mix for both,
n1 n2 / (n1 + n2) of the stratum's events (a stratum that one version barely serves weighs little).
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule.conventions import Recorded
from bascule.conventions import Rule as Named
from bascule.generate.prometheus_config import probe_job
from bascule.generate.rules import Recording
from bascule.promql.expressions import (
    WINDOW,
    among,
    by_segment,
    canonical_rate,
    events,
    indent,
    requests,
    strata,
)
from bascule.spec import Selector, Spec
from bascule.spec.signals import GaugeSignal, HistogramSignal, MeanSignal, RatioSignal

EVENTS = Recorded.SIGNAL_EVENTS
SUM = Recorded.SIGNAL_SUM
BUCKET = Recorded.SIGNAL_BUCKET
MIX = Recorded.SIGNAL_MIX
BY_VERSION = Recorded.SIGNAL_BY_VERSION
BY_SEGMENT = Recorded.SIGNAL_BY_SEGMENT
STANDARDISED = Recorded.SIGNAL_STANDARDISED
DIFFERENCE = Recorded.SIGNAL_DIFFERENCE
SEGMENT_DIFFERENCE = Recorded.SIGNAL_DIFFERENCE_BY_SEGMENT
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

REQUESTS = Recorded.REQUESTS
SPLIT = Recorded.SPLIT_BY_SEGMENT
PLAN = Recorded.PLANNED_BY_SEGMENT
SERVICE_UP = Recorded.SERVICE_UP

assert all(name.endswith(WINDOW) for name in (EVENTS, SUM, BUCKET, MIX, BY_VERSION, BY_SEGMENT))


def quantile_name(level: str, quantile: str) -> str:
    """`quantile_name("version_segment", "p95")`: where a signal's quantile is kept."""
    return f"{level}:signal:{quantile}_rate5m"


def standardised_quantile(quantile: str) -> str:
    return f"version:signal:{quantile}_standardised_rate5m"


# ---------------------------------------------------------------- signals


def signal_rules(spec: Spec) -> Iterator[Recording]:
    """The chain of the group `supersmartmatch.rules`, in order."""
    for name in spec.signals:
        yield from _counts(spec, name)
    yield _mix(spec)
    if _kinds(spec, RatioSignal, MeanSignal):
        yield from _ratios()
        yield from _ratio_comparisons(spec)
    if _kinds(spec, HistogramSignal):
        yield from _quantiles()
    yield from _source_names(spec)


def _kinds(spec: Spec, *kinds: type) -> list[str]:
    return [name for name, signal in spec.signals.items() if isinstance(signal, kinds)]


def _counts(spec: Spec, name: str) -> Iterator[Recording]:
    signal, label = spec.signals[name], {"signal": name}
    counter = events(signal)
    if counter is None or isinstance(signal, GaugeSignal):
        return
    by = ", ".join((names.VERSION, *strata(spec, signal)))
    yield Recording(EVENTS, _sum(spec, counter, by), label)
    if isinstance(signal, HistogramSignal):
        yield Recording(BUCKET, _sum(spec, signal.series("bucket"), f"{by}, le"), label)
    else:
        numerator = signal.sum if isinstance(signal, MeanSignal) else signal.events
        yield Recording(SUM, _or_zero(spec, numerator, counter, by), label)


def _sum(spec: Spec, selector: Selector, by: str) -> str:
    return f"sum by ({by}) ({canonical_rate(spec, selector)})"


def _or_zero(spec: Spec, numerator: Selector, total: Selector, by: str) -> str:
    zero = f"0 * {_sum(spec, total, by)}"
    if numerator.metric != total.metric:
        # A metric that a version does not export at all is no data, not zero.
        zero = f"({zero} and on (version) count by (version) ({canonical_rate(spec, numerator)}))"
    return f"{_sum(spec, numerator, by)}\nor\n{zero}"


def _mix(spec: Spec) -> Recording:
    old, new = (f'{EVENTS}{{version="{version}"}}' for version in spec.versions.both)
    product = f"({old} * ignoring (version) {new})"
    return Recording(MIX, f"{product}\n/\n(({old} + ignoring (version) {new}) > 0)")


def _ratios() -> Iterator[Recording]:
    for name, by in ((BY_SEGMENT, "signal, version, user_segment"), (BY_VERSION, "signal, version")):
        yield Recording(name, f"sum by ({by}) ({SUM})\n/\n(sum by ({by}) ({EVENTS}) > 0)")


def _ratio_comparisons(spec: Spec) -> Iterator[Recording]:
    weighed = f"sum by (signal, version) (\n  {SUM} / ({EVENTS} > 0)\n  * ignoring (version) group_left () {MIX}\n)"
    yield Recording(STANDARDISED, f"{weighed}\n/ on (signal) group_left ()\n(sum by (signal) ({MIX}) > 0)")
    yield Recording(DIFFERENCE, _candidate_minus_baseline(spec, STANDARDISED))
    yield Recording(SEGMENT_DIFFERENCE, _candidate_minus_baseline(spec, BY_SEGMENT))


def _candidate_minus_baseline(spec: Spec, name: str) -> str:
    old, new = (f'{name}{{version="{version}"}}' for version in spec.versions.both)
    return f"{new}\n- ignoring (version)\n{old}"


def _quantiles() -> Iterator[Recording]:
    """Guarded by `>= 0`: a quantile of no observations is NaN, and nothing is left of it."""
    for quantile, q in QUANTILES.items():
        for level, by in (("version", "signal, version"), ("version_segment", "signal, version, user_segment")):
            yield Recording(
                quantile_name(level, quantile), f"histogram_quantile({q}, sum by ({by}, le) ({BUCKET})) >= 0"
            )
    weighed = f"{BUCKET} / ignoring (le) group_left () ({EVENTS} > 0)\n* ignoring (version, le) group_left () {MIX}"
    mixed = f"sum by (signal, version, le) (\n{indent(weighed)}\n)"
    yield Recording(standardised_quantile("p95"), f"histogram_quantile(0.95, {mixed}) >= 0")


def _source_names(spec: Spec) -> Iterator[Recording]:
    """The source document's rules, under its names; `errors`, `latency` and `accuracy` are what it means by them."""
    if isinstance(spec.signals.get("accuracy"), RatioSignal):
        yield Recording(Named.ACCURACY_RATE, _without_signal(BY_VERSION, "accuracy"))
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        yield Recording(Named.RESPONSE_TIME_P95, _without_signal(quantile_name("version", "p95"), "latency"))
    if isinstance(spec.signals.get("errors"), RatioSignal):
        yield Recording(Named.ERROR_RATE, _without_signal(BY_VERSION, "errors"))
    if isinstance(spec.signals.get("accuracy"), RatioSignal):
        yield Recording(Named.ACCURACY_IMPROVEMENT, _without_signal(DIFFERENCE, "accuracy"))
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        yield Recording(Named.PERFORMANCE_RATIO, _performance_ratio(spec))
    if isinstance(spec.signals.get("errors"), RatioSignal):
        yield Recording(Named.ERROR_RATE_COMPARISON, _without_signal(DIFFERENCE, "errors"))


def _without_signal(name: str, signal: str) -> str:
    return f'max without (signal) ({name}{{signal="{signal}"}})'


def _performance_ratio(spec: Spec) -> str:
    old, new = (
        f'{standardised_quantile("p95")}{{signal="latency",version="{version}"}}' for version in spec.versions.both
    )
    return f"max without (signal) (\n  {old}\n  / ignoring (version)\n  ({new} > 0)\n)"


# ---------------------------------------------------------------- traffic against the plan


def traffic_rules(spec: Spec) -> Iterator[Recording]:
    new = f'{REQUESTS}{{version="{spec.versions.candidate}"}}'
    by = f"{names.VERSION}, {names.SEGMENT}" if spec.segments.named else names.VERSION
    yield Recording(REQUESTS, _sum(spec, requests(spec), by))
    yield Recording(Named.TRAFFIC_SPLIT_V2, f"(sum({new}) or 0 * sum({REQUESTS}))\n/\n(sum({REQUESTS}) > 0)")
    everything, moved = by_segment(spec, REQUESTS), by_segment(spec, new)
    yield Recording(SPLIT, f"({moved} or 0 * {everything})\n/\n({everything} > 0)")
    yield Recording(PLAN, f"max by ({names.SEGMENT}) ({planned(spec)})")


def planned(spec: Spec) -> str:
    """The plan's share of each segment there is; the plan for `all` is of use only where there are none."""
    operator = "!=" if spec.segments.named else "="
    return f'{names.PLANNED_SHARE.name}{{{names.SEGMENT}{operator}"{names.TOTAL_SEGMENT}"}}'


# ---------------------------------------------------------------- services and cache


def service_rules(spec: Spec) -> Iterator[Recording]:
    """Is each declared service there: one series `bascule:service_up` per target, 1 or 0.

    An exporter answers for a dead nginx or Redis, and a dead exporter leaves `up` alone: both are 0, never absent.
    """
    said_by = {"nginx": "nginx_up", "redis": "redis_up"}
    for kind in dict.fromkeys(service.kind for service in spec.services.values()):
        yield _service_up(kind, list(spec.services_of(kind)), said_by.get(kind, ""))
    if spec.probes:
        yield _service_up("probe", [probe_job(name) for name in spec.probes], "probe_success")
    yield Recording(Recorded.SERVICE_AVAILABILITY, f"avg by (job) (avg_over_time({SERVICE_UP}[{WINDOW}]))")


def _service_up(kind: str, jobs: list[str], said_by: str) -> Recording:
    where = "{" + among("job", jobs) + "}"
    up = f"max by (job, instance) (up{where})"
    expr = f"max by (job, instance) ({said_by}{where})\nor\n0 * {up}" if said_by else up
    return Recording(SERVICE_UP, expr, {"component": kind})


def cache_rules(spec: Spec) -> Iterator[Recording]:
    """Hits among look-ups, summed over the nodes of each declared Redis service."""
    jobs = list(spec.services_of("redis"))
    if jobs:
        hits, lookups = cache_counts(jobs)
        yield Recording(Named.REDIS_HIT_RATIO, f"{hits}\n/\n({lookups} > 0)")


def cache_counts(jobs: list[str]) -> tuple[str, str]:
    """Hits and look-ups per second, by service."""
    hits, misses = (
        f"sum by (job) (rate(redis_keyspace_{which}_total{{{among('job', jobs)}}}[{WINDOW}]))"
        for which in ("hits", "misses")
    )
    return hits, f"({hits} + {misses})"
