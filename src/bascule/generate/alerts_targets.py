"""Promises to segments and partners (pages), targets and gates (they hold a promotion), and rollback triggers.

A ratio is compared with its target only where it is clearly beyond it: three standard errors of a ratio that is exactly
on target are allowed for, so that 97 good ones of 100 are no breach of 98 %.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule.conventions import Alert, Recorded, quantile_name
from bascule.conventions import Rule as Named
from bascule.generate.alerts import CRITICAL, GATE, WARNING, alerting
from bascule.generate.rules import Alerting
from bascule.generate.texts import NUMBER, PERCENT, difference_in, gain_written, value_in, written
from bascule.promql import QUANTILES, WINDOW_SECONDS, among
from bascule.spec import Spec
from bascule.spec.model import AVAILABILITY, Rollback
from bascule.spec.quantities import Gain, format_duration
from bascule.spec.signals import GaugeSignal, HistogramSignal, MeanSignal, RatioSignal
from bascule.spec.uses import partner_label, quotas, uses_instrument

_PROMISE = {
    "accuracy": ("Accuracy", "{{ $labels.user_segment }} does not get the accuracy it was promised"),
    "errors": ("Error rate", "{{ $labels.user_segment }} meets more errors than it was promised"),
}
GATE_HOLD_SECONDS = 900.0  # a gate is in no hurry, and a quarter of an hour evens out small numbers


def clearly(comparison: str, value: str, target: float, events_per_second: str, on: str) -> str:
    """`value` beyond `target` by more than three standard errors, at this many events in the window."""
    margin = f"3 * sqrt({target * (1 - target):.6g} / ({events_per_second} * {WINDOW_SECONDS}))"
    sign = "+" if comparison == ">" else "-"
    return f"{value}\n{comparison} on ({on})\n({target:g} {sign} {margin})"


def enough(events_per_second: str, at_least: float, on: str) -> str:
    return f"and on ({on})\n{events_per_second} * {WINDOW_SECONDS} >= {at_least:g}"


def target_alerts(spec: Spec) -> Iterator[Alerting]:
    yield from _segments(spec)
    if partner_label(spec):
        yield from _partners(spec)
    if uses_instrument(spec):
        yield from _refusals(spec)
    yield from _targets(spec)
    yield _gates(spec)


# ---------------------------------------------------------------- segments


def _segments(spec: Spec) -> Iterator[Alerting]:
    for name, segment in spec.segments.named.items():
        if segment.accuracy is not None and isinstance(spec.signals.get("accuracy"), RatioSignal):
            yield _segment_alert(
                spec, Alert.SEGMENT_ACCURACY_LOW, name, "accuracy", "<", segment.accuracy, spec.versions.candidate
            )
        if segment.errors is not None and not segment.partner_label and "errors" in spec.signals:
            yield _segment_alert(spec, Alert.SEGMENT_ERRORS_HIGH, name, "errors", ">", segment.errors, "")


def _segment_alert(
    spec: Spec, alert: str, segment: str, signal: str, comparison: str, target: float, version: str
) -> Alerting:
    """The old version is not held to what the new one promises: with `version`, only that one is looked at."""
    where = f'signal="{signal}",user_segment="{segment}"' + (f',version="{version}"' if version else "")
    value = f"max without (signal) ({Recorded.SIGNAL_BY_SEGMENT}{{{where}}})"
    events, on = f"sum by (version, user_segment) ({Recorded.SIGNAL_EVENTS}{{{where}}})", "version, user_segment"
    figure, summary = _PROMISE[signal]
    word = "below" if comparison == "<" else "above"
    return alerting(
        spec, alert,
        f"{clearly(comparison, value, target, events, on)}\n{enough(events, spec.thresholds.min_requests, on)}",
        # With the old version's own figures a promised gain is missed too: that holds a promotion, and is no page.
        hold=300, severity=GATE if version else WARNING, labels={names.SEGMENT: segment},
        summary=summary,
        description=f"{figure} of {{{{ $labels.user_segment }}}} on {{{{ $labels.version }}}} is {PERCENT}, "
        f"{word} the {written(target, 'ratio')} promised to it.",
        action="Find what differs for this segment; hold its share until it is mended.",
        runbook="segment-promises",
    )  # fmt: skip


# ---------------------------------------------------------------- partners


def _partners(spec: Spec) -> Iterator[Alerting]:
    for segment in spec.segments.named.values():
        if segment.partner_label and segment.errors is not None and "errors" in spec.signals:
            yield _partner_errors(spec, segment.errors)
        if segment.partner_label and segment.format_compatibility is not None and uses_instrument(spec):
            yield _partner_format(spec, segment.format_compatibility)
    if quotas(spec):
        yield _partner_quota(spec)


def _partner_errors(spec: Spec, target: float) -> Alerting:
    on = "version, partner"
    events = str(Recorded.REQUESTS_BY_PARTNER)
    return alerting(
        spec, Alert.PARTNER_ERRORS_HIGH,
        f"{clearly('>', Recorded.ERRORS_BY_PARTNER, target, events, on)}\n"
        f"{enough(events, spec.thresholds.min_requests, on)}",
        hold=300, severity=WARNING,
        summary="Partner {{ $labels.partner }} meets too many errors",
        description=f"{{{{ $labels.partner }}}} on {{{{ $labels.version }}}}: {PERCENT} of its requests fail, "
        f"above the {written(target, 'ratio')} promised.",
        action="Look at that partner's endpoints and formats; tell the partner before it tells you.",
        runbook="partner-promises",
    )  # fmt: skip


def _partner_format(spec: Spec, target: float) -> Alerting:
    checks = (
        f"sum by (version, partner) (rate({names.FORMAT_CHECKS.name}[5m])) * {WINDOW_SECONDS} "
        f">= {min(10, spec.thresholds.min_requests)}"
    )
    candidate = f'{Recorded.FORMAT_COMPATIBLE}{{version="{spec.versions.candidate}"}}'
    return alerting(
        spec, Alert.PARTNER_FORMAT_BROKEN,
        f"{candidate} < {target:g}\nand on (version, partner)\n{checks}",
        hold=60, severity=CRITICAL,
        summary="Answers do not fit the format of partner {{ $labels.partner }}",
        description=f"Only {PERCENT} of {spec.versions.candidate}'s answers to {{{{ $labels.partner }}}} fit its "
        f"format; {written(target, 'ratio')} were promised.",
        action="Keep this partner on the old version until the format is mended.",
        runbook="partner-promises",
    )  # fmt: skip


def _partner_quota(spec: Spec) -> Alerting:
    return alerting(
        spec, Alert.PARTNER_QUOTA_NEARLY_USED, f"{Recorded.PARTNER_QUOTA} > 0.9",
        hold=60, severity=WARNING,
        summary="Partner {{ $labels.partner }} has nearly used its quota",
        description=f"{{{{ $labels.partner }}}} has used {PERCENT} of its hourly quota.",
        action="Ask the partner whether this is meant; raise the quota, or let the limit do its work.",
        runbook="partner-promises",
    )  # fmt: skip


def _refusals(spec: Spec) -> Iterator[Alerting]:
    limited = [name for name, segment in spec.segments.named.items() if segment.rate_limit is not None]
    if not limited:
        return
    counted = f"sum by (version, user_segment) (rate({names.RATE_LIMIT_REQUESTS.name}[5m]))"
    yield alerting(
        spec, Alert.RATE_LIMIT_REFUSALS,
        f"{Recorded.REFUSED}{{{among(names.SEGMENT, limited)}}} > 0.05\n"
        f"{enough(counted, spec.thresholds.min_requests, 'version, user_segment')}",
        hold=300, severity=WARNING,
        summary="Many requests of {{ $labels.user_segment }} are refused by the rate limit",
        description=f"{PERCENT} of the requests of {{{{ $labels.user_segment }}}} on {{{{ $labels.version }}}} "
        "are over the limit.",
        action="Compare with the other version: a client that repeats its requests looks like this too.",
        runbook="segment-promises",
    )  # fmt: skip


# ---------------------------------------------------------------- targets of the candidate


def _targets(spec: Spec) -> Iterator[Alerting]:
    for name, signal in spec.signals.items():
        if isinstance(signal, HistogramSignal):
            yield from _quantile_targets(spec, name, signal)
        if isinstance(signal, MeanSignal | GaugeSignal) and signal.target is not None:
            yield _level_target(spec, name, signal)
        if isinstance(signal, MeanSignal | RatioSignal) and signal.target_gain is not None:
            yield _gain_target(spec, name, signal, signal.target_gain)
    if spec.logs.sources:
        yield _retention_target(spec)
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        yield _unmet(
            spec, "latency", "no slower", f"{Named.PERFORMANCE_RATIO} < 1",
            f"P95 of {spec.versions.candidate} is longer: {spec.versions.baseline}'s is only {NUMBER} times as long.",
        )  # fmt: skip


def _quantile_targets(spec: Spec, name: str, signal: HistogramSignal) -> Iterator[Alerting]:
    for quantile, limit in signal.targets.items():
        if quantile in QUANTILES:
            value = _candidates(spec, quantile_name("version", quantile), name)
            text = f"{quantile} is {value_in(signal.unit)}; {written(limit, signal.unit)} is the target."
            yield _unmet(spec, name, quantile, f"{value} > {limit:g}", text)


def _level_target(spec: Spec, name: str, signal: MeanSignal | GaugeSignal) -> Alerting:
    series = Recorded.SIGNAL_LEVEL if isinstance(signal, GaugeSignal) else Recorded.SIGNAL_BY_VERSION
    worse = "<" if signal.better == "higher" else ">"
    assert signal.target is not None
    text = f"{value_in(signal.unit)}; {written(signal.target, signal.unit)} is the target."
    return _unmet(spec, name, "level", f"{_candidates(spec, series, name)} {worse} {signal.target:g}", text)


def _gain_target(spec: Spec, name: str, signal: MeanSignal | RatioSignal, gain: Gain) -> Alerting:
    wanted = gain if signal.better == "higher" else Gain(-gain.amount, gain.relative)
    worse = "<" if signal.better == "higher" else ">"
    value = f'max without (signal) ({Recorded.SIGNAL_DIFFERENCE}{{signal="{name}"}})'
    if gain.relative:
        old, new = (f'{Recorded.SIGNAL_STANDARDISED}{{signal="{name}",version="{v}"}}' for v in spec.versions.both)
        value = f"max without (signal) ({new} / ignoring (version) ({old} > 0)) - 1"
    figure = PERCENT if gain.relative else difference_in(signal.unit)
    text = f"The gain over {spec.versions.baseline} is {figure}, within the same segments; "
    text += f"{gain_written(wanted, signal.unit)} is the target."
    return _unmet(spec, name, "gain", f"{value} {worse} {wanted.amount:g}", text)


def _retention_target(spec: Spec) -> Alerting:
    """Of the source document: customers come back to the new version at least as often as to the old."""
    old, new = (f'{Recorded.RETENTION}{{version="{version}"}}' for version in spec.versions.both)
    text = f"{PERCENT} of its users of the month before came back in the last 30 days, fewer than those of "
    return _unmet(
        spec, "retention", "no lower", f"{new}\n< ignoring (version)\n{old}", f"{text}{spec.versions.baseline}."
    )


def _candidates(spec: Spec, series: str, signal: str) -> str:
    return f'max without (signal) ({series}{{signal="{signal}",version="{spec.versions.candidate}"}})'


def _unmet(spec: Spec, signal: str, target: str, expr: str, description: str) -> Alerting:
    return alerting(
        spec, Alert.TARGET_UNMET, expr,
        hold=GATE_HOLD_SECONDS, severity=GATE, labels={"signal": signal, "target": target},
        summary=f"{spec.versions.candidate} does not reach a target: {signal} {target}",
        description=f"{signal}: {description}",
        action="Nothing at night. Hold the promotion until it is reached, or change the target in the spec.",
        runbook="gates-and-targets",
    )  # fmt: skip


def _gates(spec: Spec) -> Alerting:
    return alerting(
        spec, Alert.GATE_UNMET, f'max by (gate) ({names.GATE_STATE.name}{{state="bad"}}) == 1',
        hold=60, severity=GATE,
        summary="Gate {{ $labels.gate }} of the present phase is not passed",
        description="{{ $labels.gate }} does not pass: the judge's interval lies wholly beyond the bound.",
        action="Stay in this phase; the console shows the figure and its interval.",
        runbook="gates-and-targets",
    )  # fmt: skip


# ---------------------------------------------------------------- rollback triggers


def rollback_alerts(spec: Spec) -> Iterator[Alerting]:
    for trigger in spec.rollback:
        expr = _measure(spec, trigger)
        if expr:
            yield _triggered(spec, trigger, expr)


def _triggered(spec: Spec, trigger: Rollback, expr: str) -> Alerting:
    return alerting(
        spec, Alert.ROLLBACK_TRIGGERED, expr,
        hold=trigger.hold, severity=CRITICAL,
        labels={"trigger": str(trigger.when), "rollback": trigger.action, names.VERSION: spec.versions.candidate},
        summary=f"{spec.versions.candidate} meets a declared rollback trigger: {trigger.when}",
        description=f"{trigger.when} on {spec.versions.candidate} for {format_duration(trigger.hold)}: "
        f"now {_figure(spec, trigger)}.",
        action=f"Roll back ({trigger.action}).",
    )  # fmt: skip


def _figure(spec: Spec, trigger: Rollback) -> str:
    """The template for what the trigger looks at, in its unit."""
    name, _, statistic = trigger.when.measure.partition(".")
    unit = spec.signals[name].unit if name in spec.signals else "ratio"
    return difference_in(unit) if statistic == "gain" else value_in(unit)


def _measure(spec: Spec, trigger: Rollback) -> str:
    """What the new version's users meet now: not standardised, because it is compared with a bound, not with V1."""
    name, _, statistic = trigger.when.measure.partition(".")
    bound = f"{trigger.when.threshold.comparison} {trigger.when.threshold.value:g}"
    signal = spec.signals.get(name)
    if signal is None:
        return _availability(spec, bound) if name == AVAILABILITY else ""
    if isinstance(signal, GaugeSignal):
        return f"{_candidates(spec, Recorded.SIGNAL_LEVEL, name)} {bound}"
    events = f'sum by (version) ({Recorded.SIGNAL_EVENTS}{{signal="{name}",version="{spec.versions.candidate}"}})'
    if statistic == "gain":
        return f'max without (signal) ({Recorded.SIGNAL_DIFFERENCE}{{signal="{name}"}}) {bound}'
    if isinstance(signal, HistogramSignal) and statistic not in QUANTILES:
        return ""
    series = quantile_name("version", statistic) if isinstance(signal, HistogramSignal) else Recorded.SIGNAL_BY_VERSION
    least = enough(events, spec.thresholds.min_requests, "version")
    return f"{_candidates(spec, series, name)} {bound}\n{least}"


def _availability(spec: Spec, bound: str) -> str:
    """Over a quarter of a minute: with a minute, one missed scrape of sixty would be below 99 % for a whole minute."""
    jobs = [name for name, service in spec.services.items() if service.version == spec.versions.candidate]
    if not jobs:
        return ""
    scrape = spec.stack.scrape
    window = format_duration(max(15.0, 4 * max(scrape.interval, scrape.evaluation)))
    return f"min(avg_over_time({Recorded.SERVICE_UP}{{{among('job', jobs)}}}[{window}])) {bound}"
