"""Holding a goal against its windows. Pure: events by piece in, outcome, standing and budget out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np

from bascule.buckets import pooled, quantile
from bascule.promql import EXCESS, EXCESS_EVENTS
from bascule.sla.counts import GrowthCounts
from bascule.sla.pieces import Floats, Pieces
from bascule.sla.report import Assessment, Burn, ErrorBudget, Moment, Point, SlaOutcome, SlaState, WindowFigure
from bascule.slo import BURN_SECONDS, EXACT, Goal
from bascule.states import Cause, first_of
from bascule.units import Unit

_WORST_MOMENTS: Final = 5
HOUR_SECONDS: Final = 3600.0
WORST_FIRST: Final = (
    SlaState.CRITICAL,
    SlaState.NO_DATA,
    SlaState.RECOVERING,
    SlaState.WARNING,
    SlaState.OK,
    SlaState.NOT_APPLICABLE,
)


@dataclass(frozen=True, eq=False)
class Events:
    """Good and all events (or seconds) by piece, (n,) each.

    `layouts`: of a distribution, the cumulative counts by bound of each layout of buckets. `unsure`: events beyond the
    good ones that may be good, for they lie between two bounds around the goal's. `excess`: how many more events were
    counted as good than there were, in the pieces where no order of counting explains it. `mistrusted`: events of
    versions on which an unproven selector counts; nobody knows whether they were good.
    """

    pieces: Pieces
    good: Floats
    total: Floats
    layouts: tuple[Mapping[float, Floats], ...] = ()
    unsure: Floats | None = None
    excess: Floats | None = None
    mistrusted: Floats | None = None

    @classmethod
    def of_part(cls, part: GrowthCounts, whole: GrowthCounts, part_is_bad: bool) -> Events:
        some, everything = part.total, whole.total
        if part_is_bad:
            everything = np.maximum(everything, some)
            return cls(whole.pieces, everything - some, everything)
        excess = _excess(whole.pieces, some, everything)
        return cls(whole.pieces, some - excess, everything, excess=excess)

    @classmethod
    def of_buckets(cls, counts: GrowthCounts, limit: float, unit: Unit) -> Events:
        """`limit` in base units; the bounds of `counts` in `unit`."""
        layouts = tuple(
            {unit.to_base(bound): each.at_bound(bound).total for bound in each.bounds} for each in counts.layouts
        )
        nothing = np.zeros(len(counts.pieces))
        total = sum((layout.get(math.inf, nothing) for layout in layouts), nothing)
        least, most = (
            (sum(rows, nothing) for rows in zip(*(under(one, limit) for one in layouts), strict=True))
            if layouts
            else (nothing, nothing)
        )
        return cls(counts.pieces, least, total, layouts, most - least)

    def over(self, goal: Goal, start: float, end: float) -> WindowFigure:
        window = self.pieces.within(start, end)
        good, total = self._summed(window)
        if total <= 0:
            return WindowFigure(start, end, good, total, None, None)
        unsure = float(self.unsure[window].sum()) if self.unsure is not None else 0.0
        if _spent(goal, good, total) > 1 + EXACT and unsure > 0:
            good += unsure
            if _spent(goal, good, total) <= 1 + EXACT:
                return WindowFigure(start, end, good, total, None, None, Cause.BUCKET)
        spent = _spent(goal, good, total)
        if spent <= 1 + EXACT and (cause := self._doubt(window, good, total)) is not None:
            return WindowFigure(start, end, good, total, None, None, cause)
        return WindowFigure(start, end, good, total, self._value(goal, min(good / total, 1.0), window), max(spent, 0.0))

    def _doubt(self, window: slice, good: float, total: float) -> Cause | None:
        """Why a window that seems to be kept does not tell."""
        if self.mistrusted is not None and bool(np.any(self.mistrusted[window] > 0)):
            return Cause.UNPROVEN
        return Cause.CONTRADICTION if self._contradicts(window, good, total) else None

    def _contradicts(self, window: slice, good: float, total: float) -> bool:
        return self.excess is not None and (
            bool(np.any(self.excess[window])) or good > total * (1 + EXCESS) + EXCESS_EVENTS
        )

    def _summed(self, window: slice) -> tuple[float, float]:
        return float(self.good[window].sum()), float(self.total[window].sum())

    def _value(self, goal: Goal, good: float, window: slice) -> float:
        if self.layouts:
            together = ({bound: float(row[window].sum()) for bound, row in layout.items()} for layout in self.layouts)
            return quantile(goal.quantile, pooled(together))
        return goal.shown(good)


def _excess(pieces: Pieces, good: Floats, total: Floats) -> Floats:
    """By how much more events are good than there are, in the hours in which it is more than a matter of order."""
    _, hour = np.unique(pieces.edges[1:] // HOUR_SECONDS, return_inverse=True)
    goods, totals = np.bincount(hour, good), np.bincount(hour, total)
    odd = goods > totals * (1 + EXCESS) + EXCESS_EVENTS
    return np.asarray(np.where(odd[hour], np.maximum(good - total, 0.0), 0.0), dtype=np.float64)


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


def under(buckets: Mapping[float, Floats], limit: float) -> tuple[Floats, Floats]:
    """How many requests at least, and at most, are under a time, by piece: those of the buckets next to it.

    A bucket in which fewer are counted than in a smaller one was not there in that piece.
    """
    below = [row for bound, row in buckets.items() if bound <= limit]
    least: Floats = np.max(below, axis=0) if below else np.zeros_like(next(iter(buckets.values())))
    above = [np.where(row >= least, row, np.inf) for bound, row in buckets.items() if bound >= limit]
    most = np.min(above, axis=0) if above else least
    return least, np.where(np.isfinite(most), most, least)


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
    enough = [figure for figure in figures if figure.total >= rules.least_events]
    known = [figure for figure in enough if figure.spent is not None]
    recent = [events.over(goal, *window) for window in endings]
    outcome = _outcome(known, enough)
    return Assessment(
        outcome=outcome,
        standing=_standing(goal, recent, rules),
        deciding=max(known, key=lambda figure: figure.spent or 0.0, default=None),
        current=recent[-1],
        breaches=sum(is_breached(figure) for figure in known),
        windows=len(known),
        cause=_cause(figures, enough) if outcome is SlaOutcome.NO_DATA else None,
    )


def _outcome(known: Sequence[WindowFigure], enough: Sequence[WindowFigure]) -> SlaOutcome:
    """A window that its events do not tell may have failed: nothing passes with it."""
    if any(is_breached(figure) for figure in known):
        return SlaOutcome.FAIL
    untold = any(figure.cause is not None for figure in enough)
    return SlaOutcome.PASS if known and not untold else SlaOutcome.NO_DATA


def _cause(figures: Iterable[WindowFigure], enough: Iterable[WindowFigure]) -> Cause:
    untold = first_of(figure.cause for figure in enough if figure.cause is not None)
    return untold or (Cause.TOO_FEW if any(figure.total > 0 for figure in figures) else Cause.NO_SERIES)


def unresolved(found: Assessment, whole: WindowFigure) -> Assessment:
    """Of windows between which the pieces do not tell: one that is known may be breached, but none passes for all.

    `whole`: the figure of the span.
    """
    if found.outcome is SlaOutcome.FAIL or whole.total <= 0:
        return found
    unknown = replace(whole, value=None, spent=None, cause=Cause.WINDOW)
    cause = first_of(figure.cause for figure in (unknown, found.current) if figure.cause is not None)
    return replace(found, outcome=SlaOutcome.NO_DATA, deciding=unknown, cause=cause)


def _standing(goal: Goal, recent: Sequence[WindowFigure], rules: Rules) -> SlaState:
    current = recent[-1]
    if current.total < max(rules.least_events, 1e-12) or current.value is None:
        return SlaState.NO_DATA
    if is_breached(current):
        return SlaState.CRITICAL
    if any(is_breached(figure) for figure in recent if figure.total >= rules.least_events):
        return SlaState.RECOVERING
    return SlaState.WARNING if is_near(goal, current, rules.warning) else SlaState.OK


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
    """Beyond the last bucket the value is unknown; a chart shows it at its top edge."""
    if value is None or not math.isinf(value):
        return value
    return goal.bound * 10


def moments(goal: Goal, events: Events) -> tuple[Moment, ...]:
    """The stretches in which the goal was not kept, the most costly first."""
    runs = [m for m in _runs(goal, events) if m.bad > 0]
    return tuple(sorted(runs, key=lambda moment: (-moment.bad, moment.start))[:_WORST_MOMENTS])


def _runs(goal: Goal, events: Events) -> list[Moment]:
    good = events.good if events.unsure is None else events.good + events.unsure
    bad = np.flatnonzero((events.total - good) > (goal.budget + EXACT) * events.total)
    runs: list[Moment] = []
    for group in np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1):
        if group.size:
            start, end = float(events.pieces.edges[group[0]]), float(events.pieces.edges[group[-1] + 1])
            figure = events.over(goal, start, end)
            runs.append(Moment(start, end, _finite(figure.value, goal), figure.bad))
    return runs


def worst(standings: Iterable[SlaState]) -> SlaState:
    present = set(standings)
    return next((standing for standing in WORST_FIRST if standing in present), SlaState.NO_DATA)
