"""Holding a goal against its windows. Pure: events by piece in, outcome, standing and budget out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from bascule.buckets import quantile
from bascule.sla.counts import GrowthCounts
from bascule.sla.pieces import Floats, Pieces
from bascule.sla.report import Assessment, Burn, ErrorBudget, Moment, Point, SlaOutcome, Standing, WindowFigure
from bascule.slo import BURN_SECONDS, EXACT, Goal
from bascule.units import Unit

_WORST_MOMENTS: Final = 5
WORST_FIRST: Final = (
    Standing.CRITICAL,
    Standing.NO_DATA,
    Standing.RECOVERING,
    Standing.WARNING,
    Standing.OK,
    Standing.NOT_APPLICABLE,
)


@dataclass(frozen=True, eq=False)
class Events:
    """Good and all events (or seconds) by piece, (n,) each; `buckets` cumulative by bound, for a latency goal."""

    pieces: Pieces
    good: Floats
    total: Floats
    buckets: Mapping[float, Floats] = field(default_factory=dict)

    @classmethod
    def of_part(cls, part: GrowthCounts, whole: GrowthCounts, part_is_bad: bool) -> Events:
        some, everything = part.total, whole.total
        return cls(whole.pieces, everything - some if part_is_bad else some, everything)

    @classmethod
    def of_buckets(cls, counts: GrowthCounts, limit: float, unit: Unit) -> Events:
        """`limit` in base units; the bounds of `counts` in `unit`."""
        buckets = {unit.to_base(bound): counts.at_bound(bound).total for bound in counts.bounds}
        total = buckets.get(math.inf, np.zeros(len(counts.pieces)))
        return cls(counts.pieces, under(buckets, limit, total), total, buckets)

    def over(self, goal: Goal, start: float, end: float) -> WindowFigure:
        window = self.pieces.within(start, end)
        good, total = self._summed(window)
        if total <= 0:
            return WindowFigure(start, end, good, total, None, None)
        return WindowFigure(start, end, good, total, self._value(goal, good / total, window), _spent(goal, good, total))

    def _summed(self, window: slice) -> tuple[float, float]:
        return float(self.good[window].sum()), float(self.total[window].sum())

    def _value(self, goal: Goal, good: float, window: slice) -> float:
        if self.buckets:
            return quantile(goal.quantile, {bound: float(row[window].sum()) for bound, row in self.buckets.items()})
        return goal.shown(good)


@dataclass(frozen=True, eq=False)
class Together(Events):
    """Several services, each counting the same: in every window the mean of those that were watched in it.

    `goods`, `totals`: (services, n), as `good` and `total` of each.
    """

    goods: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    totals: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(cls, pieces: Pieces, parts: Sequence[Events]) -> Together:
        goods, totals = (
            np.array(rows, dtype=np.float64).reshape(len(parts), len(pieces))
            for rows in ([part.good for part in parts], [part.total for part in parts])
        )
        return cls(pieces, *_mean_of(goods, totals), goods=goods, totals=totals)

    def _summed(self, window: slice) -> tuple[float, float]:
        good, total = _mean_of(self.goods[:, window].sum(axis=1), self.totals[:, window].sum(axis=1))
        return float(good), float(total)


def _mean_of(good: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Good and total of the mean service, from (services, ...): the mean of their shares, and of their totals."""
    watched = total > 0
    count = np.maximum(watched.sum(axis=0), 1)
    share = np.where(watched, good / np.where(watched, total, 1.0), 0.0).sum(axis=0) / count
    mean = total.sum(axis=0) / count
    return share * mean, mean


def under(buckets: Mapping[float, Floats], limit: float, total: Floats) -> Floats:
    """Requests under a time, by piece; between two bounds the count is interpolated as quantiles are."""
    finite = sorted(bound for bound in buckets if not math.isinf(bound))
    if limit in buckets:
        return buckets[limit]
    above = next((bound for bound in finite if bound > limit), None)
    below = max((bound for bound in finite if bound < limit), default=0.0)
    lower = buckets.get(below, np.zeros_like(total))
    if above is None:
        return lower
    return np.asarray(lower + (buckets[above] - lower) * (limit - below) / (above - below), dtype=np.float64)


def _spent(goal: Goal, good: float, total: float) -> float:
    bad = (total - good) / total
    if goal.budget <= 0:
        return 0.0 if bad <= 0 else math.inf
    return bad / goal.budget


def is_breached(figure: WindowFigure) -> bool:
    return figure.spent is not None and figure.spent > 1 + EXACT


def is_near(goal: Goal, figure: WindowFigure, warning: float) -> bool:
    """90 % of the budget spent, or 90 % of the limit for a time (source-document's "warning", made meaningful)."""
    if figure.value is None or figure.spent is None:
        return False
    if goal.is_time:
        return figure.value >= warning * goal.bound
    return figure.spent >= warning - EXACT


@dataclass(frozen=True)
class Rules:
    """How a goal is judged: from which share of the budget it warns, how long recovery takes, on how many events."""

    warning: float
    recovery: float
    least_events: float


def assess(
    goal: Goal,
    events: Events,
    windows: Iterable[tuple[float, float]],
    endings: Sequence[tuple[float, float]],
    rules: Rules,
) -> Assessment:
    """`windows` decide the outcome; `endings` are the windows that end in the recovery time, the current one last."""
    figures = [events.over(goal, *window) for window in windows]
    known = [figure for figure in figures if figure.total >= rules.least_events and figure.spent is not None]
    recent = [events.over(goal, *window) for window in endings]
    return Assessment(
        outcome=_outcome(known),
        standing=_standing(goal, recent, rules),
        deciding=max(known, key=lambda figure: figure.spent or 0.0, default=None),
        current=recent[-1],
        breaches=sum(is_breached(figure) for figure in known),
        windows=len(known),
    )


def _outcome(known: Sequence[WindowFigure]) -> SlaOutcome:
    if not known:
        return SlaOutcome.NO_DATA
    return SlaOutcome.FAIL if any(is_breached(figure) for figure in known) else SlaOutcome.PASS


def _standing(goal: Goal, recent: Sequence[WindowFigure], rules: Rules) -> Standing:
    current = recent[-1]
    if current.total < max(rules.least_events, 1e-12) or current.value is None:
        return Standing.NO_DATA
    if is_breached(current):
        return Standing.CRITICAL
    if any(is_breached(figure) for figure in recent if figure.total >= rules.least_events):
        return Standing.RECOVERING
    return Standing.WARNING if is_near(goal, current, rules.warning) else Standing.OK


def budget(goal: Goal, events: Events, current: WindowFigure, window: float) -> ErrorBudget:
    """What is left of the current window's budget, and when it ends at the present rate."""
    allowed = goal.budget * current.total
    burns = tuple(_burn(goal, events, seconds) for seconds in _lookbacks(events.pieces))
    left = None if current.spent is None else max(0.0, 1 - current.spent)
    return ErrorBudget(allowed, current.bad, left, burns, _exhausted_in(left, burns, window))


def _lookbacks(pieces: Pieces) -> tuple[float, ...]:
    span = pieces.end - pieces.start
    return tuple(seconds for seconds in BURN_SECONDS if seconds < span) or (span,)


def _burn(goal: Goal, events: Events, seconds: float) -> Burn:
    end = events.pieces.end
    return Burn(seconds, events.over(goal, end - seconds, end).spent)


def _exhausted_in(left: float | None, burns: Sequence[Burn], window: float) -> float | None:
    rate = next((burn.rate for burn in burns if burn.rate is not None), None)
    if left is None or not rate or math.isinf(rate):
        return None
    return 0.0 if left <= 0 else left * window / rate


def chart(goal: Goal, events: Events, points: int = 120) -> tuple[Point, ...]:
    """The goal's value over equal stretches of the span."""
    bounds = _stretches(events.pieces, points)
    figures = [events.over(goal, start, end) for start, end in pairwise(bounds)]
    return tuple(Point(f.start, f.end, _finite(f.value, goal)) for f in figures)


def track(goal: Goal, events: Events, windows: Sequence[tuple[float, float]], points: int = 240) -> tuple[Point, ...]:
    """The value of each judged window; of rolling ones, at their ends, thinned to what a chart can show."""
    every = max(1, math.ceil(len(windows) / points))
    shown = [*windows[:-1:every], windows[-1]] if windows else []
    figures = [events.over(goal, *window) for window in shown]
    overlapping = len(shown) > 1 and shown[0][1] > shown[1][0]
    starts = [figure.end if overlapping else figure.start for figure in figures]
    return tuple(Point(s, f.end, _finite(f.value, goal)) for s, f in zip(starts, figures, strict=True))


def spending(goal: Goal, events: Events, start: float, points: int = 120) -> tuple[Point, ...]:
    """The share of the budget of the window that began at `start` used up so far, against all its events."""
    whole = events.over(goal, start, events.pieces.end)
    allowed = goal.budget * whole.total
    times = [time for time in _stretches(events.pieces, points) if time > start]
    if allowed <= 0:
        return ()
    return tuple(Point(time, time, events.over(goal, start, time).bad / allowed) for time in times)


def _stretches(pieces: Pieces, points: int) -> list[float]:
    every = max(1, math.ceil(len(pieces) / points))
    return [float(edge) for edge in (*pieces.edges[:-1:every], pieces.edges[-1])]


def _finite(value: float | None, goal: Goal) -> float | None:
    """Beyond the last bucket there is no number; a chart shows it at its top edge."""
    if value is None or not math.isinf(value):
        return value
    return goal.bound * 10


def moments(goal: Goal, events: Events) -> tuple[Moment, ...]:
    """The stretches in which the goal was not kept, the most costly first."""
    runs = [m for m in _runs(goal, events) if m.bad > 0]
    return tuple(sorted(runs, key=lambda moment: (-moment.bad, moment.start))[:_WORST_MOMENTS])


def _runs(goal: Goal, events: Events) -> list[Moment]:
    bad = np.flatnonzero((events.total - events.good) > (goal.budget + EXACT) * events.total)
    runs: list[Moment] = []
    for group in np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1):
        if group.size:
            start, end = float(events.pieces.edges[group[0]]), float(events.pieces.edges[group[-1] + 1])
            figure = events.over(goal, start, end)
            runs.append(Moment(start, end, _finite(figure.value, goal), figure.bad))
    return runs


def worst(standings: Iterable[Standing]) -> Standing:
    present = set(standings)
    return next((standing for standing in WORST_FIRST if standing in present), Standing.NO_DATA)
