"""SLAs as rules: bad and all events counted each minute, summed over windows, and what is left of the budget.

Numerators and denominators are summed, never ratios averaged. A minute of counts (not of samples) makes a window of
thirty days cheap: 43,200 points. A breach needs a part of its window to be covered by data, and enough events; burn
rates speak earlier. `keep_firing_for` is the source document's "back within target for 15 min".
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import slo
from bascule.conventions import Alert, Recorded
from bascule.generate.alerts import CRITICAL, WARNING, alerting
from bascule.generate.rules import Alerting, Recording
from bascule.generate.texts import DURATION, PERCENT
from bascule.slo import EventSlo, Slo, Tier
from bascule.spec import Spec
from bascule.spec.growth import growth_rules
from bascule.spec.quantities import format_duration, parse_duration

INTERVAL_SECONDS = 60.0
WINDOWS = ("5m", "30m", "1h", "6h", "1d", "3d")
_WHOSE = "{{ with $labels.job }} of {{ . }}{{ end }}"  # uptime is counted for each service


def sla_rules(spec: Spec) -> Iterator[Recording]:
    slos = slo.all_of(spec)
    for each in slos:
        yield Recording(Recorded.SLA_ALL, each.total(INTERVAL_SECONDS), {"sla": each.name})
        yield Recording(Recorded.SLA_BAD, each.bad(INTERVAL_SECONDS), {"sla": each.name})
    for window in WINDOWS if slos else ():
        yield Recording(Recorded.SLA_BAD_RATIO, _over(window), {"window": window})
    for each in slos:
        yield Recording(Recorded.SLA_BUDGET_SPENT, _spent(each), {"sla": each.name})


def _over(window: str) -> str:
    bad, everything = (f"sum_over_time({series}[{window}])" for series in (Recorded.SLA_BAD, Recorded.SLA_ALL))
    return f"{bad} / ({everything} > 0)"


def _spent(each: Slo) -> str:
    window = format_duration(each.window)
    bad, everything = (
        f'sum_over_time({series}{{sla="{each.name}"}}[{window}])' for series in (Recorded.SLA_BAD, Recorded.SLA_ALL)
    )
    return f"{bad} / ({each.budget:.6g} * {everything} > 0)"


def sla_growth(spec: Spec) -> Iterator[Recording]:
    """Exact growth by minute, from which reports read a long past; none where nothing is promised."""
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


def _states(each: Slo) -> Iterator[Alerting]:
    states, name = each.spec.slas.states, each.name
    spent, known = f'{Recorded.SLA_BUDGET_SPENT}{{sla="{name}"}}', _known_well(each)
    of_what = f"the {name} SLA{_WHOSE} ({each.goal.written} over {format_duration(each.window)})"
    yield alerting(
        each.spec,
        Alert.SLA_BREACHED,
        f"{spent} > 1\n{known}",
        hold=0,
        severity=CRITICAL,
        keep_firing_for=states.recovery,
        labels={"sla": name},
        summary=f"The {name} SLA{_WHOSE} is breached",
        description=f"{PERCENT} of the budget of {of_what} is spent.",
        action="A long window recovers slowly: stop what burns the budget first (see SlaBudgetBurn), then report.",
        runbook="sla",
    )
    yield alerting(
        each.spec,
        Alert.SLA_AT_RISK,
        f"{spent} > {states.warning:g} <= 1\n{known}",
        hold=0,
        severity=WARNING,
        keep_firing_for=states.recovery,
        labels={"sla": name},
        summary=f"The budget of the {name} SLA{_WHOSE} is nearly spent",
        description=f"{PERCENT} of the budget of {of_what} is spent.",
        action="Hold risky changes, the migration among them, until the budget allows them.",
        runbook="sla",
    )


def _known_well(each: Slo) -> str:
    """A 24th of the window, and at least an hour, is covered by data; and enough happened in it."""
    minutes = max(each.window / 24, 3600) / 60
    series, span = f'{Recorded.SLA_ALL}{{sla="{each.name}"}}', format_duration(each.window)
    covered = f"and\ncount_over_time({series}[{span}]) >= {minutes:g}"
    if not each.least_events:
        return covered
    return f"{covered}\nand\nsum_over_time({series}[{span}]) >= {each.least_events:g}"


def _near_its_limit(each: EventSlo, bound: float) -> Alerting:
    """For a time, the source document's "90 % of target" is a quantile at 90 % of its limit, over an hour.

    `bound`: the limit in the signal's unit.
    """
    states, share = each.spec.slas.states, each.goal.share
    buckets = f'sum by (le) (avg_over_time({Recorded.SIGNAL_BUCKET}{{signal="{each.counted.name}"}}[1h]))'
    events = f'sum(avg_over_time({Recorded.SIGNAL_EVENTS}{{signal="{each.counted.name}"}}[1h])) * 3600'
    return alerting(
        each.spec,
        Alert.SLA_AT_RISK,
        f"histogram_quantile({share:g}, {buckets}) > {states.warning * bound:g} <= {bound:g}\n"
        f"and on ()\n{events} >= {10 * each.least_events:g}",
        hold=600,
        severity=WARNING,
        keep_firing_for=states.recovery,
        labels={"sla": each.name, "measure": "time"},
        summary=f"Response times come near the limit of the {each.name} SLA",
        description=f"{share * 100:g}% of the last hour's requests took up to {DURATION}; "
        f"the limit is {format_duration(each.goal.bound)}.",
        action="Hold risky changes; look for what became slower.",
        runbook="sla",
    )


def _burn(each: Slo, tier: Tier) -> Alerting:
    name, pace = each.name, tier.rate * each.budget
    return alerting(
        each.spec,
        Alert.SLA_BUDGET_BURN,
        "\nand ignoring (window)\n".join(
            f'{Recorded.SLA_BAD_RATIO}{{sla="{name}",window="{window}"}} > {pace:.6g}'
            for window in (tier.long, tier.short)
        )
        + f"\nand ignoring (window)\n{_enough_in(each, tier.long)}",
        hold=0,
        severity=tier.severity,
        labels={"sla": name, "window": tier.long},
        summary=f"The budget of the {name} SLA{_WHOSE} burns too fast",
        description=f"{PERCENT} of the {each.counts_in} of the last {tier.long}{_WHOSE} were bad, more than "
        f"{pace * 100:.4g}%: {_pace(tier.rate)} of the {name} SLA ({each.goal.written}).",
        action="Find what fails now. If it is the new version, roll back.",
        runbook="sla",
    )


def _pace(rate: float) -> str:
    return "the even pace" if rate == 1 else f"{rate:g} times the even pace"


def _enough_in(each: Slo, window: str) -> str:
    """A 24th of the window, and ten minutes at least, is covered: one missed scrape in ten minutes is no trend."""
    minutes = max(10.0, parse_duration(window) / 24 / 60)
    series = f'{Recorded.SLA_ALL}{{sla="{each.name}"}}'
    covered = f"count_over_time({series}[{window}]) >= {minutes:g}"
    if not each.least_events:
        return covered
    return f"{covered}\nand ignoring (window)\nsum_over_time({series}[5m]) >= {each.least_events:g}"
