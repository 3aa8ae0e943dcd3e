"""A dashboard's queries with its variables filled in, asked of Prometheus several at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.console.dashboards.shape import Choice, Dashboard, DrawnMetrics, PanelQuery
from bascule.console.grid import Grid
from bascule.errors import BasculeError
from bascule.prometheus import Prometheus
from bascule.spec.quantities import format_duration

ALL = "All"
MOST_VALUES = 50  # of a variable that an address may name
LONGEST_VALUE = 200  # characters
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SPECIAL = re.compile(r"[\\^$.*+?()\[\]{}|]")
Chosen = Mapping[str, tuple[str, ...]]  # variable -> values; none: all of them


@dataclass(frozen=True)
class Moments:
    """The span that a dashboard shows, on a grid; `is_now`: it ends at the present."""

    grid: Grid
    scrape: float
    is_now: bool = True

    @property
    def rate_interval(self) -> str:
        """As Grafana has it: four scrapes, and never less than a step and a scrape."""
        return format_duration(max(self.grid.step + self.scrape, 4 * self.scrape))


@dataclass(frozen=True, eq=False)
class Course:
    """One series of a target: its values on the grid, or the one at its end."""

    name: str
    labels: Mapping[str, str]
    values: NDArray[np.float64]

    @property
    def last(self) -> float:
        """The last that is a number; NaN without any."""
        finite = self.values[np.isfinite(self.values)]
        return float(finite[-1]) if len(finite) else math.nan

    @property
    def most(self) -> float:
        finite = self.values[np.isfinite(self.values)]
        return float(finite.max()) if len(finite) else math.nan


@dataclass(frozen=True)
class Told:
    """What came of one target. `problem`: why it could not be asked; `expr`: what was asked."""

    expr: str
    legend: str
    courses: Sequence[Course] = ()
    problem: str = ""

    @property
    def has_values(self) -> bool:
        return any(math.isfinite(course.last) for course in self.courses)


def filled_in(expr: str, choices: Iterable[Choice], chosen: Chosen, moments: Moments) -> str:
    """An expression as Grafana sends it."""
    expr = re.sub(r"\$__rate_interval\b", moments.rate_interval, expr)
    for choice in choices:
        value = _as_pattern(chosen.get(choice.name, ())) or choice.all_value
        expr = re.sub(rf"\${choice.name}\b", lambda _, value=value: value, expr)  # type: ignore[misc]
    return expr


def _as_pattern(values: Sequence[str]) -> str:
    """Values as the inside of a regular expression in a PromQL text; empty for none."""
    escaped = [_SPECIAL.sub(lambda char: rf"\\{char[0]}", value).replace('"', r"\"") for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})" if escaped else ""


def ask(
    board: Dashboard, chosen: Chosen, moments: Moments, prometheus: Prometheus, workers: Executor
) -> dict[int, list[Future[Told]]]:
    """By the panel's id, what each of its targets gives; asked in the panels' order."""

    def told(target: PanelQuery) -> Told:
        expr = filled_in(target.expr, board.choices, chosen, moments)
        return tell(expr, target.legend, lambda: _courses(target, expr, moments, prometheus))

    panels = [panel for panel in board.panels if isinstance(panel, DrawnMetrics)]
    return {panel.id: [workers.submit(told, target) for target in panel.targets] for panel in panels}


def tell(expr: str, legend: str, courses: Callable[[], list[Course]]) -> Told:
    try:
        return Told(expr, legend, courses())
    except BasculeError as error:
        return Told(expr, legend, problem=error.what)


def _courses(target: PanelQuery, expr: str, moments: Moments, prometheus: Prometheus) -> list[Course]:
    if target.range:
        found = moments.grid.courses(prometheus, expr)
        return [Course(_named(labels, target.legend), labels, values) for labels, values in found]
    samples = prometheus.instant(expr, None if moments.is_now else moments.grid.end)
    return [Course(_named(each.labels, target.legend), each.labels, np.array([each.value])) for each in samples]


def _named(labels: Mapping[str, str], legend: str) -> str:
    """The legend with labels filled in; without one, the labels as Prometheus shows them."""
    if legend:
        return _LABEL.sub(lambda found: labels.get(found[1], ""), legend).strip()
    return ", ".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")


def without_labels(legend: str) -> str:
    """What a legend says where there is no series."""
    return _LABEL.sub("", legend).strip()
