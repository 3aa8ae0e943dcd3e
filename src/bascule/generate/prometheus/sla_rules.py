"""SLAs as rules: bad and all events counted each minute, summed over windows, and what is left of the budget.

Numerators and denominators are summed, never ratios averaged. A minute of counts (not of samples) makes a window of
thirty days cheap: 43,200 points. A breach needs a part of its window to be covered by data, and enough events; burn
rates speak earlier. `keep_firing_for` is the source document's "back within target for 15 min".
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import slo
from bascule.alerts import Alerting, alerting
from bascule.alerts.figures import value_in, written
from bascule.conventions import Alert, Recorded
from bascule.generate.prometheus.rules import Recording
from bascule.promql import EXCESS, EXCESS_EVENTS, hourly_events
from bascule.slo import ENOUGH, AvailabilitySlo, EventSlo, Slo, Tier
from bascule.spec import Spec
from bascule.spec.growth import growth_rules
from bascule.spec.quantities import format_duration, parse_duration

INTERVAL_SECONDS = 60.0
_BAD_AND_ALL = (Recorded.SLA_BAD, Recorded.SLA_ALL)
WINDOWS = ("5m", "30m", "1h", "6h", "1d", "3d")
_WHOSE = "{{ with $labels.job }} of {{ . }}{{ end }}"  # uptime is counted for each service


def sla_rules(spec: Spec) -> Iterator[Recording]:
    slos = slo.all_of(spec)
    for each in slos:
        yield from _counted(each)
    for window in WINDOWS if slos else ():
        yield Recording(Recorded.SLA_BAD_RATIO, _over(window), {"window": window})
    for each in slos:
        yield from _spent(each)


def _counted(each: Slo) -> Iterator[Recording]:
    counts, labels = each.minute(), {"sla": each.name}
    yield Recording(Recorded.SLA_ALL, counts.total, labels)
    yield Recording(Recorded.SLA_BAD, counts.bad, labels)
    if counts.unsure:
        yield Recording(Recorded.SLA_UNSURE, counts.unsure, labels)
    if _counts_good(each):
        yield Recording(Recorded.SLA_EXCESS, _excess(each), labels)


def _counts_good(each: Slo) -> bool:
    return isinstance(each, EventSlo) and each.signal.counts_good


def _excess(each: Slo) -> str:
    """By which share of an hour's events more are counted as good than there are."""
    bad, everything = (f'sum_over_time({series}{{sla="{each.name}"}}[1h])' for series in _BAD_AND_ALL)
    return f"(-1 * {bad} / ({everything} > 0) > {EXCESS:g}) and {bad} < -{EXCESS_EVENTS}"


def _over(window: str) -> str:
    bad, everything = (f"sum_over_time({series}[{window}])" for series in _BAD_AND_ALL)
    return f"{bad} / ({everything} > 0)"


def _spent(each: Slo) -> Iterator[Recording]:
    """What is spent of the budget; absent where that is unknown, which counts as no data."""
    where, labels = f'{{sla="{each.name}"}}[{format_duration(each.window)}]', {"sla": each.name}
    bad, everything = (f"sum_over_time({series}{where})" for series in _BAD_AND_ALL)
    allowed = f"({each.budget:.6g} * {everything} > 0)"
    spent = f"{bad} / {allowed}"
    if _counts_good(each):
        excess = f"max_over_time({Recorded.SLA_EXCESS}{where})"
        yield Recording(Recorded.SLA_BUDGET_SPENT, f"{spent} > 1\nor\n({spent} unless {excess})", labels)
        yield _untold(each, "more good events than events", f'{Recorded.SLA_EXCESS}{{sla="{each.name}"}}')
    elif each.minute().unsure:
        worst = f"({bad} + (sum_over_time({Recorded.SLA_UNSURE}{where}) or 0 * {bad})) / {allowed}"
        yield Recording(Recorded.SLA_BUDGET_SPENT, f"{spent} > 1\nor\n{worst} <= 1", labels)
        yield _untold(each, "no bucket at its limit", f"{worst} > 1 unless {spent} > 1")
    else:
        yield Recording(Recorded.SLA_BUDGET_SPENT, spent, labels)


def _untold(each: Slo, why: str, condition: str) -> Recording:
    """Something that is expected and never there while the condition holds: the no-data alert tells it."""
    return Recording(Recorded.SIGNAL_EXPECTED, f"group({condition})", {"signal": f"the {each.name} SLA ({why})"})


def sla_growth(spec: Spec) -> Iterator[Recording]:
    """Exact growth by minute, from which reports read a long past; none without an objective."""
    if spec.slas.named:
        yield from (Recording(rule.record, rule.expr) for rule in growth_rules(spec))


# ---------------------------------------------------------------- alerts


def sla_alerts(spec: Spec) -> Iterator[Alerting]:
    for each in slo.all_of(spec):
        yield from _states(each)
        if isinstance(each, EventSlo) and each.bound is not None:
            yield _near_its_limit(each, each.bound)
        for tier in each.tiers:
            yield _burn(each, tier)


def _known_well(each: Slo) -> str:
    """A 24th of the window and at least an hour, or nearly all of a shorter one, is covered by data; and enough
    happened in it."""
    minutes = min(max(each.window / 24, 3600), ENOUGH * each.window) / 60
    series, span = f'{Recorded.SLA_ALL}{{sla="{each.name}"}}', format_duration(each.window)
    covered = f"and\ncount_over_time({series}[{span}]) >= {minutes:g}"
    if not each.least_events:
        return covered
    return f"{covered}\nand\nsum_over_time({series}[{span}]) >= {each.least_events:g}"


def _states(each: Slo) -> Iterator[Alerting]:
    states, hours = each.spec.slas.states, max(int(each.window / 24 / 3600), 1) + 1
    spent, known = f'{Recorded.SLA_BUDGET_SPENT}{{sla="{each.name}"}}', _known_well(each)
    told = {
        "of_what": f"the {each.name} SLA{_WHOSE} ({each.goal.written} over {format_duration(each.window)})",
        "recovery": format_duration(states.recovery),
        "hours": hours,
        "minutes": hours * 60 + 10,
        **_told(each),
    }
    yield alerting(each.spec, Alert.SLA_BREACHED, spent=f"{spent} > 1\n{known}", **told)
    yield alerting(each.spec, Alert.SLA_AT_RISK, spent=f"{spent} > {states.warning:g} <= 1\n{known}", **told)


def _told(each: Slo) -> dict[str, str | float]:
    """What the texts and cases of every alert on an SLA's budget say."""
    job = ',job="a"' if isinstance(each, AvailabilitySlo) else ""
    return {"sla": each.name, "whose": _WHOSE, "counted": f'sla="{each.name}"{job}', "budget": each.budget}


def _near_its_limit(each: EventSlo, bound: float) -> Alerting:
    """`bound`: the limit in the signal's unit."""
    states, share, signal = each.spec.slas.states, each.goal.share, each.counted.name
    buckets = _shared_buckets(f'avg_over_time({Recorded.SIGNAL_BUCKET}{{signal="{signal}"}}[1h])')
    events = hourly_events(signal)
    return alerting(
        each.spec,
        f"{Alert.SLA_AT_RISK}.time",
        sla=each.name,
        near=f"histogram_quantile({share:g}, {buckets}) > {states.warning * bound:.12g} <= {bound:.12g}\n"
        f"and on ()\n{events} >= {10 * each.least_events:g}",
        share=share,
        limit=written(each.goal.bound, each.goal.unit),
        figure=value_in(each.signal.unit),
        bound=bound,
        recovery=format_duration(states.recovery),
        where=f'signal="{signal}",version="{each.spec.versions.candidate}"',
    )


def _shared_buckets(buckets: str) -> str:
    """The buckets of all versions together; where their bounds differ, those that all have."""
    shared = f"count by (le) (group by (version, le) ({buckets}))\n== on () group_left () "
    return f"sum by (le) ({buckets})\nand\n({shared}count(group by (version) ({buckets})))"


def _burn(each: Slo, tier: Tier) -> Alerting:
    limit = tier.rate * each.budget
    return alerting(
        each.spec,
        Alert.SLA_BUDGET_BURN,
        objective=each.goal.written,
        burning=_burning(each, tier, limit),
        window=tier.long,
        severity=tier.severity,
        events=each.counts_in,
        limit=f"{limit * 100:.4g}%",
        rate=f"{tier.rate:g}",
        **_told(each),
    )


def _burning(each: Slo, tier: Tier, limit: float) -> str:
    windows = (tier.long, tier.short)
    fast = (f'{Recorded.SLA_BAD_RATIO}{{sla="{each.name}",window="{window}"}} > {limit:.6g}' for window in windows)
    return "\nand ignoring (window)\n".join((*fast, _enough_in(each, tier.long)))


def _enough_in(each: Slo, window: str) -> str:
    """A 24th of the window, and ten minutes at least, is covered: one missed scrape in ten minutes is no trend."""
    minutes = max(10.0, parse_duration(window) / 24 / 60)
    series = f'{Recorded.SLA_ALL}{{sla="{each.name}"}}'
    covered = f"count_over_time({series}[{window}]) >= {minutes:g}"
    if not each.least_events:
        return covered
    return f"{covered}\nand ignoring (window)\nsum_over_time({series}[5m]) >= {each.least_events:g}"
