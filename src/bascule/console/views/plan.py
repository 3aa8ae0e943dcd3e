"""The plan's steps, where the migration is in it, and who really gets the requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from bascule import figures
from bascule.api.models.moves import KeptComparison, PauseAnswer, PlanAnswer
from bascule.api.models.verdict import JudgedPhase, ShareAnswer, VerdictAnswer
from bascule.console import queries
from bascule.console.parts import JournalReading, TrafficReading
from bascule.console.sources import SourceReading
from bascule.conventions import TOTAL_SEGMENT, State
from bascule.spec import Spec
from bascule.states import Cause, no_data

SETTLE = 5.0  # seconds a new share may take until it serves and is scraped
SETTLED = 0.02  # a share as near to the plan as this has arrived


@dataclass(frozen=True)
class Step:
    number: int
    share: float
    hold: float
    place: str  # "done", "now" or "next"


@dataclass(frozen=True)
class LastComparison:
    """What was compared last before the candidate's traffic was taken back."""

    at: datetime
    verdict: str
    lines: list[str]


@dataclass(frozen=True)
class ShownPlan:
    """`number` is None when neither the journal nor the judge tells it; 0 is before the first phase."""

    steps: list[Step]
    number: int | None
    share: float | None
    started: datetime | None
    held: float | None
    hold: float | None
    who: str = ""
    why: str = ""
    move: str = ""
    paused: PauseAnswer | None = None
    closed: bool = False
    compared: LastComparison | None = None

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
    low: float | None = None
    high: float | None = None


def plan(
    spec: Spec, journal: SourceReading[JournalReading], judge: SourceReading[VerdictAnswer], now: float
) -> ShownPlan:
    phase = _phase(journal, judge, now)
    number = phase.number if phase else None
    steps = [Step(i, each.share, each.hold, _place(i, number)) for i, each in enumerate(spec.phases, start=1)]
    if phase is None or number is None:
        return ShownPlan(steps, None, None, None, None, None)
    hold = spec.phases[number - 1].hold if 0 < number <= len(spec.phases) else None
    held = None if phase.started is None else now - phase.started.timestamp()
    shown = ShownPlan(steps, number, phase.share, phase.started, held, hold)
    if not isinstance(phase, PlanAnswer):
        return shown
    compared = _compared(spec, journal.value.compared) if journal.value and journal.value.compared else None
    return replace(
        shown,
        who=phase.who,
        why=phase.why,
        move=phase.move if phase.is_withdrawn else "",
        paused=phase.paused,
        closed=phase.closed,
        compared=compared,
    )


def _compared(spec: Spec, kept: KeptComparison) -> LastComparison | None:
    """The segments' comparisons and the gates, as they were told then."""
    verdict = kept.verdict
    at = (verdict.tick if verdict else None) or kept.at
    if verdict is None or at is None:
        return None
    named = {TOTAL_SEGMENT, *spec.segments.named}
    lines = [s.text for s in verdict.signals if s.segment in named and s.state is not State.NOT_APPLICABLE]
    return LastComparison(at, verdict.verdict.words, [*verdict.reasons, *lines])


def _phase(
    journal: SourceReading[JournalReading], judge: SourceReading[VerdictAnswer], now: float
) -> PlanAnswer | JudgedPhase | None:
    """The journal's word counts; the judge's when the journal is silent."""
    kept, opinion = journal.fresh(now), judge.fresh(now)
    if kept is not None:
        return kept.phase
    return opinion.phase if opinion else None


def _place(step: int, number: int | None) -> str:
    if number is None or step > number:
        return "next"
    return "now" if step == number else "done"


def left(spec: Spec, traffic: TrafficReading | None) -> str:
    """Clients that left before their answer: they are in no ratio, and must not go unseen. Empty where none did."""
    told = traffic.left if traffic else {}
    each = [f"{version.upper()} {figures.count(told[version])}" for version in spec.versions.both if version in told]
    return ", ".join(each) if any(round(number) for number in told.values()) else ""


def share_rows(
    spec: Spec,
    reading: SourceReading[TrafficReading],
    judge: SourceReading[VerdictAnswer],
    held: float | None,
    now: float,
) -> list[ShareRow]:
    """A row for each segment and one for all; `held` is how long the present phase lasts (seconds).

    Whether a share is the planned one the judge says, with bounds, as soon as it can.
    """
    opinion = judge.fresh(now)
    judged = {share.segment: share for share in opinion.shares} if opinion else {}
    return [_with_bounds(row, judged.get(row.segment)) for row in _rows(spec, reading, held, now)]


def _with_bounds(row: ShareRow, judged: ShareAnswer | None) -> ShareRow:
    if judged is None or judged.low is None or judged.high is None or judged.state is State.NO_DATA:
        return row
    planned = row.planned if row.planned is not None else judged.planned
    word = "on plan"
    if judged.state is State.BAD and judged.actual is not None and judged.planned is not None:
        off = judged.actual - judged.planned
        word = f"{abs(off) * 100:.0f} pt {'above' if off > 0 else 'below'} plan"
    elif not planned:
        return replace(row, low=judged.low, high=judged.high)
    return replace(row, planned=planned, state=judged.state, word=word, low=judged.low, high=judged.high)


def _rows(spec: Spec, reading: SourceReading[TrafficReading], held: float | None, now: float) -> list[ShareRow]:
    traffic = reading.fresh(now) or TrafficReading(unknown=Cause.SERVER_AWAY)
    settling = held is not None and held < queries.window_seconds(spec) + SETTLE
    seen = set(traffic.baseline_rate) | set(traffic.candidate_rate)
    if not spec.segments.named and seen <= {""}:
        return [_only_row(spec, traffic, settling)]
    names = [*spec.segments.named, *sorted(seen - set(spec.segments.named))]
    rows = [_share_row(spec, name, traffic, settling) for name in names]
    return [*rows, _total_row(spec, traffic, rows)]


def _share_row(spec: Spec, segment: str, traffic: TrafficReading, settling: bool) -> ShareRow:
    planned, actual, rate = traffic.planned.get(segment), traffic.share.get(segment), _rate(traffic, segment)
    state, word = _against_plan(traffic.why(rate), planned, actual, _tolerance(spec, planned, rate), settling)
    return ShareRow(segment, planned, actual, rate, state, word, queries.share_by_segment(spec))


def _only_row(spec: Spec, traffic: TrafficReading, settling: bool) -> ShareRow:
    """TrafficReading without segments: the plan is for all of it."""
    planned, actual, rate = traffic.planned.get(TOTAL_SEGMENT), traffic.total_share, _rate(traffic, "")
    state, word = _against_plan(traffic.why(rate), planned, actual, _tolerance(spec, planned, rate), settling)
    return ShareRow(TOTAL_SEGMENT, planned, actual, rate, state, word, queries.share_total(spec))


def _total_row(spec: Spec, traffic: TrafficReading, rows: list[ShareRow]) -> ShareRow:
    """All segments together: what the plan means for them depends on their mix at present."""
    known = [(row.planned, row.rate) for row in rows if row.planned is not None and row.rate is not None]
    rate = sum(rate for _, rate in known)
    planned = sum(planned * rate for planned, rate in known) / rate if rate and len(known) == len(rows) else None
    state = State.NO_DATA if traffic.total_share is None else State.NOT_APPLICABLE
    rates = [row.rate for row in rows if row.rate is not None]
    total = sum(rates) if rates else None
    word = no_data(traffic.why(total)) if state is State.NO_DATA else ""
    return ShareRow(TOTAL_SEGMENT, planned, traffic.total_share, total, state, word, queries.share_total(spec))


def _tolerance(spec: Spec, planned: float | None, rate: float | None) -> float:
    """What the plan allows, and three standard errors of so few requests."""
    requests = (rate or 0.0) * queries.window_seconds(spec)
    noise = 3 * math.sqrt((planned or 0.0) * (1 - (planned or 0.0)) / requests) if requests else 0.0
    return spec.thresholds.share_tolerance + noise


def _rate(traffic: TrafficReading, segment: str) -> float | None:
    rates = [by[segment] for by in (traffic.baseline_rate, traffic.candidate_rate) if segment in by]
    return sum(rates) if rates else None


def _against_plan(
    why: Cause, planned: float | None, actual: float | None, tolerance: float, settling: bool
) -> tuple[State, str]:
    """`why`: the share is not known, where it is not."""
    if actual is None:
        return State.NO_DATA, no_data(why)
    if planned is None:
        return State.NO_DATA, "no data: no plan known"
    if settling and abs(actual - planned) > SETTLED:
        return State.NOT_APPLICABLE, "settling"
    if abs(actual - planned) > tolerance:
        return State.BAD, f"{abs(actual - planned) * 100:.0f} pt {'above' if actual > planned else 'below'} plan"
    if planned == 0:
        return State.NOT_APPLICABLE, "not in this phase"
    return State.OK, "on plan"
