"""What the alerts on objectives of segments and partners, on targets and on rollback triggers are given.

A ratio is compared with its target only where it is clearly beyond it: three standard errors of a ratio that is exactly
on target are allowed for, so that 97 good ones of 100 are no breach of 98 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from bascule import conventions as names
from bascule import promql
from bascule.alerts.figures import NUMBER, PERCENT, difference_in, gain_written, value_in, written
from bascule.conventions import Alert, Recorded
from bascule.conventions import Rule as Named
from bascule.generate.prometheus.examples import PARTNER
from bascule.promql import HOUR, WINDOW_SECONDS, among, hourly_events
from bascule.slo import LEAST_SCRAPES, LEAST_WINDOW, availability
from bascule.spec import Selector, Spec
from bascule.spec.gains import is_relative
from bascule.spec.kinds import Signal
from bascule.spec.model import AVAILABILITY, Rollback
from bascule.spec.model import Named as NamedSignal
from bascule.spec.quantities import Gain, Threshold, format_duration
from bascule.spec.signals import CountedShare
from bascule.spec.uses import partner_label, quotas, uses_instrument

Values = Mapping[str, str | float]
T = TypeVar("T", bound=promql.WindowedTarget)
SERVES_NOW_SECONDS = 45.0  # holds two samples of the generated tests (30 s apart), also where its start is left out


def clearly(comparison: str, value: str, target: float, events_per_second: str, on: str) -> str:
    """`value` beyond `target` by more than three standard errors, at this many events in the window."""
    margin = f"3 * sqrt({target * (1 - target):.6g} / ({events_per_second} * {WINDOW_SECONDS}))"
    sign = "+" if comparison == ">" else "-"
    return f"{value}\n{comparison} on ({on})\n({target:g} {sign} {margin})"


def enough(events_per_second: str, at_least: float, on: str) -> str:
    return f"and on ({on})\n{events_per_second} * {WINDOW_SECONDS} >= {at_least:g}"


def both_versions_with_events(spec: Spec, name: str) -> str:
    """The condition that each version has had enough events of a signal within the window."""
    each = (
        f'sum({Recorded.SIGNAL_EVENTS}{{signal="{name}",version="{version}"}}) * {WINDOW_SECONDS}'
        f" >= {spec.thresholds.min_requests:g}"
        for version in spec.versions.both
    )
    return "\n".join(f"and on ()\n{condition}" for condition in each)


def serves_now(spec: Spec, counter: Selector) -> str:
    """The condition that the candidate still counts some.

    After a rollback its bad events stay in the window for minutes: no reason to page anybody then.
    """
    candidate = counter.where(*spec.versions.matchers(spec.versions.candidate))
    now = format_duration(max(SERVES_NOW_SECONDS, 4 * spec.stack.scrape.interval))
    return f"and on ()\nsum(increase({candidate.over(now)})) > 0"


def missed(spec: Spec, alert: str, kind: type[T]) -> Iterator[tuple[T, str]]:
    """The targets that an alert is about, each with the condition that a longer window than five minutes tells."""
    for target in promql.windowed_targets(spec):
        if target.alert == alert and isinstance(target, kind):
            yield target, f"or\n{promql.longer_breach(target)}"


# ---------------------------------------------------------------- segments


def _segment_accuracy(spec: Spec) -> Iterator[Values]:
    """Targets of the new version do not bind the old one: only the candidate is checked."""
    for target, longer in missed(spec, Alert.SEGMENT_ACCURACY_LOW, promql.EventTarget):
        where = f',version="{spec.versions.candidate}"'
        yield _segment(target, spec.accuracy, longer, where)


def _segment_errors(spec: Spec) -> Iterator[Values]:
    for target, longer in missed(spec, Alert.SEGMENT_ERRORS_HIGH, promql.EventTarget):
        yield _segment(target, spec.errors, longer, "")


def _segment(target: promql.EventTarget, found: NamedSignal[CountedShare] | None, longer: str, version: str) -> Values:
    assert found is not None
    where = f'signal="{found.name}",user_segment="{target.segment}"{version}'
    share = f"max without (signal) ({Recorded.SIGNAL_BY_SEGMENT}{{{where}}})"
    value = share if found.signal.counts_bad is not target.shows_good else f"1 - {share}"
    bound, comparison = (1 - target.allowed, "<") if target.shows_good else (target.allowed, ">")
    beyond = clearly(comparison, value, bound, target.events, target.by)
    at_least = enough(target.events, target.least, target.by)
    return {"segment": target.segment, "beyond": f"{beyond}\n{at_least}\n{longer}", "target": bound}


# ---------------------------------------------------------------- partners


def _partner_errors(spec: Spec) -> Iterator[Values]:
    for target, longer in missed(spec, Alert.PARTNER_ERRORS_HIGH, promql.EventTarget):
        beyond = clearly(">", Recorded.ERRORS_BY_PARTNER, target.allowed, target.events, target.by)
        at_least = enough(target.events, target.least, target.by)
        yield {"beyond": f"{beyond}\n{at_least}\n{longer}", "target": target.allowed}


def _partner_format(spec: Spec) -> Iterator[Values]:
    for target, longer in missed(spec, Alert.PARTNER_FORMAT_BROKEN, promql.EventTarget):
        yield {"target": 1 - target.allowed, "least": target.least, "longer": longer}


def _partner_quota(spec: Spec) -> Iterator[Values]:
    if partner_label(spec) and quotas(spec):
        yield {"partner": PARTNER}


def _refusals(spec: Spec) -> Iterator[Values]:
    limited = [name for name, segment in spec.segments.named.items() if segment.rate_limit is not None]
    if limited and uses_instrument(spec):
        yield {"limited": among(names.SEGMENT, limited), "segment": limited[0]}


def _limits(spec: Spec) -> Iterator[Values]:
    """How many users there are is known of logs alone."""
    for name, segment in spec.segments.named.items() if spec.logs.sources else ():
        if segment.rate_limit is not None:
            yield {"segment": name, "allowed": round(segment.rate_limit * 3600, 6)}


# ---------------------------------------------------------------- targets of the candidate


def _targets(spec: Spec) -> Iterator[Values]:
    for name, signal in spec.signals.items():
        yield from _quantile_targets(spec, name, signal)
        if signal.level_target is not None:
            yield _level_target(spec, name, signal, signal.level_target)
        if signal.gain_target is not None:
            yield _gain_target(spec, name, signal, signal.gain_target)
    if spec.logs.sources:
        yield _retention_target(spec)
    if spec.latency is not None:
        new, old = spec.versions.candidate, spec.versions.baseline
        text = f"{new} is slower: the P95 of {old} is only {NUMBER} times the P95 of {new}."
        yield _unmet(spec.latency.name, "no slower", f"{Named.PERFORMANCE_RATIO} < 1", text)


def _quantile_targets(spec: Spec, name: str, signal: Signal) -> Iterator[Values]:
    for quantile, limit in signal.quantile_targets.items():
        value = promql.value_of(spec, name, quantile)
        text = f"{quantile} is {value_in(signal.unit)}; the target is {written(limit, signal.unit)}."
        yield _unmet(name, quantile, f"{value} > {limit:.12g}", text)


def _level_target(spec: Spec, name: str, signal: Signal, target: float) -> Values:
    worse = "<" if signal.better == "higher" else ">"
    text = f"{value_in(signal.unit)}; the target is {written(target, signal.unit)}."
    value = promql.value_of(spec, name)
    return _unmet(name, "level", f"{value} {worse} {target:.12g}", text)


def _gain_target(spec: Spec, name: str, signal: Signal, gain: Gain) -> Values:
    """By the last hour: a gain near its target is below it by chance in many a five minutes."""
    value = promql.relative_gain(spec, name, HOUR) if gain.relative else promql.gain(spec, name, HOUR)
    figure = PERCENT if gain.relative else difference_in(signal.unit)
    text = f"the gain over {spec.versions.baseline} in the last hour is {figure}, within the same segments; "
    text += f"the target is {gain_written(gain, signal.unit)}."
    by_chance = isinstance(signal, CountedShare) and not gain.relative
    below = f"\n< on ()\n({gain.amount:g} - {_chance(name)})" if by_chance else f" < {gain.amount:g}"
    enough_events = f"min({hourly_events(name, 'version')}) >= {spec.thresholds.min_requests:g}"
    return _unmet(name, "gain", f"{value}{below}\nand on ()\n{enough_events}", text)


def _chance(name: str) -> str:
    """Three standard errors, at most, of the difference of two shares with this many events in the last hour."""
    return f"3 * sqrt(sum(0.25 / ({hourly_events(name, 'version')} > 0)))"


def _retention_target(spec: Spec) -> Values:
    """Of the source document: customers come back to the new version at least as often as to the old."""
    old, new = (f'{Recorded.RETENTION}{{version="{version}"}}' for version in spec.versions.both)
    text = f"{PERCENT} of its users of the 30 days before came back in the last 30 days: less than on "
    return _unmet("retention", "no lower", f"{new}\n< ignoring (version)\n{old}", f"{text}{spec.versions.baseline}.")


def _unmet(signal: str, target: str, unmet: str, text: str) -> Values:
    return {"signal": signal, "target": target, "unmet": unmet, "text": text}


# ---------------------------------------------------------------- rollback triggers


def _triggers(spec: Spec) -> Iterator[Values]:
    for trigger in spec.rollback:
        if met := _measure(spec, trigger):
            yield {
                "met": met,
                "trigger": str(trigger.when),
                "hold": format_duration(_hold(spec, trigger)),
                "move": trigger.action,
                "figure": _figure(spec, trigger),
            }


def triggers_without_rule(spec: Spec) -> list[Rollback]:
    """Those that nothing can tell of: on an availability, where no service is of the new version."""
    return [trigger for trigger in spec.rollback if not _measure(spec, trigger)]


def _hold(spec: Spec, trigger: Rollback) -> float:
    """As declared; for an availability as long as one failed scrape is seen, for it alone is no outage."""
    if trigger.when.measure == AVAILABILITY and AVAILABILITY not in spec.signals:
        return max(trigger.hold, _scrapes_seen(spec, trigger))
    return trigger.hold


def _scrapes_seen(spec: Spec, trigger: Rollback) -> float:
    """Seconds that the rule looks back over: four scrapes and four evaluations, so that none of them sees nothing."""
    scrape = spec.stack.scrape
    longest = LEAST_SCRAPES * max(scrape.interval, scrape.evaluation)
    return max(longest, min(LEAST_WINDOW, trigger.hold))


def _figure(spec: Spec, trigger: Rollback) -> str:
    """The template for what the trigger looks at, in its unit."""
    name, _, statistic = trigger.when.measure.partition(".")
    unit = spec.unit_of(trigger.when.measure).name
    if statistic != "gain":
        return value_in(unit)
    return PERCENT if is_relative(spec.signals[name], trigger.when.threshold) else difference_in(unit)


def _measure(spec: Spec, trigger: Rollback) -> str:
    """What the judge's trigger of the same words says, over the window of the recorded rates."""
    name, _, statistic = trigger.when.measure.partition(".")
    bound = trigger.when.threshold
    if name not in spec.signals:
        return _availability(spec, trigger)
    return _gain(spec, name, bound) if statistic == "gain" else _own_value(spec, name, statistic, bound)


def _own_value(spec: Spec, name: str, statistic: str, bound: Threshold) -> str:
    """What the new version's users meet now: not mix-adjusted, because it is compared with a bound, not with V1."""
    if spec.signals[name].buckets is not None and bound.comparison == ">":
        beyond = promql.quantile_above(spec, name, statistic, bound.value)
    else:
        beyond = f"{promql.value_of(spec, name, statistic)} {_written(bound)}"
    events = f'sum by (version) ({Recorded.SIGNAL_EVENTS}{{signal="{name}",version="{spec.versions.candidate}"}})'
    return f"{beyond}\n{enough(events, spec.thresholds.min_requests, 'version')}"


def _gain(spec: Spec, name: str, bound: Threshold) -> str:
    value = promql.relative_gain(spec, name) if is_relative(spec.signals[name], bound) else promql.gain(spec, name)
    both, now = both_versions_with_events(spec, name), serves_now(spec, promql.traffic(spec))
    return f"{value} {_written(bound)}\n{both}\n{now}"


def _written(bound: Threshold) -> str:
    return f"{bound.comparison} {bound.value:.12g}"


def _availability(spec: Spec, trigger: Rollback) -> str:
    """Over a quarter of a minute: with a minute, one missed scrape of sixty would be below 99 % for a whole minute."""
    found = availability(spec, _scrapes_seen(spec, trigger), spec.versions.candidate)
    return f"{found} {_written(trigger.when.threshold)}" if found else ""


TARGETS: Mapping[str, Callable[[Spec], Iterator[Values]]] = {
    Alert.SEGMENT_ACCURACY_LOW: _segment_accuracy,
    Alert.SEGMENT_ERRORS_HIGH: _segment_errors,
    Alert.PARTNER_ERRORS_HIGH: _partner_errors,
    Alert.PARTNER_FORMAT_BROKEN: _partner_format,
    Alert.PARTNER_QUOTA_NEARLY_USED: _partner_quota,
    Alert.RATE_LIMIT_NOT_KEPT: _limits,
    Alert.RATE_LIMIT_REFUSALS: _refusals,
    Alert.TARGET_UNMET: _targets,
    Alert.ROLLBACK_TRIGGERED: _triggers,
}
