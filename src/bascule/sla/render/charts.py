"""Charts as inline SVG. Colours are attributes, for readers that apply no stylesheet; classes let a dark page
change them. Numbers are rounded, so that identical data gives identical bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup, escape

from bascule.conventions import TROUBLES, EntryKind, Severity
from bascule.sla.render.numbers import Numbers
from bascule.sla.report import Episode, ObjectiveReport, Point, Report, TimelineMark
from bascule.slo import Goal
from bascule.visible import visible

INK, MUTED, GRID, LINE, BAD, PLAN, PLANNED, GAP = (
    "#1b2533",
    "#5b6878",
    "#e3e8ee",
    "#1f5fbf",
    "#c02f2a",
    "#6b4fa3",
    "#c9d2dd",
    "#f1f4f7",
)
_TICK_SECONDS: Final = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    172800,
    432000,
    604800,
    1209600,
    2592000,
)
_MOST_TICKS: Final = 8


@dataclass(frozen=True)
class Frame:
    """Where a chart's plot is in its picture, and what its axes span."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    start: float
    end: float
    low: float = 0.0
    high: float = 1.0

    def x(self, time: float) -> float:
        share = (time - self.start) / (self.end - self.start)
        return round(self.left + min(max(share, 0.0), 1.0) * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.height - self.bottom - min(max(share, 0.0), 1.0) * (self.height - self.top - self.bottom), 1)

    @property
    def base(self) -> float:
        return self.height - self.bottom


def value_chart(report: Report, objective: ObjectiveReport, numbers: Numbers, label: str) -> Markup:
    """What was measured over the span, with the objective as a line and what happened behind it."""
    frame = _frame(report, objective.chart, objective.promise)
    parts = [
        _background(report, frame, numbers),
        _gaps(objective.chart, frame),
        _levels(frame, lambda v: numbers.mark(objective.promise, v)),
        _curve(objective.chart, frame),
        _breaches(objective.chart, frame, objective.promise),
        _goal_line(frame, objective.promise, numbers),
    ]
    return _picture(frame, label, parts)


def track_chart(report: Report, objective: ObjectiveReport, numbers: Numbers, label: str) -> Markup:
    """Window by window against the objective; those side by side, as days are, with a dot each."""
    frame = replace(_frame(report, objective.track, objective.promise), height=130.0)
    parts = [
        _time_axis(frame, numbers),
        _levels(frame, lambda v: numbers.mark(objective.promise, v)),
        _curve(objective.track, frame),
        Markup("").join(_windows(objective, frame, numbers)) if objective.window_kind != "rolling" else Markup(""),
        _breaches(objective.track, frame, objective.promise),
        _goal_line(frame, objective.promise, numbers),
    ]
    return _picture(frame, label, parts)


def budget_chart(report: Report, objective: ObjectiveReport, numbers: Numbers, label: str) -> Markup:
    """How much of the window's budget was left as the span went on."""
    frame = Frame(720, 130, 60, 14, 14, 26, report.start, report.end, 0.0, 1.0)
    left = [replace(p, value=None if p.value is None else max(0.0, 1 - p.value)) for p in objective.spending]
    parts = [_time_axis(frame, numbers), _levels(frame, lambda v: numbers.percent(v, 0)), _curve(left, frame)]
    return _picture(frame, label, parts)


def spark(objective: ObjectiveReport, label: str) -> Markup:
    """A small curve without axes, for the first page."""
    points = objective.chart
    if not points:
        return Markup("")
    whole = Frame(200, 32, 1, 1, 4, 4, points[0].start, points[-1].end)
    low, high = _range(points, objective.promise)
    frame = replace(whole, low=low, high=high)
    y = frame.y(objective.promise.bound)
    target = _line(1, y, 199, y, BAD, 'stroke-dasharray="3 3" stroke-width="1" opacity=".7" class="bad-stroke"')
    return _picture(frame, label, [target, _curve(points, frame), _breaches(points, frame, objective.promise)])


def timeline(report: Report, numbers: Numbers, words: Callable[..., str]) -> Markup:
    """Steps of the plan, incidents and maintenance on one line of time."""
    shown = [mark for mark in report.marks if report.start <= mark.at <= report.end]
    marks = [(mark, _mark_text(mark, numbers, words)) for mark in shown]
    rows = _lanes(report)
    height = 50 + 16 * max(1, len(rows)) + (14 if report.maintenance else 0)
    frame = Frame(720, height, 8, 8, 24, 24, report.start, report.end)
    parts = [_time_axis(frame, numbers), *_flags(frame, marks)]
    top = 30.0
    for lane in rows:
        for episode in lane:
            x, end = frame.x(episode.start), frame.x(episode.end if episode.end is not None else report.end)
            colour = BAD if episode.severity == Severity.CRITICAL else "#b26a00"
            kind = "bad-fill" if episode.severity == Severity.CRITICAL else "warn-fill"
            title = f"{episode.alert} {episode.where}"
            parts.append(_rect(x, top, max(3.0, end - x), 10, colour, f'rx="2" class="{kind}"', title))
        top += 16
    for window in report.maintenance:
        x, end = frame.x(window.start), frame.x(window.end)
        parts.append(_rect(x, top, max(3.0, end - x), 9, PLANNED, 'class="planned" rx="2"', window.reason))
    return _picture(frame, words("timeline"), parts)


def _lanes(report: Report) -> list[list[Episode]]:
    """Incidents packed so that no two of a lane overlap; at most six lanes, the rest is in the table."""
    lanes: list[list[Episode]] = []
    for episode in report.incidents:
        free = next((lane for lane in lanes if (lane[-1].end or report.end) < episode.start), None)
        if free is not None:
            free.append(episode)
        elif len(lanes) < 6:
            lanes.append([episode])
    return lanes


def _flags(frame: Frame, marks: Iterable[tuple[TimelineMark, str]]) -> list[Markup]:
    """A stroke for each mark, and its words where they do not run into the ones before."""
    result: list[Markup] = []
    free = 0.0
    for mark, text in marks:
        x = frame.x(mark.at)
        colour, kind = (BAD, "bad") if mark.kind in TROUBLES else (PLAN, "plan")
        result.append(_line(x, 16, x, frame.base, colour, f'stroke-width="1.2" class="{kind}-stroke"'))
        if x >= free and x + 5.4 * len(text) < frame.width:
            result.append(_text(x + 3, 14, text, f'fill="{colour}" font-size="9.5" class="{kind}-fill"'))
            free = x + 5.4 * len(text) + 8
    return result


def _mark_text(mark: TimelineMark, numbers: Numbers, words: Callable[..., str]) -> str:
    """A step in the report's language; what people noted, as they wrote it."""
    if mark.number is not None:
        return words("mark.step", number=mark.number, share=numbers.percent(mark.share, 0))
    return mark.text if len(mark.text) <= 34 else mark.text[:33] + "…"


# ---------------------------------------------------------------- pieces of a picture


def _frame(report: Report, points: Sequence[Point], goal: Goal) -> Frame:
    low, high = _range(points, goal)
    return Frame(720, 172, 60, 14, 14, 26, report.start, report.end, low, high)


def _range(points: Iterable[Point], goal: Goal) -> tuple[float, float]:
    """Both axes' ends: the objective is always on the picture, and a ceiling's axis begins at zero."""
    values = [p.value for p in points if p.value is not None and math.isfinite(p.value)] + [goal.bound]
    low, high = min(values), max(values)
    if goal.is_upper:
        return 0.0, high * 1.15 or 1.0
    pad = (high - low) * 0.12 or 0.01
    return max(0.0, low - pad), min(1.0, high + pad)


def _background(report: Report, frame: Frame, numbers: Numbers) -> Markup:
    parts = [_time_axis(frame, numbers)]
    tall = frame.base - frame.top
    for window in report.maintenance:
        x, end = frame.x(window.start), frame.x(window.end)
        parts.append(
            _rect(x, frame.top, max(1.5, end - x), tall, PLANNED, 'opacity=".55" class="planned"', window.reason)
        )
    for episode in report.incidents:
        x, end = frame.x(episode.start), frame.x(episode.end if episode.end is not None else report.end)
        parts.append(_rect(x, frame.top, max(1.5, end - x), tall, BAD, 'opacity=".12" class="bad-fill"', episode.alert))
    for mark in report.marks:
        if mark.kind == EntryKind.PHASE and frame.start < mark.at < frame.end:
            x = frame.x(mark.at)
            dashes = 'stroke-width="1" stroke-dasharray="1 3" class="plan-stroke"'
            parts.append(_line(x, frame.top, x, frame.base, PLAN, dashes))
    return Markup("").join(parts)


def _gaps(points: Sequence[Point], frame: Frame) -> Markup:
    rects = [
        _rect(
            frame.x(p.start), frame.top, frame.x(p.end) - frame.x(p.start), frame.base - frame.top, GAP, 'class="gap"'
        )
        for p in points
        if p.value is None
    ]
    return Markup("").join(rects)


def _time_axis(frame: Frame, numbers: Numbers) -> Markup:
    parts = [
        _line(frame.left, frame.base, frame.width - frame.right, frame.base, MUTED, 'stroke-width="1" class="axis"')
    ]
    for time, text in _ticks(frame, numbers):
        x = frame.x(time)
        parts.append(_line(x, frame.base, x, frame.base + 4, MUTED, 'stroke-width="1" class="axis"'))
        parts.append(
            _text(x, frame.base + 15, text, f'fill="{MUTED}" font-size="10" text-anchor="middle" class="muted"')
        )
    return Markup("").join(parts)


def _ticks(frame: Frame, numbers: Numbers) -> list[tuple[float, str]]:
    """Round instants of the spec's time zone, few enough to be read."""
    span = frame.end - frame.start
    step = next((s for s in _TICK_SECONDS if span / s <= _MOST_TICKS), _TICK_SECONDS[-1])
    first = datetime.fromtimestamp(frame.start, numbers.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    times: list[float] = []
    for k in range(math.ceil((span + 86400) / step) + 1):
        time = (first + timedelta(seconds=k * step)).timestamp()
        inside = frame.start + span * 0.02 <= time <= frame.end - span * 0.03
        if inside and (not times or time > times[-1]):
            times.append(time)
    return [(time, numbers.day(time) if step >= 86400 else numbers.clock(time, step < 60)) for time in times]


def _levels(frame: Frame, write: Callable[[float], str]) -> Markup:
    parts = []
    for value in _steps(frame.low, frame.high):
        y = frame.y(value)
        parts.append(_line(frame.left, y, frame.width - frame.right, y, GRID, 'stroke-width="1" class="grid"'))
        parts.append(
            _text(
                frame.left - 6, y + 3.5, write(value), f'fill="{MUTED}" font-size="10" text-anchor="end" class="muted"'
            )
        )
    return Markup("").join(parts)


def _steps(low: float, high: float) -> list[float]:
    """Round values within an axis, about three."""
    rough = (high - low) / 3
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(size * decade for size in (1, 2, 5, 10) if size * decade >= rough * (1 - 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(k * step, 12) for k in numbers]


def _curve(points: Sequence[Point], frame: Frame) -> Markup:
    """A line broken where there was no data."""
    paths = [_path(run, frame) for run in _runs(points)]
    drawn = 'fill="none" stroke-width="1.8" stroke-linejoin="round" class="line-stroke"'
    return Markup("").join(Markup(f'<path d="{path}" stroke="{LINE}" {drawn}/>') for path in paths)


def _path(run: Sequence[Point], frame: Frame) -> str:
    middle = [((p.start + p.end) / 2, p.value or 0.0) for p in run]
    if len(middle) == 1:
        (point,) = run
        middle = [(point.start, point.value or 0.0), (point.end, point.value or 0.0)]
    return "M" + " L".join(f"{frame.x(time):g} {frame.y(value):g}" for time, value in middle)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _breaches(points: Sequence[Point], frame: Frame, goal: Goal) -> Markup:
    dots = [p for p in points if p.value is not None and not goal.keeps(p.value)]
    return Markup("").join(_dot(frame.x((p.start + p.end) / 2), frame.y(p.value or 0.0)) for p in dots)


def _goal_line(frame: Frame, goal: Goal, numbers: Numbers) -> Markup:
    y = frame.y(goal.bound)
    line = _line(
        frame.left, y, frame.width - frame.right, y, BAD, 'stroke-width="1.2" stroke-dasharray="5 4" class="bad-stroke"'
    )
    above = y - 4 if y > frame.top + 12 else y + 11
    label = _text(
        frame.width - frame.right - 2,
        above,
        numbers.limit(goal),
        f'fill="{BAD}" font-size="10" font-weight="600" text-anchor="end" class="bad-fill"',
    )
    return line + label


def _windows(objective: ObjectiveReport, frame: Frame, numbers: Numbers) -> Iterator[Markup]:
    """A dot for each window, which tells its day and value."""
    for point in objective.track:
        if point.value is not None:
            title = f"{numbers.day(point.start)}: {numbers.value(objective.promise, point.value)}"
            yield _dot(frame.x((point.start + point.end) / 2), frame.y(point.value), LINE, "line-fill", title)


# ---------------------------------------------------------------- marks


def _picture(frame: Frame, label: str, parts: Iterable[Markup]) -> Markup:
    head = (
        f'<svg viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" font-family="Inter, sans-serif" class="chart">'
    )
    return Markup("{}<title>{}</title>{}</svg>").format(Markup(head), visible(label), Markup("").join(parts))


def _line(x: float, y: float, x2: float, y2: float, colour: str, more: str = "") -> Markup:
    return Markup(f'<line x1="{x:g}" y1="{y:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" {more}/>')


def _rect(x: float, y: float, wide: float, tall: float, colour: str, more: str = "", title: str = "") -> Markup:
    head = f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}" {more}>'
    inside = f"<title>{escape(visible(title))}</title>" if title else ""
    return Markup(f"{head}{inside}</rect>")


def _dot(x: float, y: float, colour: str = BAD, kind: str = "bad-fill", title: str = "") -> Markup:
    inside = f"<title>{escape(visible(title))}</title>" if title else ""
    return Markup(f'<circle cx="{x:g}" cy="{y:g}" r="2.6" fill="{colour}" class="{kind}">{inside}</circle>')


def _text(x: float, y: float, text: str, more: str = "") -> Markup:
    return Markup(f'<text x="{x:g}" y="{y:g}" {more}>{escape(visible(text))}</text>')
