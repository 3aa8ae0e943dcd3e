"""The two or three facts that a verdict rests on, in plain words: what is worse, by how much, on how much traffic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule import figures
from bascule.api.models.moves import KeptComparison
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.console.parts import TrafficReading
from bascule.console.views.compared import baseline_figure, candidate_figure, is_out_of_reach
from bascule.console.views.plan import ShownPlan
from bascule.conventions import TOTAL_SEGMENT, State
from bascule.spec import Spec
from bascule.spec.signals import Role
from bascule.states import MEANINGS

MOST = 3
LIKELY = 0.5  # of the alarm's threshold: from here on a difference is called worse so far
TWICE = 2.0


@dataclass(frozen=True)
class Fact:
    text: str
    since: datetime | None = None


def facts_of_rollback(spec: Spec, plan: ShownPlan, kept: KeptComparison | None) -> list[Fact]:
    """Who took the candidate's traffic back, and what was worse then; nothing where nobody did."""
    if not plan.move:
        return []
    worse = _worse(kept.verdict) if kept and kept.verdict else []
    before = [Fact(f"Before that: {_fact(spec, rows, None).text}") for rows in _by_signal(worse)]
    return [Fact(f"Rolled back by {plan.who}", plan.started), *before][:MOST]


def facts(spec: Spec, opinion: VerdictAnswer | None, traffic: TrafficReading | None) -> list[Fact]:
    """The cause of no data first, then what is worse, the clearest signal first; nothing when there is neither."""
    if opinion is None:
        return []
    causes = [Fact(MEANINGS[opinion.cause].sentence)] if opinion.cause else []
    found = causes + [_fact(spec, rows, traffic) for rows in _by_signal(_worse(opinion))]
    return found[:MOST]


def _worse(opinion: VerdictAnswer) -> list[SignalAnswer]:
    alarms = [told for told in opinion.signals if told.state is State.BAD and told.alarm]
    return sorted(alarms, key=lambda told: -(told.evidence or 0.0))


def _by_signal(alarms: Iterable[SignalAnswer]) -> list[list[SignalAnswer]]:
    found: dict[str, list[SignalAnswer]] = {}
    for told in alarms:
        found.setdefault(told.signal, []).append(told)
    return list(found.values())


def _fact(spec: Spec, rows: list[SignalAnswer], traffic: TrafficReading | None) -> Fact:
    """About one signal: of all segments where that is known to be worse, else of the segment that is clearest."""
    told = next((row for row in rows if row.segment == TOTAL_SEGMENT), rows[0])
    others = [row.segment for row in rows if row is not told and row.segment != TOTAL_SEGMENT]
    where = "" if told.segment == TOTAL_SEGMENT else f" in {told.segment}"
    also = f" (also in {', '.join(others)})" if where and others else ""
    served = _served(spec, told.segment, traffic)
    since = min((row.alarm_since for row in rows if row.alarm_since), default=None)
    return Fact(f"{_compared(spec, told)}{where}{also}{served}", since)


def _compared(spec: Spec, told: SignalAnswer) -> str:
    declared = spec.signals.get(told.signal)
    unit = told.unit or (declared.unit if declared else "")
    old, new = (name.upper() for name in spec.versions.both)
    one, other = candidate_figure(told, unit), baseline_figure(told, unit)
    if declared and spec.signal_roles[told.signal] is Role.ERRORS:
        return f"{new} fails {one} of requests, {old} {other}"
    return f"{told.signal}: {new} {one}, {old} {other}"


def _served(spec: Spec, segment: str, traffic: TrafficReading | None) -> str:
    """The candidate's requests per second; nothing where they are not known."""
    rates = traffic.candidate_rate if traffic else {}
    rate = sum(rates.values()) if segment == TOTAL_SEGMENT else rates.get(segment)
    asked = figures.rate(rate).replace("/s", " requests/s")
    return f"; {asked} on {spec.versions.candidate.upper()}" if rate else ""


def is_worse_so_far(told: SignalAnswer, better: str) -> bool:
    """Whether the candidate looks much worse although it is not proven: that is no good news."""
    if told.state is not State.OK:
        return False
    effect = 1.0 if is_out_of_reach(told) else told.effect or 0.0
    if (effect if better == "lower" else -effect) <= 0:
        return False
    near = bool(told.threshold) and (told.evidence or 0.0) >= LIKELY * (told.threshold or 0.0)
    return near or _is_on_the_harmful_side(told, better) or _is_twice_as_bad(told, better)


def _is_on_the_harmful_side(told: SignalAnswer, better: str) -> bool:
    low, high = told.effect_low, told.effect_high
    return low is not None and low > 0 if better == "lower" else high is not None and high < 0


def _is_twice_as_bad(told: SignalAnswer, better: str) -> bool:
    """By the estimate alone, where the interval still holds everything; a handful of events is not enough."""
    if better != "lower" or not told.baseline or told.candidate is None or told.unit != "ratio":
        return False
    bad = told.candidate * (told.samples_candidate or 0)
    return told.candidate >= TWICE * told.baseline and bad >= 10
