"""The page of SLAs: objectives with their budgets, and the archive of reports with who has each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bascule import figures, slo
from bascule.api.models.others import DeliveryAnswer, ReportAnswer
from bascule.console.asked import Business
from bascule.console.views.promises import PromiseRow, Promises
from bascule.conventions import State
from bascule.spec import Spec


@dataclass(frozen=True)
class SpentBudget:
    """`spent`: the share of the error budget used up, over the SLA's own window; `bar`: the same from 0 to 100."""

    spent: str
    left: str
    bar: float | None
    state: State


@dataclass(frozen=True)
class SentReports:
    reports: Sequence[ReportAnswer] = ()
    deliveries: Mapping[str, Sequence[DeliveryAnswer]] = field(default_factory=dict)  # by the report's id
    problem: str = ""


@dataclass(frozen=True)
class SlaView:
    rows: list[tuple[PromiseRow, SpentBudget]]
    promises: Promises
    problem: str
    archive: str  # the address of the role that keeps the reports
    reports: Sequence[ReportAnswer]
    deliveries: Mapping[str, Sequence[DeliveryAnswer]]
    archive_problem: str


def sla_view(spec: Spec, promises: Promises, seen: Business | None, problem: str, archive: SentReports) -> SlaView:
    spent = seen.spent if seen else {}
    budgets = {each.name: budget(spent.get(each.name)) for each in slo.all_of(spec)}
    rows = [(row, budgets[row.name]) for row in promises.rows]
    url = spec.stack.url("sla")
    return SlaView(rows, promises, problem, url, archive.reports, archive.deliveries, archive.problem)


def budget(spent: float | None) -> SpentBudget:
    if spent is None:
        return SpentBudget(figures.MISSING, figures.MISSING, None, State.NO_DATA)
    state = State.BAD if spent > 1 else State.OK
    return SpentBudget(
        figures.used(spent), figures.percent(max(0.0, 1 - spent)), round(min(100.0, 100 * spent), 1), state
    )
