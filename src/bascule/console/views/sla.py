"""The page of SLAs: objectives with their budgets, and the archive of reports with who has each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bascule import figures, slo
from bascule.api.models.others import DeliveryAnswer, ReportAnswer
from bascule.console.asked import Business
from bascule.console.views.promises import PromiseRow, Promises, word
from bascule.conventions import State
from bascule.slo import Headline
from bascule.spec import Spec
from bascule.states import Cause


@dataclass(frozen=True)
class SpentBudget:
    """`spent`: the share of the error budget used up, over the SLA's own window; `bar`: the same from 0 to 100."""

    spent: str
    left: str
    bar: float | None
    headline: Headline

    @property
    def state(self) -> State:
        return self.headline.state

    @property
    def word(self) -> str:
        return word(self.headline)


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
    told = headlines(spec, seen)
    rows = [(row, budget(told[row.name])) for row in promises.rows]
    url = spec.stack.page("sla")
    return SlaView(rows, promises, problem, url, archive.reports, archive.deliveries, archive.problem)


def budget(told: Headline) -> SpentBudget:
    spent = told.spent
    if spent is None:
        return SpentBudget(figures.MISSING, figures.MISSING, None, told)
    left, bar = figures.percent(max(0.0, 1 - spent)), round(min(100.0, 100 * spent), 1)
    return SpentBudget(figures.used(spent), left, bar, told)


def headlines(spec: Spec, seen: Business | None) -> Mapping[str, Headline]:
    """Of each SLA, by name; unknown where Prometheus does not answer."""
    if seen is not None:
        return seen.headlines
    return {each.name: slo.unknown(each, Cause.SERVER_AWAY) for each in slo.all_of(spec)}
