"""From what Prometheus answered to what a template lays out, and what a chart draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bascule.console.dashboards import units
from bascule.console.dashboards.asking import Course, Moments, Told, without_labels
from bascule.console.dashboards.shape import (
    AxisProperty,
    Bars,
    ColourProperty,
    ColourStep,
    DrawnMetrics,
    MetricsPanel,
    Pie,
    Stat,
    States,
    Table,
    TimeSeries,
    UnitProperty,
)
from bascule.console.grid import listed
from bascule.figures import MISSING

HUES = 8  # colours of lines; after them each comes again, dashed
DIGITS = 5  # of a value on a chart
LOOKS = {"green": "ok", "yellow": "warn", "red": "bad", "blue": "neutral", "purple": "no_data"}
# Who draws a span of a state beside others sees no difference below a thousandth of the width.
_NARROWEST = 0.1  # percent
Why = Callable[[Told], str]  # why a target has no value


@dataclass(frozen=True)
class Figure:
    """One value: `look` is its colour's meaning, `bar` how long its bar is (percent), `slice` its part of a pie."""

    name: str
    text: str
    look: str = ""
    bar: float = 0.0
    hue: int = 0
    slice: str = ""


@dataclass(frozen=True)
class LegendRow:
    name: str
    hue: int
    last: str
    most: str


@dataclass(frozen=True)
class StateBar:
    """A state that lasted, from `left` for `width` (percent of the span)."""

    left: float
    width: float
    text: str
    look: str


@dataclass(frozen=True)
class ShownPanel:
    """`silent`: targets without a value, and why; all of them where there is nothing else to show."""

    id: int
    kind: str
    figures: Sequence[Figure] = ()
    legend: Sequence[LegendRow] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    states: Sequence[tuple[str, Sequence[StateBar]]] = ()
    as_names: bool = False  # the series' names are shown, on their colours
    silent: Sequence[tuple[str, str]] = ()
    is_empty: bool = False
    chart: Mapping[str, Any] | None = field(default=None, compare=False)


def draw(panel: MetricsPanel, told: Sequence[Told], moments: Moments, why: Why) -> ShownPanel:
    """`why` is asked for each target that gave nothing."""
    silent = [(without_labels(each.legend), each.problem or why(each)) for each in told if not each.has_values]
    courses = [course for each in told for course in each.courses if math.isfinite(course.last)]
    if not courses:
        return ShownPanel(panel.id, panel.type, silent=silent, is_empty=True)
    match panel:
        case TimeSeries():
            legend, chart = _lines(panel, courses, moments)
            return ShownPanel(panel.id, panel.type, legend=legend, silent=silent, chart=chart)
        case Stat():
            as_names = panel.options.text == "name"
            return ShownPanel(panel.id, panel.type, _figures(panel, courses), as_names=as_names, silent=silent)
        case Bars():
            return ShownPanel(panel.id, panel.type, _bars(panel, courses), silent=silent)
        case Pie():
            return ShownPanel(panel.id, panel.type, _slices(panel, courses), silent=silent)
        case Table():
            columns, rows = _table(panel, courses)
            return ShownPanel(panel.id, panel.type, columns=columns, rows=rows, silent=silent)
        case States():
            rows_of_states = [(course.name, list(_stretches(panel, course.values))) for course in courses]
            return ShownPanel(panel.id, panel.type, states=rows_of_states, silent=silent)


# ---------------------------------------------------------------- values


def _figures(panel: DrawnMetrics, courses: Sequence[Course]) -> list[Figure]:
    return [Figure(each.name, _text(panel, each.last), _look(panel, each)) for each in courses]


def _text(panel: DrawnMetrics, value: float) -> str:
    return panel.word(value) or units.text(value, panel.unit)


def _look(panel: DrawnMetrics, course: Course) -> str:
    fixed = (each.value.colour for each in panel.properties(course.name) if isinstance(each, ColourProperty))
    colour = next(fixed, None) or colour_at(panel.steps, course.last)
    return LOOKS.get(colour, "")


def colour_at(steps: Sequence[ColourStep], value: float) -> str:
    """The colour of the highest step that the value has reached; empty without steps."""
    reached = [step.color for step in steps if step.value is None or value >= step.value]
    return reached[-1] if reached else ""


def _bars(panel: DrawnMetrics, courses: Sequence[Course]) -> list[Figure]:
    """Each as long as its part of the largest value there is."""
    largest = max((abs(course.last) for course in courses), default=0.0)
    return [
        Figure(each.name, each.text, each.look, bar=round(100 * abs(course.last) / largest, 1) if largest else 0.0)
        for each, course in zip(_figures(panel, courses), courses, strict=True)
    ]


def _slices(panel: DrawnMetrics, courses: Sequence[Course]) -> list[Figure]:
    whole = sum(max(0.0, course.last) for course in courses)
    found, start = [], 0.0
    for number, course in enumerate(courses):
        part = max(0.0, course.last) / whole if whole else 0.0
        share = f"{_text(panel, course.last)} ({units.text(part, 'percentunit')})"
        found.append(Figure(course.name, share, hue=number % HUES, slice=_slice(start, part)))
        start += part
    return found


def _slice(start: float, part: float) -> str:
    """An SVG path within a circle of radius 1; a whole circle has no corner, so it is drawn as nearly whole."""
    if part <= 0:
        return ""
    end = start + min(part, 0.9999)
    (x1, y1), (x2, y2) = ((math.sin(2 * math.pi * turn), -math.cos(2 * math.pi * turn)) for turn in (start, end))
    return f"M0 0L{x1:.4f} {y1:.4f}A1 1 0 {int(part > 0.5)} 1 {x2:.4f} {y2:.4f}Z"


def _table(panel: DrawnMetrics, courses: Sequence[Course]) -> tuple[list[str], list[list[str]]]:
    labels = sorted({label for course in courses for label in course.labels} - {"__name__"})
    rows = [[*(course.labels.get(label, "") for label in labels), _text(panel, course.last)] for course in courses]
    return [*labels, "value"], sorted(rows)


def _stretches(panel: DrawnMetrics, values: NDArray[np.float64]) -> Iterator[StateBar]:
    """Neighbouring points of one text are one stretch; points without a value leave a gap."""
    said = ((begin, "" if math.isnan(value) else _text(panel, value)) for begin, value in _turns(values))
    firsts = [next(same) for _, same in groupby(said, key=itemgetter(1))]
    ends = [*(begin for begin, _ in firsts[1:]), len(values)]
    for (begin, text), end in zip(firsts, ends, strict=True):
        if text:
            width = 100 * (end - begin) / len(values)
            look = LOOKS.get(colour_at(panel.steps, float(values[begin])), "")
            yield StateBar(round(100 * begin / len(values), 2), max(_NARROWEST, round(width, 2)), text, look)


def _turns(values: NDArray[np.float64]) -> list[tuple[int, float]]:
    """The points whose value is not the one before, and their values."""
    turns = [0, *(1 + np.flatnonzero(values[1:] != values[:-1])).tolist()]
    return [(place, float(values[place])) for place in turns]


# ---------------------------------------------------------------- charts


def _lines(panel: TimeSeries, courses: Sequence[Course], moments: Moments) -> tuple[list[LegendRow], dict[str, Any]]:
    """The legend, and what the chart draws: lines in the units of their axes."""
    on_right = {course.name for course in courses if _is_on_right(panel, course.name)}
    own = {course.name: _unit(panel, course.name) for course in courses}
    axes = {
        side: units.axis(_largest(panel, side, courses, on_right), unit)
        for side, unit in (("right", next((own[name] for name in on_right), panel.unit)), ("left", panel.unit))
    }
    grid = moments.grid
    lines = []
    for number, course in enumerate(courses):
        side = "right" if course.name in on_right else "left"
        values = _short(course.values * axes[side].factor)
        lines.append({"label": course.name, "values": values, "side": side, "hue": number % HUES,
                      "again": number >= HUES})  # fmt: skip
    chart = {
        "start": grid.start,
        "step": grid.step,
        "lines": lines,
        "units": {side: axis.short for side, axis in axes.items()},
        "limits": [
            {"value": step.value * axes["left"].factor, "look": LOOKS[step.color]}
            for step in panel.steps
            if step.value is not None
        ],
    }
    legend = [
        LegendRow(each.name, number % HUES, units.text(each.last, own[each.name]), _most(each, own[each.name]))
        for number, each in enumerate(courses)
    ]
    return legend, chart


def _most(course: Course, unit: str) -> str:
    return units.text(course.most, unit) if math.isfinite(course.most) else MISSING


def _is_on_right(panel: TimeSeries, name: str) -> bool:
    return any(isinstance(each, AxisProperty) for each in panel.properties(name))


def _unit(panel: TimeSeries, name: str) -> str:
    return next((each.value for each in panel.properties(name) if isinstance(each, UnitProperty)), panel.unit)


def _largest(panel: TimeSeries, side: str, courses: Sequence[Course], on_right: set[str]) -> float:
    """In size; of the left side also the limits that are drawn there."""
    drawn = [course.values for course in courses if (course.name in on_right) == (side == "right")]
    limits = [abs(step.value) for step in panel.steps if step.value is not None] if side == "left" else []
    sizes = [float(np.nanmax(np.abs(values))) for values in drawn if np.isfinite(values).any()]
    return max([*sizes, *limits], default=0.0)


def _short(values: NDArray[np.float64]) -> list[float | None]:
    """With as many decimals as their largest needs for DIGITS digits: a chart shows no more, and its text is short."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if len(finite) else 0.0
    if largest > 0:
        values = np.round(values, max(0, DIGITS - 1 - math.floor(math.log10(largest))))
    return listed(values)
