"""The alerts: the source document's six under their names, the judge's own, and one for whatever falls silent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule import conventions as names
from bascule.conventions import Alert, Recorded, quantile_name
from bascule.conventions import Rule as Named
from bascule.generate.rules import Alerting
from bascule.generate.texts import DURATION, PERCENT, POINTS, gain_written, title
from bascule.promql import WINDOW_SECONDS, by_segment, cache_counts, indent
from bascule.spec import Spec
from bascule.spec.quantities import format_duration
from bascule.spec.signals import HistogramSignal, RatioSignal

EVENTS, BY_SEGMENT, STANDARDISED = Recorded.SIGNAL_EVENTS, Recorded.SIGNAL_BY_SEGMENT, Recorded.SIGNAL_STANDARDISED
REQUESTS, SPLIT, PLAN = Recorded.REQUESTS, Recorded.SPLIT_BY_SEGMENT, Recorded.PLANNED_BY_SEGMENT
SERVICE_UP = Recorded.SERVICE_UP

CRITICAL, WARNING, GATE = "critical", "warning", "gate"
CACHE_WARM_UP_SECONDS = 600
SERVES_NOW_SECONDS = 30.0


def slug(alert: str) -> str:
    """The name of an alert's runbook: `ServiceDown` -> `service-down`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "-", alert).lower()


def alerting(
    spec: Spec, name: str, expr: str, *, hold: float, severity: str, summary: str, description: str, action: str,
    labels: dict[str, str] | None = None, keep_firing_for: float = 0.0, runbook: str = "",
) -> Alerting:  # fmt: skip
    """An alert with the labels and annotations that each of ours carries."""
    page = runbook or slug(name)
    annotations = {
        "summary": summary,
        "description": description,
        "action": action,
        "runbook": f"docs/runbooks/{page}.md",
        "runbook_url": f"{spec.stack.url('console')}/runbooks/{page}",
        "dashboard_url": f"{spec.stack.url('console')}/",
    }
    everything = {"severity": severity, **(labels or {})}
    return Alerting(spec.alert_prefix + name, expr, hold, everything, annotations, keep_firing_for)


def with_events(signal: str, by: str, at_least: float, *, versions: str = "") -> str:
    """The condition that a signal has had this many events within the window, by these labels."""
    where = f'signal="{signal}"' + (f",{versions}" if versions else "")
    return f"and on ({by})\nsum by ({by}) ({EVENTS}{{{where}}}) * {WINDOW_SECONDS} >= {at_least:g}"


def both_versions_with_events(spec: Spec, name: str, at_least: float) -> str:
    """The condition that each version has had this many events within the window, and the candidate still has some.

    After a roll-back its bad events stay in the window for minutes: no reason to call anybody then.
    """
    signal = spec.signals[name]
    assert isinstance(signal, RatioSignal)
    each = [
        f'sum({EVENTS}{{signal="{name}",version="{version}"}}) * {WINDOW_SECONDS} >= {at_least:g}'
        for version in spec.versions.both
    ]
    candidate = signal.total.where(*spec.versions.matchers(spec.versions.candidate))
    now = format_duration(max(SERVES_NOW_SECONDS, 4 * spec.stack.scrape.interval))
    each.append(f"sum(increase({candidate.over(now)})) > 0")
    return "\n".join(f"and on ()\n{condition}" for condition in each)


# ---------------------------------------------------------------- signals


def signal_alerts(spec: Spec) -> Iterator[Alerting]:
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        yield response_time_high(spec)
        yield from _response_time_high_in_segments(spec)
    if isinstance(spec.signals.get("accuracy"), RatioSignal):
        yield from _accuracy_degraded(spec)
    if isinstance(spec.signals.get("errors"), RatioSignal):
        yield v2_error_spike(spec)


def response_time_high(spec: Spec) -> Alerting:
    limit = spec.thresholds.response_time_p95
    return alerting(
        spec, Alert.RESPONSE_TIME_HIGH,
        f"{Named.RESPONSE_TIME_P95} > {limit:g}\n{with_events('latency', 'version', spec.thresholds.min_requests)}",
        hold=120, severity=WARNING,
        summary="High response time on {{ $labels.version }}",
        description=f"P95 response time on {{{{ $labels.version }}}} is {DURATION}, above {format_duration(limit)}.",
        action="Look for the slow endpoint and segment; compare with the other version before rolling back.",
    )  # fmt: skip


def _response_time_high_in_segments(spec: Spec) -> Iterator[Alerting]:
    for name, segment in spec.segments.named.items():
        if segment.latency.p95 is None:
            continue
        where = f'{{signal="latency",user_segment="{name}"}}'
        enough = with_events("latency", "version, user_segment", spec.thresholds.min_requests)
        yield alerting(
            spec, Alert.RESPONSE_TIME_HIGH,
            f"max without (signal) ({quantile_name('version_segment', 'p95')}{where})\n"
            f"> {segment.latency.p95:g}\n{enough}",
            hold=120, severity=WARNING,
            summary="High response time of {{ $labels.user_segment }} on {{ $labels.version }}",
            description="P95 response time of {{ $labels.user_segment }} on {{ $labels.version }} is "
            f"{DURATION}, above the {format_duration(segment.latency.p95)} promised to it.",
            action="Look for the slow endpoint; this segment has a target of its own.",
            labels={names.SEGMENT: name},
        )  # fmt: skip


def _accuracy_degraded(spec: Spec) -> Iterator[Alerting]:
    signal = spec.signals["accuracy"]
    assert isinstance(signal, RatioSignal)
    wanted = signal.alert_below_gain
    if wanted is None:
        return
    gain, value = f"{Named.ACCURACY_IMPROVEMENT} < {wanted.amount:g}", POINTS
    if wanted.relative:
        value = PERCENT
        old, new = (f'{STANDARDISED}{{signal="accuracy",version="{v}"}}' for v in spec.versions.both)
        gain = f"max without (signal) ({new} / ignoring (version) ({old} > 0)) - 1 < {wanted.amount:g}"
    yield alerting(
        spec, Alert.ACCURACY_DEGRADED,
        f"{gain}\n{_matched_enough(spec, signal)}\n"
        f"{both_versions_with_events(spec, 'accuracy', spec.thresholds.min_requests)}",
        hold=300, severity=GATE,  # two equal versions fail a wanted gain by definition: it holds, it does not page
        summary=f"{title(spec.versions.candidate)} accuracy improvement below target",
        description=f"Accuracy improvement over {spec.versions.baseline} is {value}, within the same segments; "
        f"at least {gain_written(wanted, signal.unit)} are wanted.",
        action=f"Consider rollback if < {gain_written(wanted, signal.unit)} for > 10min",
    )  # fmt: skip


def _matched_enough(spec: Spec, signal: RatioSignal) -> str:
    """The candidate's matches of the last hour reach the declared minimum: before that, nothing is known."""
    candidate = signal.total.where(*spec.versions.matchers(spec.versions.candidate))
    return f"and on ()\nsum(increase({candidate.over('1h')})) >= {spec.judge.min_samples}"


def v2_error_spike(spec: Spec) -> Alerting:
    old, new = map(title, spec.versions.both)
    return alerting(
        spec, Alert.V2_ERROR_SPIKE,
        f"{Named.ERROR_RATE_COMPARISON} > {spec.thresholds.error_rate_increase:g}\n"
        f"{both_versions_with_events(spec, 'errors', spec.thresholds.min_requests)}",
        hold=60, severity=CRITICAL,
        summary=f"{new} error rate significantly higher than {old}",
        description=f"{new} errors are {POINTS} higher than {old}'s, within the same segments.",
        action="Immediate investigation required",
    )  # fmt: skip


# ---------------------------------------------------------------- migration


def traffic_alerts(spec: Spec) -> Iterator[Alerting]:
    """Off the plan, not constant: a planned hold lasts a day or more.

    The tolerance is widened by three standard errors of the share, and the whole window must lie within the phase.
    """
    seen = f"({by_segment(spec, REQUESTS)} * {WINDOW_SECONDS})"
    error = f"3 * sqrt({PLAN} * (1 - {PLAN}) / on (user_segment) ({seen} > 0))"
    yield alerting(
        spec, Alert.MIGRATION_STALLED,
        f"abs({SPLIT} - on (user_segment) {PLAN})\n"
        f"> on (user_segment)\n({spec.thresholds.share_tolerance:g} + {error})\n"
        f"and on (user_segment)\n{seen} >= {spec.thresholds.min_requests}\n"
        f"unless on ()\n{phase_younger_than(WINDOW_SECONDS)}",
        hold=300, severity=WARNING,
        summary="Migration progress stalled: {{ $labels.user_segment }}",
        description=f"The share of {{{{ $labels.user_segment }}}} on {spec.versions.candidate} has been {POINTS} off "
        "the plan for more than 5 minutes.",
        action="Check that the load balancer took the phase's share (its configuration, its reload), "
        "and that the plan is the one meant.",
    )  # fmt: skip


def phase_younger_than(seconds: int) -> str:
    return f"time() - max({names.PHASE_STARTED.name}) < {seconds}"


# ---------------------------------------------------------------- services, cache, judge


def service_alerts(spec: Spec) -> Iterator[Alerting]:
    yield alerting(
        spec, Alert.SERVICE_DOWN, f"{SERVICE_UP} == 0",
        hold=5, severity=CRITICAL,
        summary="Service {{ $labels.job }} is down",
        description="{{ $labels.job }} ({{ $labels.instance }}) has been down for more than 5 seconds.",
        action="Restart it or take it out of the load balancer; if it is the new version, roll back.",
    )  # fmt: skip


def cache_alerts(spec: Spec) -> Iterator[Alerting]:
    jobs = list(spec.services_of("redis"))
    if not jobs:
        return
    _, lookups = cache_counts(jobs)
    yield alerting(
        spec, Alert.CACHE_HIT_RATE_LOW,
        f"{Named.REDIS_HIT_RATIO} < {spec.thresholds.cache_hit_ratio:g}\n"
        f"and on (job)\n{lookups} * {WINDOW_SECONDS} >= {spec.thresholds.min_requests}\n"
        f"unless on (job)\nmin by (job) (redis_uptime_in_seconds) < {CACHE_WARM_UP_SECONDS}",
        hold=180, severity=WARNING,
        summary="Redis cache hit ratio low: {{ $labels.job }}",
        description=f"Cache hit ratio of {{{{ $labels.job }}}} is {PERCENT}, "
        f"below {spec.thresholds.cache_hit_ratio * 100:g}%.",
        action="Look for evictions, a flushed cache, or keys that the new version writes differently.",
    )  # fmt: skip


def judge_alerts(spec: Spec) -> Iterator[Alerting]:
    """The second path of the judge's alarm: the same labels as the alert it posts itself, so that both are one."""
    yield alerting(
        spec, Alert.CANDIDATE_WORSE, f"max by (signal, user_segment) ({names.SIGNAL_ALARM.name}) == 1",
        hold=0, severity=CRITICAL, labels={names.VERSION: spec.versions.candidate},
        summary=f"{spec.versions.candidate} is worse: {{{{ $labels.signal }}}} ({{{{ $labels.user_segment }}}})",
        description="{{ $labels.signal }} ({{ $labels.user_segment }}): worse on "
        f"{spec.versions.candidate} than on {spec.versions.baseline}, by evidence past its threshold.",
        action="Roll back, or hold the share while the cause is found; the console shows the evidence.",
    )  # fmt: skip


# ---------------------------------------------------------------- no data

SIGNAL_EXPECTED = Recorded.SIGNAL_EXPECTED
SIGNAL_PRESENT = Recorded.SIGNAL_PRESENT


def no_data_alerts(spec: Spec) -> Iterator[Alerting]:
    """One alert over everything that ought to be there; what the plan does not give is not expected."""
    what = "{{ $labels.signal }}{{ with $labels.version }} on {{ . }}{{ end }}"
    what += "{{ with $labels.job }} of {{ . }}{{ end }}"
    segment = f'{{{{ with $labels.user_segment }}}}{{{{ if ne . "{names.TOTAL_SEGMENT}" }}}} in segment {{{{ . }}}}'
    segment += "{{ end }}{{ end }}"
    missing = f"{SIGNAL_EXPECTED}\nunless on (signal, version, user_segment, job)\n{SIGNAL_PRESENT}"
    yield alerting(
        spec, Alert.SIGNAL_NO_DATA, f"(\n{indent(missing)}\n)\nunless on ()\n{phase_younger_than(60)}",
        hold=60, severity=WARNING,
        summary=f"No data for {what}",
        description=f"No data for {what}{segment}: silence here is not health.",
        action="Check the service's /metrics, the selectors of the spec, and the role that exports it.",
    )  # fmt: skip


__all__ = [
    "BY_SEGMENT",
    "alerting",
    "cache_alerts",
    "judge_alerts",
    "no_data_alerts",
    "service_alerts",
    "signal_alerts",
    "slug",
    "traffic_alerts",
]
