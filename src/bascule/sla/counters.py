"""How much counters grew in each piece, exactly: resets, gaps and births taken into account, nothing extrapolated.

PromQL's `increase()` stretches what it saw to the window's ends and misses a series' first value; over a month of
sparse errors that is off by more than an objective's margin. Here the last value in each piece is read, and only
where a counter was reset, or began, the raw samples:

1. the last value before the span, and in every piece, of every series
2. a piece is suspect where a counter fell, was reset, began, or came back after a gap
3. the raw samples of the suspect pieces tell when a process restarted: most of its counters fell at one instant;
   then those that were not there at that instant restarted with it, whatever their values say
4. a counter that begins while its target was being scraped began at zero; one that was there first has no known past
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import NOBODY, Prometheus
from bascule.sla.pieces import Floats, Key, Pieces, duration, read
from bascule.sla.series import CounterSeries, Indices
from bascule.sla.uptime import Uptime
from bascule.spec import Matcher, Selector

_LOOK_BACK: Final = 3600.0  # seconds before the span in which a counter's value at its start is looked for
_MARGIN: Final = 0.6  # of a piece: a reset between two pieces is seen from the later one
_MILLISECOND: Final = 0.001
_NEVER: Final = np.empty(0)

Flags = NDArray[np.bool_]


def growth(
    prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime, labels: Iterable[str]
) -> dict[Key, Floats]:
    """The growth of every group of series in every piece: (n,), zero where it did not grow.

    Series of one group are alike in `labels`, and in the bounds of their histogram. Where the version is in the
    metric's name, each name is read apart, and kept as a label of its groups.
    """
    if selector.is_plain:
        return _growth(prometheus, selector, pieces, uptime, labels)
    rows: dict[Key, Floats] = {}
    for name in prometheus.label_values("__name__", str(selector)):
        for key, row in _growth(prometheus, selector.named(name), pieces, uptime, labels).items():
            rows[key | {("__name__", name)}] = row
    return rows


def _growth(
    prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime, labels: Iterable[str]
) -> dict[Key, Floats]:
    series = CounterSeries.read(prometheus, str(selector), pieces, labels)
    reader = _RawReader(prometheus, selector, pieces, series)
    resets = _Resets.read(prometheus, selector, pieces, series)
    before, scraped = _before(prometheus, selector, pieces, series), uptime.scraped_since(series.targets)
    counters = _Counters(series.target, before, scraped)
    keys, group = series.groups.told()
    grown = np.zeros((len(pieces), len(keys)))
    for number, last in enumerate(series.last()):
        raw = reader.read(number, counters.suspects(number, last, resets))
        steps = counters.advance(last, float(pieces.edges[number + 1]), raw)
        grown[number] = np.bincount(group, steps, len(keys))
    return dict(zip(keys, np.ascontiguousarray(grown.T), strict=True))


def _before(prometheus: Prometheus, selector: Selector, pieces: Pieces, series: CounterSeries) -> Floats:
    """The value of each series before the first piece (m,), NaN where it had none."""
    expression = f"last_over_time({selector}[{duration(_LOOK_BACK)}])"
    found = prometheus.grid(expression, pieces.start, pieces.start, pieces.step)
    rows = series.rows(found.labels)
    before = np.full(len(series), np.nan)
    before[rows[rows != NOBODY]] = found.values[rows != NOBODY, 0]
    return before


@dataclass(frozen=True, eq=False)
class _Resets:
    """`rows`: those that were reset, by piece; `in_job` (m,): whose job had any reset in any piece."""

    rows: Mapping[int, Sequence[int]]
    in_job: Flags

    @classmethod
    def read(cls, prometheus: Prometheus, selector: Selector, pieces: Pieces, series: CounterSeries) -> _Resets:
        """A margin catches those at a piece's very beginning. Mostly there is none in the whole span."""
        asked, margin = _telling(selector), _MARGIN * pieces.step
        span = duration(pieces.end - pieces.start + margin)
        if not prometheus.instant(f"count(resets({asked}[{span}]) > 0)", at=pieces.end):
            return cls({}, np.zeros(len(series), np.bool_))
        found = read(prometheus, lambda d: f"resets({asked}[{d}]) > 0", pieces, margin)
        jobs = {dict(key).get("job", "") for key in found}
        in_job = np.array([job in jobs for job, _ in series.targets], np.bool_)[series.target]
        rows: dict[int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(in_job).tolist():
            for number in np.flatnonzero(found.get(series.key(row), _NEVER) > 0).tolist():
                rows[number].append(row)
        return cls(rows, in_job)


@dataclass(frozen=True, eq=False)
class _Raw:
    """Raw samples of one piece, (s,) each: those of a series follow each other, in time order."""

    rows: Indices
    times: Floats
    values: Floats

    @classmethod
    def joined(cls, parts: Iterable[_Raw]) -> _Raw:
        """At least one part."""
        columns = zip(*((part.rows, part.times, part.values) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    @property
    def are_first(self) -> Flags:
        """Which are the first of their series (s,)."""
        return np.asarray(np.diff(self.rows, prepend=NOBODY) != 0)

    @property
    def are_last(self) -> Flags:
        return np.asarray(np.diff(self.rows, append=NOBODY) != 0)


class _RawReader:
    """Reads raw samples where they are needed; one at a piece's beginning belongs to the piece before."""

    def __init__(self, prometheus: Prometheus, selector: Selector, pieces: Pieces, series: CounterSeries) -> None:
        self._prometheus, self._selector, self._pieces, self._series = prometheus, selector, pieces, series
        self._jobs = np.array([job for job, _ in series.targets])[series.target]

    def read(self, number: int, suspects: Flags) -> _Raw | None:
        """Those of a piece, of every series of the jobs of which any is a suspect (m,)."""
        if not suspects.any():
            return None
        jobs = set(self._jobs[suspects].tolist())
        return _Raw.joined([self._of_job(number, job) for job in ([""] if "" in jobs else sorted(jobs))])

    def _of_job(self, number: int, job: str) -> _Raw:
        begin, end = float(self._pieces.edges[number]), float(self._pieces.edges[number + 1])
        selector = self._selector.where(Matcher("job", "=", job)) if job else self._selector
        matrix = self._prometheus.matrix(str(selector), end - begin, at=end)
        rows = np.repeat(self._series.rows(matrix.labels), matrix.counts)
        wanted = (rows != NOBODY) & (matrix.times > begin)
        return _Raw(rows[wanted], matrix.times[wanted], matrix.values[wanted])


class _Counters:
    """All m series from piece to piece: what each showed last, and since when that is known."""

    def __init__(self, target: Indices, before: Floats, scraped: Floats) -> None:
        """`target`: the number of each series' target; `before`: the values before the first piece (m,); `scraped`:
        when each target was first scraped."""
        self._target, self._scraped = target, scraped
        self._known, self._was_there = before, ~np.isnan(before)
        self._seen = np.full(len(target), -math.inf)
        self._restarted = np.full(len(scraped), -math.inf)  # when each target's process last did

    def suspects(self, number: int, last: Floats, resets: _Resets) -> Flags:
        """Of which series the raw samples of the next piece are needed (m,); `last`: as for `advance`."""
        odd = np.isnan(self._known) | (last < self._known) | (resets.in_job & ~self._was_there)
        odd[resets.rows.get(number, [])] = True
        return odd & ~np.isnan(last)

    def advance(self, last: Floats, end: float, raw: _Raw | None) -> Floats:
        """The growth of each series in the next piece (m,), whose last samples, up to its `end`, are `last`."""
        anew = (last < self._known) | (self._restarted[self._target] > self._seen)
        grown = np.where(anew, last, last - self._known)
        grown[np.isnan(grown)] = 0.0
        there = ~np.isnan(last)
        seen = np.full(len(last), end)
        if raw is not None:
            grown[raw.rows] = 0.0
            grown += np.bincount(raw.rows, self._steps(raw), len(last))
            seen[raw.rows[raw.are_last]] = raw.times[raw.are_last]
        np.copyto(self._known, last, where=there)
        np.copyto(self._seen, seen, where=there)
        self._was_there = there
        return grown

    def _steps(self, raw: _Raw) -> Floats:
        """By how much each raw sample is above the one before it (s,)."""
        first, rows = raw.are_first, raw.rows
        earlier, until = np.roll(raw.values, 1), np.roll(raw.times, 1)
        earlier[first], until[first] = self._known[rows[first]], self._seen[rows[first]]
        anew = (raw.values < earlier) | self._are_restarted(raw, earlier, until)
        born = self._scraped[self._target[rows]] < raw.times - _MILLISECOND
        unknown = np.where(born, raw.values, 0.0)
        return np.where(np.isnan(earlier), unknown, np.where(anew, raw.values, raw.values - earlier))

    def _are_restarted(self, raw: _Raw, earlier: Floats, until: Floats) -> Flags:
        """Before which samples the target's process restarted, after the sample before them, seen at `until` (s,)."""
        targets, times = self._target[raw.rows], raw.times
        anew = self._restarted[targets] > until
        live = earlier > 0
        fell = live & (raw.values < earlier)
        for target in np.unique(targets[fell]):
            own = targets == target
            restarts = _at_least_half(times[fell & own], times[live & own])
            anew[own] |= np.searchsorted(restarts, times[own], "right") > np.searchsorted(restarts, until[own], "right")
            self._restarted[target] = restarts.max(initial=self._restarted[target])
        return anew


def _at_least_half(fell: Floats, live: Floats) -> Floats:
    """The times in `fell` that occur at least half as often as they do in `live`, ascending."""
    times, falls = np.unique(fell, return_counts=True)
    every, counts = np.unique(live, return_counts=True)
    return np.asarray(times[falls * 2 >= counts[np.searchsorted(every, times)]])


def _telling(selector: Selector) -> Selector:
    """The series that tell of a reset: a histogram's buckets restart together, so its last one speaks for all."""
    is_histogram = selector.metric.endswith("_bucket") and all(m.label != "le" for m in selector.matchers)
    return selector.where(Matcher("le", "=", "+Inf")) if is_histogram else selector
