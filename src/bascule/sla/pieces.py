"""A span cut into pieces at every instant a figure may begin or end: whole hours, days, maintenance, window bounds.

Counters are read at these edges, so any window between two edges is a plain difference, and nothing is interpolated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import Prometheus, RangeGrid, Sample, Series, labels_of

Floats = NDArray[np.float64]
Key = frozenset[tuple[str, str]]

_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_PIECES: Final = 750
_MOST_FOR_WINDOWS: Final = 10_000  # pieces, where an objective's windows need shorter ones
_LEAST_IN_WINDOW: Final = 4  # pieces, so that a window ends at most a quarter of it after the one before
_FEWEST_SAMPLES: Final = 5  # in a piece, so that a missing one can be told from a late one
_MILLISECOND: Final = 0.001
_FIRST_PIECES: Final = 30  # read at once, while it is not known how many series there are
_MOST_SAMPLES: Final = 1_000_000  # in one answer


@dataclass(frozen=True, eq=False)
class Pieces:
    """`edges` (n + 1,) Unix seconds, ascending; piece k is (edges[k], edges[k + 1]], closed on the right.

    `step` is the length of a regular piece, in seconds.
    """

    edges: Floats
    step: float

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def start(self) -> float:
        return float(self.edges[0])

    @property
    def end(self) -> float:
        return float(self.edges[-1])

    @cached_property
    def lengths(self) -> Floats:
        return np.diff(self.edges)

    @cached_property
    def _sorted(self) -> list[float]:
        return [float(edge) for edge in self.edges]

    def index(self, time: float) -> int:
        """The edge at `time`, or the last one before it."""
        return min(max(bisect_left(self._sorted, time + _MILLISECOND / 2) - 1, 0), len(self))

    def within(self, start: float, end: float) -> slice:
        """The pieces of a window whose bounds are edges."""
        return slice(self.index(start), self.index(end))

    def tell(self, window: float) -> bool:
        """Whether every window of this length that ends at a regular edge begins at one, and there are enough."""
        return _tells(self.step, window)

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first, last + 1) of each run of regular pieces, and of each irregular piece alone."""
        regular = np.abs(self.lengths - self.step) < _MILLISECOND
        first = 0
        while first < len(self):
            last = first + 1
            while regular[first] and last < len(self) and regular[last]:
                last += 1
            yield first, last
            first = last


def cut(start: float, end: float, interval: float, also: Iterable[float] = (), windows: Iterable[float] = ()) -> Pieces:
    """Cut a span into regular pieces on the clock, and at `also`. `interval`: seconds between samples.

    `windows`: lengths of rolling windows; the pieces are as short as most of them need, within reason.
    """
    step = _step(end - start, interval, [window for window in windows if window < end - start])
    grid = np.arange(np.ceil(start / step), np.ceil(end / step)) * step
    inside = [time for time in (*grid, *also) if start < time < end]
    edges = np.unique(np.round([start, *inside, end], 3))
    return Pieces(edges, step)


def _step(span: float, interval: float, windows: Collection[float]) -> float:
    shortest = interval * _FEWEST_SAMPLES
    usual = _first_from(max(span / _MOST_PIECES, shortest))
    finest = _first_from(max(span / _MOST_FOR_WINDOWS, shortest))
    steps = [step for step in _STEPS if finest <= step <= usual]
    return float(max(steps, key=lambda step: (sum(_tells(step, window) for window in windows), step)))


def _first_from(least: float) -> float:
    return next((step for step in _STEPS if step >= least), _STEPS[-1])


def _tells(step: float, window: float) -> bool:
    pieces = window / step
    return pieces >= _LEAST_IN_WINDOW and abs(pieces - round(pieces)) < _MILLISECOND


def read(
    prometheus: Prometheus, expression: Callable[[str], str], pieces: Pieces, margin: float = 0.0
) -> dict[Key, Floats]:
    """An expression over each piece, by series: (n,) with NaN where the piece holds no sample.

    `expression` takes a PromQL duration; `margin` seconds are added before each piece.
    """
    rows: dict[Key, Floats] = {}
    key_of_written = cache(lambda written: without_name(labels_of(written)))
    for part, block in blocks(prometheus, expression, pieces, margin):
        for written, values in zip(block.labels, block.values, strict=True):
            key = key_of_written(written)
            if key not in rows:
                rows[key] = np.full(len(pieces), np.nan)
            rows[key][part] = values
    return rows


def blocks(
    prometheus: Prometheus, expression: Callable[[str], str], pieces: Pieces, margin: float = 0.0
) -> Iterator[tuple[slice, RangeGrid]]:
    """The answers of which `read` makes rows, each with its pieces: of thousands of series, few pieces at once."""
    for begin, end in pieces.runs():
        asked = expression(duration(float(pieces.lengths[begin]) + margin))
        first, size = begin, _FIRST_PIECES
        while first < end:
            until = min(end, first + size)
            block = prometheus.grid(asked, float(pieces.edges[first + 1]), float(pieces.edges[until]), pieces.step)
            yield slice(first, until), block
            size = max(_FIRST_PIECES, _MOST_SAMPLES // max(1, len(block.labels)))
            first = until


def duration(seconds: float) -> str:
    """A range that leaves out a sample exactly at its beginning (Prometheus 2 would count it twice)."""
    return f"{max(1, round(seconds * 1000) - 1)}ms"


def key_of(series: Series | Sample) -> Key:
    return without_name(series.labels)


def without_name(labels: Mapping[str, str]) -> Key:
    """What tells a series apart from others of the same metric."""
    return frozenset((label, value) for label, value in labels.items() if label != "__name__")
