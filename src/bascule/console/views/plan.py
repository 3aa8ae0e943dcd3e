"""The plan's steps, where the migration stands in it, and who really gets the requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.console import queries
from bascule.console.answers import Opinion, PhaseAnswer
from bascule.console.parts import Journal, Traffic
from bascule.console.sources import Reading
from bascule.conventions import TOTAL_SEGMENT, State
from bascule.spec import Spec


@dataclass(frozen=True)
class Step:
    number: int
    share: float
    hold: float
    place: str  # "done", "now" or "next"


@dataclass(frozen=True)
class Plan:
    """`number` is None when neither the journal nor the judge tells it; 0 is before the first phase."""

    steps: list[Step]
    number: int | None
    share: float | None
    started: datetime | None
    held: float | None
    hold: float | None
    who: str = ""
    why: str = ""

    @property
    def progress(self) -> float:
        """How much of the hold has passed, 0 to 100."""
        if not self.hold or self.held is None:
            return 0.0
        return min(100.0, 100 * self.held / self.hold)


@dataclass(frozen=True)
class ShareRow:
    """One segment's traffic. `state`: on the plan, off it, not known, or no share planned and none given."""

    segment: str
    planned: float | None
    actual: float | None
    rate: float | None
    state: State
    word: str
    query: str


def plan(spec: Spec, journal: Reading[Journal], judge: Reading[Opinion], now: float) -> Plan:
    phase = _phase(journal, judge, now)
    number = phase.number if phase else None
    steps = [Step(i, each.share, each.hold, _place(i, number)) for i, each in enumerate(spec.phases, start=1)]
    if phase is None or number is None:
        return Plan(steps, None, None, None, None, None)
    hold = spec.phases[number - 1].hold if 0 < number <= len(spec.phases) else None
    held = None if phase.started is None else now - phase.started.timestamp()
    return Plan(steps, number, phase.share, phase.started, held, hold, phase.who, phase.why)


def _phase(journal: Reading[Journal], judge: Reading[Opinion], now: float) -> PhaseAnswer | None:
    """The journal's word counts; the judge's when the journal is silent."""
    kept, opinion = journal.fresh(now), judge.fresh(now)
    if kept is not None:
        return kept.phase
    return opinion.phase if opinion else None


def _place(step: int, number: int | None) -> str:
    if number is None or step > number:
        return "next"
    return "now" if step == number else "done"


def share_rows(spec: Spec, reading: Reading[Traffic], now: float) -> list[ShareRow]:
    traffic = reading.fresh(now) or Traffic()
    seen = set(traffic.baseline_rate) | set(traffic.candidate_rate)
    names = [*spec.segments.named, *sorted(seen - set(spec.segments.named))]
    rows = [_share_row(spec, name, traffic) for name in names]
    return [*rows, _total_row(spec, traffic)]


def _share_row(spec: Spec, segment: str, traffic: Traffic) -> ShareRow:
    planned, actual = traffic.planned.get(segment), traffic.share.get(segment)
    state, word = _against_plan(planned, actual, spec.thresholds.share_tolerance)
    query = queries.share_by_segment(spec)
    return ShareRow(segment, planned, actual, _rate(traffic, segment), state, word, query)


def _total_row(spec: Spec, traffic: Traffic) -> ShareRow:
    rates = [*traffic.baseline_rate.values(), *traffic.candidate_rate.values()]
    planned, actual = traffic.planned.get(TOTAL_SEGMENT), traffic.total_share
    word = "" if actual is not None else "no data"
    state = State.NOT_APPLICABLE if actual is not None else State.NO_DATA
    return ShareRow(
        TOTAL_SEGMENT, planned, actual, sum(rates) if rates else None, state, word, queries.share_total(spec)
    )


def _rate(traffic: Traffic, segment: str) -> float | None:
    rates = [by[segment] for by in (traffic.baseline_rate, traffic.candidate_rate) if segment in by]
    return sum(rates) if rates else None


def _against_plan(planned: float | None, actual: float | None, tolerance: float) -> tuple[State, str]:
    if actual is None:
        return State.NO_DATA, "no data"
    if planned is None:
        return State.NO_DATA, "no plan known"
    if abs(actual - planned) > tolerance:
        return State.BAD, f"{abs(actual - planned) * 100:.0f} pt {'above' if actual > planned else 'below'} plan"
    if planned == 0:
        return State.NOT_APPLICABLE, "not in this phase"
    return State.OK, "on plan"
