"""The view of management: how far the migration is, what it brings, and whether what was promised is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule import figures, slo
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.console.asked import Business
from bascule.console.parts import JournalReading
from bascule.console.views.compared import baseline_figure, candidate_figure
from bascule.console.views.plan import ShownPlan
from bascule.console.views.sla import SpentBudget, budget, headlines
from bascule.console.views.verdict import VerdictView
from bascule.conventions import TOTAL_SEGMENT, EntryKind, State
from bascule.spec import Role, Spec
from bascule.spec.gains import gain_sign
from bascule.spec.kinds import Signal
from bascule.states import Cause
from bascule.units import number_text

ROLES = (Role.ACCURACY, Role.REVENUE, Role.SATISFACTION, Role.RETENTION)


@dataclass(frozen=True)
class StepDate:
    """`begins` is when a step began, or is expected to; None where nothing can be expected."""

    number: int
    share: str
    place: str
    begins: datetime | None
    is_expected: bool


@dataclass(frozen=True)
class ImpactRow:
    name: str
    role: str
    baseline: str
    candidate: str
    difference: str
    target: str
    state: State
    cause: Cause | None  # of no data


@dataclass(frozen=True)
class BudgetRow:
    """`window`: the SLA's own, in seconds; the budget is of it."""

    name: str
    objective: str
    window: float
    budget: SpentBudget


@dataclass(frozen=True)
class Executive:
    verdict: VerdictView
    steps: list[StepDate]
    number: int | None
    share: float | None
    ends: datetime | None
    impact: list[ImpactRow]
    budgets: list[BudgetRow]


def executive(
    spec: Spec,
    verdict: VerdictView,
    plan: ShownPlan,
    journal: JournalReading | None,
    opinion: VerdictAnswer | None,
    seen: Business | None,
    now: datetime,
) -> Executive:
    steps = _steps(plan, journal, now)
    last = spec.phases[-1].hold if spec.phases else 0.0
    end = steps[-1].begins if steps else None
    return Executive(
        verdict,
        steps,
        plan.number,
        plan.share,
        None if end is None else end + timedelta(seconds=last),
        [*_impact(spec, opinion), *_adoption(spec, seen)],
        _budgets(spec, seen),
    )


def _steps(plan: ShownPlan, journal: JournalReading | None, now: datetime) -> list[StepDate]:
    """A step that is to come begins when those before it have been held, and not before now."""
    began = {entry.number: entry.at for entry in (journal.timeline if journal else ()) if entry.kind == EntryKind.PHASE}
    found = []
    expected = _next_begin(plan, now)
    for step in plan.steps:
        is_expected = step.place == "next"
        begins = expected if is_expected else began.get(step.number)
        found.append(StepDate(step.number, figures.share(step.share), step.place, begins, is_expected))
        if is_expected and expected is not None:
            expected += timedelta(seconds=step.hold)
    return found


def _next_begin(plan: ShownPlan, now: datetime) -> datetime | None:
    if plan.number is None or plan.closed or plan.paused:
        return None
    if plan.number == 0 or plan.started is None or plan.hold is None:
        return now
    return max(now, plan.started + timedelta(seconds=plan.hold))


def _impact(spec: Spec, opinion: VerdictAnswer | None) -> list[ImpactRow]:
    told = {each.signal: each for each in opinion.signals if each.segment == TOTAL_SEGMENT} if opinion else {}
    found = []
    for role in ROLES:
        for name in (name for name, each in spec.signal_roles.items() if each is role):
            found.append(_compared(spec, name, role, told.get(name)))
    return found


def _compared(spec: Spec, name: str, role: Role, told: SignalAnswer | None) -> ImpactRow:
    signal = spec.signals[name]
    target = _written(signal)
    if told is None or told.state is State.NOT_APPLICABLE:
        state, cause = (State.NO_DATA, Cause.SERVER_AWAY) if told is None else (told.state, None)
        return ImpactRow(name, role.value, figures.MISSING, figures.MISSING, figures.MISSING, target, state, cause)
    return ImpactRow(
        name,
        role.value,
        baseline_figure(told, signal.unit),
        candidate_figure(told, signal.unit),
        figures.difference(told.effect, signal.unit),
        target,
        told.state,
        told.cause,
    )


def _written(signal: Signal) -> str:
    """The gain that is wanted as the difference that it is beside: one of errors is below zero."""
    wanted = signal.gain_target
    if wanted is None:
        return ""
    amount = gain_sign(signal) * wanted.amount
    if not wanted.relative:
        return figures.difference(amount, signal.unit)
    return f"{'+' if amount >= 0 else figures.MINUS}{number_text(abs(amount) * 100)}{figures.THIN}%"


def _adoption(spec: Spec, seen: Business | None) -> list[ImpactRow]:
    if seen is None or not seen.consumers:
        return []
    old, new = (seen.consumers.get(version) for version in spec.versions.both)
    return [ImpactRow("API consumers", "adoption", figures.count(old), figures.count(new), "", "", State.OK, None)]


def _budgets(spec: Spec, seen: Business | None) -> list[BudgetRow]:
    told = headlines(spec, seen)
    return [BudgetRow(each.name, each.goal.written, each.window, budget(told[each.name])) for each in slo.all_of(spec)]
