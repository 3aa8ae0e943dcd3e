"""The recording rules: each name of the conventions with its expression of `promql`.

How a signal is kept. Numerators and denominators are recorded first, by segment, under a `signal` label; every
later rule is one expression over all signals. Distributions have a group of their own, which is evaluated less often.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bascule import promql
from bascule.conventions import Recorded, mix_adjusted_quantile_name, quantile_name
from bascule.conventions import Rule as Named
from bascule.generate.prometheus.prometheus_config import PROBE_GIVES_UP_SECONDS
from bascule.generate.prometheus.rules import Recording
from bascule.spec import Spec

_LEVELS = {"version_segment": "signal, version, user_segment", "version": "signal, version"}


# ---------------------------------------------------------------- signals


def distribution_rules(spec: Spec) -> Iterator[Recording]:
    """The chain of the group `distributions.rules`, in order."""
    if names := distributions(spec):
        yield from _counted(spec, names)
        for name in names:
            yield Recording(Recorded.SIGNAL_MIX, promql.mix(spec, [name]), {"signal": name})
        yield from _quantiles()
    if latency := spec.latency:
        yield Recording(Named.RESPONSE_TIME_P95, promql.p95_seconds(latency))
        yield Recording(Named.PERFORMANCE_RATIO, promql.p95_ratio(spec, latency))


def signal_rules(spec: Spec) -> Iterator[Recording]:
    """The chain of the group `supersmartmatch.rules`, in order."""
    apart = distributions(spec)
    others = [name for name in spec.signals if name not in apart]
    yield from _counted(spec, others)
    yield Recording(Recorded.REQUESTS, promql.requests(spec))
    yield from _refused(spec)
    if others:
        yield Recording(Recorded.SIGNAL_MIX, promql.mix(spec, others))
    if any(signal.numerator for signal in spec.signals.values()):
        yield from _values(spec)
    yield from _source_names(spec)


def distributions(spec: Spec) -> list[str]:
    """The signals that are read by every bucket, which costs most."""
    return [name for name, signal in spec.signals.items() if signal.buckets is not None]


def _counted(spec: Spec, signals: Iterable[str]) -> Iterator[Recording]:
    for name in signals:
        counted = promql.counted(spec, spec.signals[name])
        yield from (Recording(series, expr, {"signal": name}) for series, expr in counted.items())


def _values(spec: Spec) -> Iterator[Recording]:
    yield Recording(Recorded.SIGNAL_BY_SEGMENT, promql.value_by(_LEVELS["version_segment"]))
    yield Recording(Recorded.SIGNAL_BY_VERSION, promql.value_by(_LEVELS["version"]))
    yield Recording(Recorded.SIGNAL_STANDARDISED, promql.mix_adjusted())
    yield Recording(Recorded.SIGNAL_DIFFERENCE, promql.difference(spec, Recorded.SIGNAL_STANDARDISED))
    yield Recording(Recorded.SIGNAL_DIFFERENCE_BY_SEGMENT, promql.difference(spec, Recorded.SIGNAL_BY_SEGMENT))


def _refused(spec: Spec) -> Iterator[Recording]:
    """What is no server error and yet no success: beside the errors, with which it shares all requests."""
    if refused := promql.client_errors(spec):
        yield Recording(Recorded.CLIENT_ERRORS, refused)
    if unsuccessful := promql.unsuccessful(spec):
        yield Recording(Recorded.UNSUCCESSFUL, unsuccessful)


def _quantiles() -> Iterator[Recording]:
    for quantile in promql.QUANTILES:
        for level in ("version", "version_segment"):
            yield Recording(quantile_name(level, quantile), promql.quantile_by(_LEVELS[level], quantile))
    yield Recording(mix_adjusted_quantile_name("p95"), promql.mix_adjusted_quantile("p95"))


def _source_names(spec: Spec) -> Iterator[Recording]:
    """The source document's rules, under its names, of the signals that have the roles it means."""
    if accuracy := spec.accuracy:
        yield Recording(Named.ACCURACY_RATE, promql.share_by_version(accuracy, "good"))
        yield Recording(Named.ACCURACY_IMPROVEMENT, promql.share_difference(accuracy, "good"))
    if errors := spec.errors:
        yield Recording(Named.ERROR_RATE, promql.share_by_version(errors, "bad"))
        yield Recording(Named.ERROR_RATE_COMPARISON, promql.share_difference(errors, "bad"))


# ---------------------------------------------------------------- traffic, services, cache


def traffic_rules(spec: Spec) -> Iterator[Recording]:
    """Traffic against the plan."""
    yield Recording(Named.TRAFFIC_SPLIT_V2, promql.candidate_share(spec))
    yield Recording(Recorded.SPLIT_BY_SEGMENT, promql.candidate_share_by_segment(spec))
    yield Recording(Recorded.PLANNED_BY_SEGMENT, promql.planned_by_segment(spec))


def service_rules(spec: Spec) -> Iterator[Recording]:
    for kind, expr in promql.service_up(spec).items():
        yield Recording(Recorded.SERVICE_UP, expr, {"component": kind})


def probe_rules(spec: Spec) -> Iterator[Recording]:
    if any(probe.kind == "https" for probe in spec.probes.values()):
        yield Recording(Recorded.CERTIFICATE_EXPIRY, promql.certificate_expiry(spec))
    if spec.is_probed:
        yield Recording(Recorded.PROBE_FAILURE, promql.probe_failure(spec, PROBE_GIVES_UP_SECONDS))


def cache_rules(spec: Spec) -> Iterator[Recording]:
    """Hits among look-ups, summed over the nodes of each declared Redis service."""
    if jobs := list(spec.services_of("redis")):
        yield Recording(Named.REDIS_HIT_RATIO, promql.cache_hit_ratio(jobs))
