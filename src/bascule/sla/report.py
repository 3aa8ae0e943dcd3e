"""What a report holds: plain facts, no words of a language and no layout. Times are Unix seconds, shares 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bascule.api.models.timeline import Happening
from bascule.conventions import State
from bascule.slo import Goal, Headline
from bascule.states import Cause, first_of


class SlaOutcome(StrEnum):
    """What the source document calls an SLA's status."""

    PASS = "PASS"
    FAIL = "FAIL"
    NO_DATA = "NO DATA"
    NOT_APPLICABLE = "NOT APPLICABLE"


_TOO_LITTLE = (Cause.TOO_FEW, Cause.NO_SERIES, Cause.NO_TRAFFIC)

_STATES = {
    SlaOutcome.PASS: State.OK,
    SlaOutcome.FAIL: State.BAD,
    SlaOutcome.NO_DATA: State.NO_DATA,
    SlaOutcome.NOT_APPLICABLE: State.NOT_APPLICABLE,
}


class SlaState(StrEnum):
    """The state of an objective at the end of the span."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    RECOVERING = "recovering"
    NO_DATA = "no_data"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Note:
    """Something the reader must know; `key` names the sentence, `values` fill it."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowFigure:
    """One window's figures. `value` is what people compare with the target: a ratio, or seconds; None without data.

    `spent` is the share of the error budget used up (1 is all of it). `cause`: why events do not tell either.
    """

    start: float
    end: float
    good: float
    total: float
    value: float | None
    spent: float | None
    cause: Cause | None = None

    @property
    def bad(self) -> float:
        return self.total - self.good


@dataclass(frozen=True)
class Assessment:
    """A goal held against its windows: `deciding` is the worst of them, `current` the last.

    `cause`: why the outcome is no data, where it is.
    """

    outcome: SlaOutcome
    standing: SlaState
    deciding: WindowFigure | None
    current: WindowFigure
    breaches: int
    windows: int
    cause: Cause | None = None


@dataclass(frozen=True)
class PartReport:
    """A part of an objective: a service, version, segment or partner. Without a goal of its own it only informs."""

    dimension: str
    name: str
    promise: Goal
    own_target: bool
    assessment: Assessment
    coverage: float | None

    @property
    def withholds(self) -> Cause | None:
        """Why its objective cannot pass; a segment in which too little happened, or nothing, is not waited for."""
        cause = self.assessment.cause
        return cause if self.own_target and cause not in _TOO_LITTLE else None


@dataclass(frozen=True)
class Burn:
    """How fast the budget went over the last `seconds`: 1 uses it up exactly in its window; None without events."""

    seconds: float
    rate: float | None


@dataclass(frozen=True)
class ErrorBudget:
    """The error budget of the current window, in events (or seconds of down-time)."""

    allowed: float
    used: float
    left: float | None
    burns: tuple[Burn, ...]
    exhausted_in: float | None  # seconds at the present rate; None: not at this rate


@dataclass(frozen=True)
class GainReport:
    """The candidate against the baseline, mix-adjusted, and what was declared. `cause`: why there is no data."""

    written: str
    wanted: float
    relative: bool
    baseline: float | None
    candidate: float | None
    value: float | None
    standing: SlaState
    events_baseline: float
    events_candidate: float
    frozen_at: float | None = None
    cause: Cause | None = None


@dataclass(frozen=True)
class Point:
    """One point of a chart; None where there was no data."""

    start: float
    end: float
    value: float | None


@dataclass(frozen=True)
class Moment(Point):
    """A stretch in which the goal was not kept, and how many events (or seconds) were bad in it."""

    bad: float


@dataclass(frozen=True)
class ObjectiveReport:
    name: str
    promise: Goal
    window: float
    window_kind: str  # rolling, daily, month or quarter
    outcome: SlaOutcome
    whole: Assessment
    rows: tuple[PartReport, ...]
    budget: ErrorBudget
    gain: GainReport | None
    chart: tuple[Point, ...]
    track: tuple[Point, ...]  # the value of each judged window
    spending: tuple[Point, ...]  # the share of the current window's budget spent so far
    moments: tuple[Moment, ...]
    previous: float | None
    covered: float  # seconds of the current window with data
    wanted: float  # seconds of the current window less maintenance
    source: str  # raw, rules or mixed
    notes: tuple[Note, ...] = ()

    @property
    def standing(self) -> SlaState:
        return self.whole.standing

    @property
    def headline(self) -> Headline:
        return Headline(_STATES[self.outcome], self.covered, self.wanted, self.spent, self.cause)

    @property
    def spent(self) -> float | None:
        """The share of the budget that is used up in the window that decides, whatever else has failed."""
        figure = self.whole.deciding
        return None if figure is None or figure.total <= 0 else figure.bad / (self.promise.budget * figure.total)

    @property
    def cause(self) -> Cause | None:
        """Why there is no data, where there is none."""
        if self.outcome is not SlaOutcome.NO_DATA:
            return None
        return first_of(self.withheld) or Cause.NO_SERIES

    @property
    def withheld(self) -> tuple[Cause, ...]:
        """Why the whole, a part with a goal of its own, or the gain has no data."""
        found = (self.whole.cause, *(row.withholds for row in self.rows), self.gain.cause if self.gain else None)
        return tuple(cause for cause in found if cause is not None)

    @property
    def unproven(self) -> tuple[str, ...]:
        """Where the cause is a selector that cannot count what it names: which, and why."""
        if self.cause is not Cause.UNPROVEN:
            return ()
        return tuple(note.values["found"] for note in self.notes if note.key == "unproven")

    @property
    def is_so_far(self) -> bool:
        """Whether too little of the window is known for the outcome to be the last word."""
        return self.headline.is_so_far


@dataclass(frozen=True)
class Stratum:
    """One segment's figures of a comparison."""

    segment: str
    baseline: float | None
    candidate: float | None
    events_baseline: float
    events_candidate: float


@dataclass(frozen=True)
class Comparison:
    """V1 vs V2 for one measure. `difference` is candidate less baseline, mix-adjusted."""

    measure: str
    unit: str
    better: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    strata: tuple[Stratum, ...]


@dataclass(frozen=True)
class Planned:
    """A maintenance window that was left out; no services means all."""

    start: float
    end: float
    reason: str
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Episode:
    """An incident that was open within the span."""

    id: int
    alert: str
    severity: str
    kind: str
    where: str
    start: float
    end: float | None
    summary: str
    acknowledged_by: str = ""


@dataclass(frozen=True)
class TimelineMark(Happening):
    """What the report's chart marks; `number` and `share` (the candidate's) are those of a step of the plan."""

    number: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Change:
    """An objective that was written differently before."""

    at: float
    objective: str
    before: str
    after: str


@dataclass(frozen=True)
class Report:
    """Everything about a span, ready to be rendered."""

    name: str
    title: str
    timezone: str
    currency: str
    baseline: str
    candidate: str
    start: float
    end: float
    interval: float
    objectives: tuple[ObjectiveReport, ...]
    comparisons: tuple[Comparison, ...]
    maintenance: tuple[Planned, ...]
    incidents: tuple[Episode, ...]
    marks: tuple[TimelineMark, ...]
    changes: tuple[Change, ...] = ()
    notes: tuple[Note, ...] = ()
    missing: tuple[str, ...] = ()  # objectives that were asked for, and that nobody declared

    @property
    def outcome(self) -> SlaOutcome:
        """FAIL when any objective failed, else NO DATA when any has none or is missing, else PASS."""
        outcomes = {objective.outcome for objective in self.objectives}  # one that does not apply decides nothing
        if self.missing:
            outcomes.add(SlaOutcome.NO_DATA)
        for worst in (SlaOutcome.FAIL, SlaOutcome.NO_DATA, SlaOutcome.PASS):
            if worst in outcomes:
                return worst
        return SlaOutcome.NO_DATA

    @property
    def so_far(self) -> ObjectiveReport | None:
        """The least known of the objectives that decide the outcome, where none of them is the last word."""
        deciding = [each for each in self.objectives if each.outcome is self.outcome]
        early = [each for each in deciding if each.is_so_far]
        final = len(early) < len(deciding) and self.outcome is SlaOutcome.FAIL
        return None if final or not early else min(early, key=lambda each: each.headline.coverage)

    @property
    def decides(self) -> ObjectiveReport | None:
        """The objective that says why there is no data, or how sure the outcome is; None where it is the last word."""
        if self.outcome is not SlaOutcome.NO_DATA:
            return self.so_far
        unknown = [each for each in self.objectives if each.cause is not None]
        first = first_of(each.cause for each in unknown if each.cause is not None)
        return next((each for each in unknown if each.cause is first), None)

    @property
    def exit_code(self) -> int:
        """0 kept, 1 breached, 4 some objective has no data."""
        return {SlaOutcome.PASS: 0, SlaOutcome.FAIL: 1}.get(self.outcome, 4)
