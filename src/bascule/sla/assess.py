"""Holding a promise against its windows. Pure: events by piece in, outcome, standing and budget out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from bascule.buckets import quantile
from bascule.sla.counts import Counts
from bascule.sla.pieces import Floats, Pieces
from bascule.sla.report import Assessment, Budget, Burn, Figure, Kind, Moment, Outcome, Point, Promise, Standing

BURN_SECONDS: Final = (3600.0, 6 * 3600.0, 86400.0, 3 * 86400.0)
_EXACT: Final = 1e-9  # a share exactly at its target keeps the promise, whatever the rounding
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
    """Good and all events (or seconds) by piece, (n,) each; `buckets` cumulative by bound, for a latency promise."""

    pieces: Pieces
    good: Floats
    total: Floats
    buckets: Mapping[float, Floats] = field(default_factory=dict)

    @classmethod
    def of_ratio(cls, events: Counts, total: Counts, events_are_bad: bool) -> Events:
        count, whole = events.total, total.total
        return cls(events.pieces, whole - count if events_are_bad else count, whole)

    @classmethod
    def of_histogram(cls, counts: Counts, limit: float) -> Events:
        buckets = {bound: counts.at_bound(bound).total for bound in counts.bounds}
        total = buckets.get(math.inf, np.zeros(len(counts.pieces)))
        return cls(counts.pieces, under(buckets, limit, total), total, buckets)

    def over(self, promise: Promise, start: float, end: float) -> Figure:
        window = self.pieces.within(start, end)
        good, total = float(self.good[window].sum()), float(self.total[window].sum())
        if total <= 0:
            return Figure(start, end, good, total, None, None)
        return Figure(start, end, good, total, self._value(promise, good, total, window), _spent(promise, good, total))

    def _value(self, promise: Promise, good: float, total: float, window: slice) -> float:
        if promise.kind is Kind.LATENCY:
            return quantile(promise.quantile, {bound: float(row[window].sum()) for bound, row in self.buckets.items()})
        return (total - good) / total if promise.kind is Kind.CEILING else good / total


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


def _spent(promise: Promise, good: float, total: float) -> float:
    bad = (total - good) / total
    if promise.budget <= 0:
        return 0.0 if bad <= 0 else math.inf
    return bad / promise.budget


def is_breached(figure: Figure) -> bool:
    return figure.spent is not None and figure.spent > 1 + _EXACT


def is_near(promise: Promise, figure: Figure, warning: float) -> bool:
    """90 % of the budget spent, or 90 % of the limit for a time (source-document's "warning", made meaningful)."""
    if figure.value is None or figure.spent is None:
        return False
    if promise.kind is Kind.LATENCY and promise.limit is not None:
        return figure.value >= warning * promise.limit
    return figure.spent >= warning - _EXACT


@dataclass(frozen=True)
class Rules:
    """How a promise is judged: from which share of the budget it warns, how long recovery takes, on how many events."""

    warning: float
    recovery: float
    least_events: float


def assess(promise: Promise, events: Events, windows: Iterable[tuple[float, float]],
           endings: Sequence[tuple[float, float]], rules: Rules) -> Assessment:  # fmt: skip
    """`windows` decide the outcome; `endings` are the windows that end in the recovery time, the current one last."""
    figures = [events.over(promise, *window) for window in windows]
    known = [figure for figure in figures if figure.total >= rules.least_events and figure.spent is not None]
    recent = [events.over(promise, *window) for window in endings]
    return Assessment(
        outcome=_outcome(known),
        standing=_standing(promise, recent, rules),
        deciding=max(known, key=lambda figure: figure.spent or 0.0, default=None),
        current=recent[-1],
        breaches=sum(is_breached(figure) for figure in known),
        windows=len(known),
    )


def _outcome(known: Sequence[Figure]) -> Outcome:
    if not known:
        return Outcome.NO_DATA
    return Outcome.FAIL if any(is_breached(figure) for figure in known) else Outcome.PASS


def _standing(promise: Promise, recent: Sequence[Figure], rules: Rules) -> Standing:
    current = recent[-1]
    if current.total < max(rules.least_events, 1e-12) or current.value is None:
        return Standing.NO_DATA
    if is_breached(current):
        return Standing.CRITICAL
    if any(is_breached(figure) for figure in recent if figure.total >= rules.least_events):
        return Standing.RECOVERING
    return Standing.WARNING if is_near(promise, current, rules.warning) else Standing.OK


def budget(promise: Promise, events: Events, current: Figure, window: float) -> Budget:
    """What is left of the current window's budget, and when it ends at the present rate."""
    allowed = promise.budget * current.total
    burns = tuple(_burn(promise, events, seconds) for seconds in _lookbacks(events.pieces))
    left = None if current.spent is None else max(0.0, 1 - current.spent)
    return Budget(allowed, current.bad, left, burns, _exhausted_in(left, burns, window))


def _lookbacks(pieces: Pieces) -> tuple[float, ...]:
    span = pieces.end - pieces.start
    return tuple(seconds for seconds in BURN_SECONDS if seconds < span) or (span,)


def _burn(promise: Promise, events: Events, seconds: float) -> Burn:
    end = events.pieces.end
    return Burn(seconds, events.over(promise, end - seconds, end).spent)


def _exhausted_in(left: float | None, burns: Sequence[Burn], window: float) -> float | None:
    rate = next((burn.rate for burn in burns if burn.rate is not None), None)
    if left is None or not rate or math.isinf(rate):
        return None
    return 0.0 if left <= 0 else left * window / rate


def chart(promise: Promise, events: Events, points: int = 120) -> tuple[Point, ...]:
    """The promise's value over equal stretches of the span."""
    bounds = _stretches(events.pieces, points)
    figures = [events.over(promise, start, end) for start, end in pairwise(bounds)]
    return tuple(Point(f.start, f.end, _finite(f.value, promise)) for f in figures)


def track(
    promise: Promise, events: Events, windows: Sequence[tuple[float, float]], points: int = 240
) -> tuple[Point, ...]:
    """The value of each judged window; of rolling ones, at their ends, thinned to what a chart can show."""
    every = max(1, math.ceil(len(windows) / points))
    shown = [*windows[:-1:every], windows[-1]] if windows else []
    figures = [events.over(promise, *window) for window in shown]
    overlapping = len(shown) > 1 and shown[0][1] > shown[1][0]
    starts = [figure.end if overlapping else figure.start for figure in figures]
    return tuple(Point(s, f.end, _finite(f.value, promise)) for s, f in zip(starts, figures, strict=True))


def spending(promise: Promise, events: Events, start: float, points: int = 120) -> tuple[Point, ...]:
    """The share of the budget of the window that began at `start` used up so far, against all its events."""
    whole = events.over(promise, start, events.pieces.end)
    allowed = promise.budget * whole.total
    times = [time for time in _stretches(events.pieces, points) if time > start]
    if allowed <= 0:
        return ()
    return tuple(Point(time, time, events.over(promise, start, time).bad / allowed) for time in times)


def _stretches(pieces: Pieces, points: int) -> list[float]:
    every = max(1, math.ceil(len(pieces) / points))
    return [float(edge) for edge in (*pieces.edges[:-1:every], pieces.edges[-1])]


def _finite(value: float | None, promise: Promise) -> float | None:
    """Beyond the last bucket there is no number; a chart shows it at its top edge."""
    if value is None or not math.isinf(value):
        return value
    return (promise.limit or 1.0) * 10


def moments(promise: Promise, events: Events) -> tuple[Moment, ...]:
    """The stretches in which the promise was not kept, the most costly first."""
    runs = [m for m in _runs(promise, events) if m.bad > 0]
    return tuple(sorted(runs, key=lambda moment: (-moment.bad, moment.start))[:_WORST_MOMENTS])


def _runs(promise: Promise, events: Events) -> list[Moment]:
    bad = np.flatnonzero((events.total - events.good) > (promise.budget + _EXACT) * events.total)
    runs: list[Moment] = []
    for group in np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1):
        if group.size:
            start, end = float(events.pieces.edges[group[0]]), float(events.pieces.edges[group[-1] + 1])
            figure = events.over(promise, start, end)
            runs.append(Moment(start, end, _finite(figure.value, promise), figure.bad))
    return runs


def worst(standings: Iterable[Standing]) -> Standing:
    present = set(standings)
    return next((standing for standing in WORST_FIRST if standing in present), Standing.NO_DATA)
