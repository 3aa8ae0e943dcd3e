"""How much counters grew in each piece, exactly: resets, gaps and births taken into account, nothing extrapolated.

PromQL's `increase()` stretches what it saw to the window's ends and misses a series' first value; over a month of
sparse errors that is off by more than an objective's margin. Here the last value in each piece is read, and only
where a counter was reset, or began, the raw samples:

1. the last value before the span, and in every piece, of every series
2. a piece is suspect where a counter fell, was reset, began, or came back after a gap
3. the raw samples of the suspect pieces give the exact growth there
4. a counter that begins while its target was being scraped began at zero; one that was there first has no known past
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from bascule.prometheus import Prometheus, Series
from bascule.sla.pieces import Floats, Key, Pieces, duration, key_of, read
from bascule.sla.uptime import Uptime
from bascule.spec import Matcher, Selector

_LOOK_BACK: Final = 3600.0  # seconds before the span in which a counter's value at its start is looked for


def growth(prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime) -> dict[Key, Floats]:
    """The growth of every series in every piece: (n,), zero where it did not grow."""
    last = read(prometheus, lambda d: f"last_over_time({selector}[{d}])", pieces)
    before = _before(prometheus, selector, pieces)
    resets = _resets(prometheus, selector, pieces, last)
    table = {key: _Row(before.get(key, np.nan), row, resets.get(key)) for key, row in last.items()}
    suspects = {(k, _job(key)) for key, row in table.items() for k in row.suspects()}
    exact = _exact(prometheus, selector, pieces, uptime, suspects, table)
    return {key: row.growth(exact.get(key, {})) for key, row in table.items()}


@dataclass(frozen=True, eq=False)
class _Row:
    """One series: its value `before` the span, the `last` value in each piece, its `resets` there if it has any."""

    before: float
    last: Floats
    resets: Floats | None

    @property
    def previous(self) -> Floats:
        """The value before each piece: the last one known, NaN when there was none yet."""
        values = np.concatenate([[self.before], self.last[:-1]])
        known = np.where(np.isnan(values), 0, np.arange(len(values)))
        filled: Floats = values[np.maximum.accumulate(known)]
        return filled

    def suspects(self) -> list[int]:
        seen = ~np.isnan(self.last)
        odd = np.isnan(self.previous) | (self.last < self.previous)
        if self.resets is not None:
            after_gap = np.isnan(np.concatenate([[self.before], self.last[:-1]]))
            odd = odd | (np.nan_to_num(self.resets) > 0) | after_gap
        return [int(k) for k in np.flatnonzero(seen & odd)]

    def growth(self, exact: Mapping[int, float]) -> Floats:
        grown = np.nan_to_num(self.last - self.previous)
        for k, value in exact.items():
            grown[k] = value
        return np.maximum(grown, 0.0)


def _before(prometheus: Prometheus, selector: Selector, pieces: Pieces) -> dict[Key, float]:
    expression = f"last_over_time({selector}[{duration(_LOOK_BACK)}])"
    return {_key(s.labels): s.value for s in prometheus.instant(expression, at=pieces.start)}


def _resets(
    prometheus: Prometheus, selector: Selector, pieces: Pieces, last: Mapping[Key, Floats]
) -> dict[Key, Floats]:
    """Resets by piece, read only for the jobs that had any; a margin catches those at a piece's very beginning."""
    whole = duration(pieces.end - pieces.start + _LOOK_BACK)
    reset = prometheus.instant(f"resets({selector}[{whole}]) > 0", at=pieces.end)
    jobs = sorted({sample.labels.get("job", "") for sample in reset})
    margin = 3 * pieces.step / 5
    found: dict[Key, Floats] = {}
    for job in jobs:
        found |= read(prometheus, partial(_resets_over, _of_job(selector, job)), pieces, margin)
    had = {_key(sample.labels) for sample in reset}
    nothing = np.zeros(len(pieces))
    return {key: found.get(key, nothing) for key in had if key in last}


def _resets_over(selector: Selector, window: str) -> str:
    return f"resets({selector}[{window}])"


def _exact(prometheus: Prometheus, selector: Selector, pieces: Pieces, uptime: Uptime,
           suspects: Iterable[tuple[int, str]], table: Mapping[Key, _Row]) -> dict[Key, dict[int, float]]:  # fmt: skip
    """The exact growth of all series of a suspect job in a suspect piece, from their raw samples."""
    exact: dict[Key, dict[int, float]] = {}
    for k, job in sorted(suspects):
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        for series in prometheus.raw(str(_of_job(selector, job)), end - begin, at=end):
            key = key_of(series)
            values = series.values[series.times > begin]
            if key in table and values.size:
                previous = float(table[key].previous[k])
                if np.isnan(previous):
                    previous = _at_birth(series, begin, uptime)
                exact.setdefault(key, {})[k] = _grown(previous, values)
    return exact


def _at_birth(series: Series, begin: float, uptime: Uptime) -> float:
    inside = series.times > begin
    born = float(series.times[inside][0])
    labels = series.labels
    if uptime.watched_before(labels.get("job", ""), labels.get("instance", ""), born):
        return 0.0
    return float(series.values[inside][0])


def _grown(previous: float, values: Floats) -> float:
    steps = np.diff(np.concatenate([[previous], values]))
    return float(np.where(steps < 0, values, steps).sum())


def _of_job(selector: Selector, job: str) -> Selector:
    return selector.where(Matcher("job", "=", job)) if job else selector


def _job(key: Key) -> str:
    return next((value for label, value in key if label == "job"), "")


def _key(labels: Mapping[str, str]) -> Key:
    return frozenset((label, value) for label, value in labels.items() if label != "__name__")
