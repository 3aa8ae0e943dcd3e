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
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import Prometheus
from bascule.sla.pieces import Floats, Key, Pieces, duration, key_of, read, series_of
from bascule.sla.uptime import Uptime
from bascule.spec import Matcher, Selector

_LOOK_BACK: Final = 3600.0  # seconds before the span in which a counter's value at its start is looked for
_NEVER: Final = np.array([], dtype=np.float64)
_MARGIN: Final = 0.6  # of a piece: a reset between two pieces is seen from the later one

Target = tuple[str, str]  # job, instance
Samples = tuple[Floats, Floats]  # times, values


def growth(prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime) -> dict[Key, Floats]:
    """The growth of every series in every piece: (n,), zero where it did not grow.

    Where the version is in the metric's name, each name is read apart, and kept as a label of its series.
    """
    if selector.is_plain:
        return _growth(prometheus, selector, pieces, uptime)
    rows: dict[Key, Floats] = {}
    for name in prometheus.label_values("__name__", str(selector)):
        for key, row in _growth(prometheus, selector.named(name), pieces, uptime).items():
            rows[key | {("__name__", name)}] = row
    return rows


def _growth(prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime) -> dict[Key, Floats]:
    last = read(prometheus, lambda d: f"last_over_time({selector}[{d}])", pieces)
    if not last:
        return {}
    table = _Table.of(last, _before(prometheus, selector, pieces), _resets(prometheus, selector, pieces, last))
    raw = _raw_of_suspects(prometheus, selector, pieces, table)
    restarts = _restarts(table, raw)
    grown = np.maximum(np.nan_to_num(table.last - table.previous), 0.0)
    for number, (key, target) in enumerate(zip(table.keys, table.targets, strict=True)):
        samples, begun = raw.of(key), restarts.get(target, _NEVER)
        if samples or begun.size:
            grown[number] = _tracked(table.row(number), pieces, samples, begun, uptime)
    return dict(zip(table.keys, grown, strict=True))


@dataclass(frozen=True, eq=False)
class _Row:
    """One series: its value `before` the span, and the `last` value in each piece."""

    target: Target
    before: float
    last: Floats


@dataclass(frozen=True, eq=False)
class _Table:
    """All m series: `keys` and `targets`; the value `before` the span (m,), and the `last` value in each piece (m, n).

    `resets`: of the series of every job that had any, by piece.
    """

    keys: list[Key]
    before: Floats
    last: Floats
    resets: Mapping[Key, Floats]

    @classmethod
    def of(cls, last: Mapping[Key, Floats], before: Mapping[Key, float], resets: Mapping[Key, Floats]) -> _Table:
        values = np.array([before.get(key, math.nan) for key in last])
        return cls(list(last), values, np.stack(list(last.values())), resets)

    @cached_property
    def targets(self) -> list[Target]:
        labels = map(dict, self.keys)
        return [(own.get("job", ""), own.get("instance", "")) for own in labels]

    @cached_property
    def _shifted(self) -> Floats:
        """The value in the piece before each, NaN where that has none (m, n)."""
        return np.concatenate([self.before[:, None], self.last[:, :-1]], axis=1)

    @cached_property
    def previous(self) -> Floats:
        """The value before each piece: the last one known, NaN when there was none yet (m, n)."""
        known = np.where(np.isnan(self._shifted), 0, np.arange(self._shifted.shape[1]))
        filled: Floats = np.take_along_axis(self._shifted, np.maximum.accumulate(known, axis=1), axis=1)
        return filled

    @property
    def suspects(self) -> NDArray[np.bool_]:
        """Where a series' raw samples are needed (m, n)."""
        odd = np.isnan(self.previous) | (self.last < self.previous)
        for number, key in enumerate(self.keys):
            if key in self.resets:
                after_gap = np.isnan(self._shifted[number])
                odd[number] |= (np.nan_to_num(self.resets[key]) > 0) | after_gap
        return ~np.isnan(self.last) & odd

    def row(self, number: int) -> _Row:
        return _Row(self.targets[number], float(self.before[number]), self.last[number])


def _before(prometheus: Prometheus, selector: Selector, pieces: Pieces) -> dict[Key, float]:
    expression = f"last_over_time({selector}[{duration(_LOOK_BACK)}])"
    return {key_of(s): s.value for s in prometheus.instant(expression, at=pieces.start)}


def _resets(prometheus: Prometheus, selector: Selector, pieces: Pieces, keys: Iterable[Key]) -> dict[Key, Floats]:
    """Resets by piece, for every series of a job that had any; a margin catches those at a piece's very beginning."""
    asked = _telling(selector)
    found = read(prometheus, lambda d: f"resets({asked}[{d}]) > 0", pieces, _MARGIN * pieces.step)
    jobs = {dict(key).get("job", "") for key in found}
    nothing = np.zeros(len(pieces))
    return {key: found.get(key, nothing) for key in keys if dict(key).get("job", "") in jobs}


@dataclass(frozen=True)
class _Raw:
    """The raw samples of the suspect pieces, by series and piece; one at a piece's beginning belongs to the last."""

    samples: dict[Key, dict[int, Samples]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, key: Key) -> dict[int, Samples]:
        return self.samples.get(key, {})


def _raw_of_suspects(prometheus: Prometheus, selector: Selector, pieces: Pieces, table: _Table) -> _Raw:
    raw = _Raw()
    numbers, suspects = np.nonzero(table.suspects)
    for k, job in sorted({(k, table.targets[n][0]) for n, k in zip(numbers.tolist(), suspects.tolist(), strict=True)}):
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        for key, times, values in series_of(prometheus.matrix(str(_of_job(selector, job)), end - begin, at=end)):
            inside = times > begin
            if inside.any():
                raw.samples[key][k] = times[inside], values[inside]
    return raw


def _restarts(table: _Table, raw: _Raw) -> dict[Target, Floats]:
    """When each target's process restarted: the instants at which at least half of its live counters fell."""
    live: dict[Target, list[Floats]] = defaultdict(list)
    fell: dict[Target, list[Floats]] = defaultdict(list)
    for key, target, previous in zip(table.keys, table.targets, table.previous, strict=True):
        for k, (times, values) in raw.of(key).items():
            earlier = np.concatenate([[previous[k]], values[:-1]])
            live[target].append(times[earlier > 0])
            fell[target].append(times[(earlier > 0) & (values < earlier)])
    return {target: _at_least_half(fell[target], live[target]) for target in live}


def _at_least_half(fell: Sequence[Floats], live: Sequence[Floats]) -> Floats:
    """The times in `fell` that occur at least half as often as they do in `live`, ascending."""
    times, falls = np.unique(np.concatenate(fell), return_counts=True)
    every, counts = np.unique(np.concatenate(live), return_counts=True)
    return np.asarray(times[falls * 2 >= counts[np.searchsorted(every, times)]])


def _tracked(row: _Row, pieces: Pieces, raw: Mapping[int, Samples], restarts: Floats, uptime: Uptime) -> Floats:
    track = _track(row, pieces, raw)
    before = np.concatenate([[row.before], track.values[:-1]])
    until = np.concatenate([[-math.inf], track.seen[:-1]])
    anew = np.searchsorted(restarts, track.since, "right") > np.searchsorted(restarts, until, "right")
    steps = np.where((track.values < before) | anew, track.values, track.values - before)
    if math.isnan(row.before):
        is_born = uptime.watched_before(*row.target, float(track.since[0]))
        steps[0] = track.values[0] if is_born else 0.0
    return np.bincount(track.piece, weights=steps, minlength=len(pieces)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Track:
    """What is known of one series, in order, (m,) each: every sample where it was read raw, else a value a piece.

    `since`: what began up to then began before the value; `seen`: when the value was known.
    """

    piece: NDArray[np.intp]
    since: Floats
    seen: Floats
    values: Floats


def _track(row: _Row, pieces: Pieces, raw: Mapping[int, Samples]) -> _Track:
    known = np.flatnonzero(~np.isnan(row.last))
    plain = known[~np.isin(known, list(raw))]
    parts = [(np.full(len(times), k), times, times, values) for k, (times, values) in raw.items()]
    columns = zip((plain, pieces.edges[plain], pieces.edges[plain + 1], row.last[plain]), *parts, strict=True)
    piece, since, seen, values = (np.concatenate(column) for column in columns)
    order = np.argsort(piece, kind="stable")
    return _Track(piece[order], since[order], seen[order], values[order])


def _telling(selector: Selector) -> Selector:
    """The series that tell of a reset: a histogram's buckets restart together, so its last one speaks for all."""
    is_histogram = selector.metric.endswith("_bucket") and all(m.label != "le" for m in selector.matchers)
    return selector.where(Matcher("le", "=", "+Inf")) if is_histogram else selector


def _of_job(selector: Selector, job: str) -> Selector:
    return selector.where(Matcher("job", "=", job)) if job else selector
