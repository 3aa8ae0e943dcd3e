"""How much counters grew in each piece, exactly: resets, gaps and births taken into account, nothing extrapolated.

PromQL's `increase()` stretches what it saw to the window's ends and misses a series' first value; over a month of
sparse errors that is off by more than an objective's margin. Here the last value in each piece is read, and only
where a counter was reset, or began, the raw samples:

1. the last value before the span, and in every piece, of every series
2. a piece is suspect where a counter fell, was reset, began, or came back after a gap
3. the raw samples of the suspect pieces tell when a process began anew: most of its counters fell at one instant;
   then those that were not there at that instant began anew with it, whatever their values say
4. a counter that begins while its target was being scraped began at zero; one that was there first has no known past
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bascule.prometheus import Prometheus
from bascule.sla.pieces import Floats, Key, Pieces, duration, key_of, read
from bascule.sla.uptime import Uptime
from bascule.spec import Matcher, Selector

_LOOK_BACK: Final = 3600.0  # seconds before the span in which a counter's value at its start is looked for
_MARGIN: Final = 0.6  # of a piece: a reset between two pieces is seen from the later one

Target = tuple[str, str]  # job, instance
Samples = tuple[Floats, Floats]  # times, values


def growth(prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime) -> dict[Key, Floats]:
    """The growth of every series in every piece: (n,), zero where it did not grow."""
    last = read(prometheus, lambda d: f"last_over_time({selector}[{d}])", pieces)
    before = _before(prometheus, selector, pieces)
    resets = _resets(prometheus, selector, pieces, last)
    table = {key: _Row(key, before.get(key, math.nan), row, resets.get(key)) for key, row in last.items()}
    raw = _raw_of_suspects(prometheus, selector, pieces, table.values())
    restarts = _restarts(table, raw)
    return {key: _grown(row, pieces, raw, restarts.get(row.target, []), uptime) for key, row in table.items()}


@dataclass(frozen=True, eq=False)
class _Row:
    """One series: its value `before` the span, the `last` value in each piece, its `resets` there if it has any."""

    key: Key
    before: float
    last: Floats
    resets: Floats | None

    @property
    def target(self) -> Target:
        labels = dict(self.key)
        return labels.get("job", ""), labels.get("instance", "")

    @property
    def previous(self) -> Floats:
        """The value before each piece: the last one known, NaN when there was none yet."""
        values = np.concatenate([[self.before], self.last[:-1]])
        known = np.where(np.isnan(values), 0, np.arange(len(values)))
        filled: Floats = values[np.maximum.accumulate(known)]
        return filled

    def suspects(self) -> Iterator[int]:
        seen = ~np.isnan(self.last)
        odd = np.isnan(self.previous) | (self.last < self.previous)
        if self.resets is not None:
            after_gap = np.isnan(np.concatenate([[self.before], self.last[:-1]]))
            odd = odd | (np.nan_to_num(self.resets) > 0) | after_gap
        yield from (int(k) for k in np.flatnonzero(seen & odd))


def _before(prometheus: Prometheus, selector: Selector, pieces: Pieces) -> dict[Key, float]:
    expression = f"last_over_time({selector}[{duration(_LOOK_BACK)}])"
    return {key_of(s): s.value for s in prometheus.instant(expression, at=pieces.start)}


def _resets(prometheus: Prometheus, selector: Selector, pieces: Pieces, keys: Iterable[Key]) -> dict[Key, Floats]:
    """Resets by piece, for every series of a job that had any; a margin catches those at a piece's very beginning."""
    found = read(prometheus, lambda d: f"resets({selector}[{d}]) > 0", pieces, _MARGIN * pieces.step)
    jobs = {dict(key).get("job", "") for key in found}
    nothing = np.zeros(len(pieces))
    return {key: found.get(key, nothing) for key in keys if dict(key).get("job", "") in jobs}


@dataclass(frozen=True)
class _Raw:
    """The raw samples of the suspect pieces, by series and piece; one at a piece's beginning belongs to the last."""

    samples: dict[Key, dict[int, Samples]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, key: Key) -> dict[int, Samples]:
        return self.samples.get(key, {})


def _raw_of_suspects(prometheus: Prometheus, selector: Selector, pieces: Pieces, rows: Iterable[_Row]) -> _Raw:
    raw = _Raw()
    for k, job in sorted({(k, row.target[0]) for row in rows for k in row.suspects()}):
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        for series in prometheus.raw(str(_of_job(selector, job)), end - begin, at=end):
            inside = series.times > begin
            if inside.any():
                raw.samples[key_of(series)][k] = series.times[inside], series.values[inside]
    return raw


def _restarts(table: Mapping[Key, _Row], raw: _Raw) -> dict[Target, list[float]]:
    """When each target's process began anew: the instants at which at least half of its live counters fell."""
    fell: dict[tuple[Target, float], int] = defaultdict(int)
    live: dict[tuple[Target, float], int] = defaultdict(int)
    for key, row in table.items():
        previous = row.previous
        for k, (times, values) in raw.of(key).items():
            earlier = np.concatenate([[previous[k]], values[:-1]])
            for time, was, now in zip(times.tolist(), earlier.tolist(), values.tolist(), strict=True):
                if was > 0:
                    live[row.target, time] += 1
                    fell[row.target, time] += now < was
    restarts: dict[Target, list[float]] = defaultdict(list)
    for (target, time), count in sorted(fell.items()):
        if count * 2 >= live[target, time] and count:
            restarts[target].append(time)
    return restarts


def _grown(row: _Row, pieces: Pieces, raw: _Raw, restarts: Sequence[float], uptime: Uptime) -> Floats:
    mine = raw.of(row.key)
    if not mine and not restarts:
        return np.maximum(np.nan_to_num(row.last - row.previous), 0.0)
    return _Walk(row, restarts, uptime).over(pieces, mine)


class _Walk:
    """One series from piece to piece, with the value and time it was last seen at."""

    def __init__(self, row: _Row, restarts: Sequence[float], uptime: Uptime) -> None:
        self._row = row
        self._restarts = restarts
        self._uptime = uptime
        self._value = row.before
        self._seen = -math.inf

    def over(self, pieces: Pieces, raw: Mapping[int, Samples]) -> Floats:
        grown = np.zeros(len(pieces))
        edges = pieces.edges.tolist()
        for k in np.flatnonzero(~np.isnan(self._row.last)).tolist():
            if k in raw:
                times, values = raw[k]
                pairs = zip(times.tolist(), values.tolist(), strict=True)
                grown[k] = sum(self._step(time, time, value) for time, value in pairs)
            else:
                grown[k] = self._step(edges[k], edges[k + 1], float(self._row.last[k]))
        return grown

    def _step(self, since: float, seen: float, value: float) -> float:
        """The growth to `value`; a restart up to `since` makes it count from zero."""
        step = self._growth(since, value)
        self._value, self._seen = value, seen
        return step

    def _growth(self, since: float, value: float) -> float:
        if math.isnan(self._value):
            return value if self._uptime.watched_before(*self._row.target, since) else 0.0
        if value < self._value or self._restarted(since):
            return value
        return value - self._value

    def _restarted(self, until: float) -> bool:
        return bisect_right(self._restarts, until) > bisect_right(self._restarts, self._seen)


def _of_job(selector: Selector, job: str) -> Selector:
    return selector.where(Matcher("job", "=", job)) if job else selector
