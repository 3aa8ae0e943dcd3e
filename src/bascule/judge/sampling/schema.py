"""What is counted and compared: columns (one counter of one signal in one segment), strata and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import BASELINE, CANDIDATE, Counts, Floats, Layout
from bascule.judge.sampling.strata import Strata, declared
from bascule.spec import Selector, Spec
from bascule.spec.signals import HistogramSignal, MeanSignal, RatioSignal, Signal


@dataclass(frozen=True)
class Column:
    """One counter of one signal in one segment. `part`: total, bad, good, count, sum, squares, or a histogram bound."""

    signal: str
    part: str | float
    segment: str


@dataclass(frozen=True)
class Pair:
    """What is weighed: a signal in a segment; for a histogram, the share of events above one bound."""

    signal: str
    segment: str
    bound: float | None = None


@dataclass(frozen=True)
class Feed:
    """A query, and the columns its series feed: signal and part (None: by the series' `le`)."""

    selector: Selector
    signal: str
    part: str | None


class Schema:
    """Every column, stratum and pair of a spec, given the bounds of its histograms."""

    def __init__(
        self, spec: Spec, bounds: Mapping[str, Sequence[float]], strata: Mapping[str, Strata] | None = None
    ) -> None:
        self.spec = spec
        self.strata = strata or {name: declared(spec, signal) for name, signal in spec.signals.items()}
        self.bounds = {name: tuple(values) for name, values in bounds.items()}
        self.feeds = [feed for name, signal in spec.signals.items() for feed in _feeds(name, signal)]
        self.columns = {column: index for index, column in enumerate(self._columns())}
        parts = list(dict.fromkeys((column.signal, column.part) for column in self.columns))
        self.parts = {part: index for index, part in enumerate(parts)}
        self._part_of = np.array([self.parts[c.signal, c.part] for c in self.columns], np.intp)
        self.pairs: list[Pair] = []
        self._of_pair: dict[Pair, int] = {}
        self._of_cell: dict[tuple[str, str], list[int]] = {}
        self._of_part: dict[tuple[str, str | float, tuple[str, ...]], list[int]] = {}
        self._build()

    def segments(self, signal: str) -> tuple[str, ...]:
        """The strata of a signal."""
        return self.strata[signal].leaves

    def judged_segments(self, signal: str) -> tuple[str, ...]:
        """The segments with a line of their own, the total last."""
        return self.strata[signal].lines

    def index(self, pair: Pair) -> int:
        return self._of_pair[pair]

    def column(self, signal: str, part: str | float, segment: str) -> int:
        return self.columns[Column(signal, part, segment)]

    def columns_of(self, signal: str, part: str | float, segments: tuple[str, ...]) -> list[int]:
        """The columns of one part in these segments; looked up often, so remembered."""
        key = signal, part, segments
        if key not in self._of_part:
            self._of_part[key] = [self.column(signal, part, segment) for segment in segments]
        return self._of_part[key]

    def pairs_of(self, signal: str, segment: str) -> list[int]:
        return self._of_cell.get((signal, segment), [])

    def counts(self, increments: Floats) -> Counts:
        """Events and bad events per stratum of increments (2, columns)."""
        events = increments[:, self._events]
        bad = increments[:, self._bad]
        bad = np.clip(np.where(self._complement, events - bad, bad), 0, None)
        events = np.maximum(events, bad)
        return Counts(events[BASELINE], bad[BASELINE], events[CANDIDATE], bad[CANDIDATE])

    def over_segments(self, amounts: Floats) -> Floats:
        """Sums over the segments: (columns,) -> (parts,), ordered as `parts`."""
        return np.bincount(self._part_of, amounts, minlength=len(self.parts)).astype(np.float64)

    def _columns(self) -> Iterator[Column]:
        for name, signal in self.spec.signals.items():
            for part in _parts(signal, self.bounds.get(name, ())):
                for segment in self.segments(name):
                    yield Column(name, part, segment)

    def _build(self) -> None:
        pools: dict[tuple[str, float | None], int] = {}
        strata: list[tuple[int, int, bool, int]] = []
        for name, signal in self.spec.signals.items():
            for bound in _bounds_of(signal, self.bounds.get(name, ())):
                for segment in self.judged_segments(name):
                    self._of_pair[Pair(name, segment, bound)] = len(self.pairs)
                    self._of_cell.setdefault((name, segment), []).append(len(self.pairs))
                    strata.extend(self._strata(name, signal, bound, segment, len(self.pairs)))
                    pools.setdefault((name, bound), len(pools))
                    self.pairs.append(Pair(name, segment, bound))
        table = np.array(strata, dtype=np.intp).reshape(-1, 4)
        self._events, self._bad, self._complement = table[:, 0], table[:, 1], table[:, 2].astype(bool)
        self.layout = Layout(table[:, 3], np.array([pools[pair.signal, pair.bound] for pair in self.pairs], np.intp))

    def _strata(
        self, name: str, signal: Signal, bound: float | None, segment: str, pair: int
    ) -> Iterator[tuple[int, int, bool, int]]:
        for part in self.strata[name].leaves_of(segment):
            if isinstance(signal, RatioSignal):
                side = "bad" if signal.bad is not None else "good"
                yield self.column(name, "total", part), self.column(name, side, part), side == "good", pair
            elif bound is not None:
                yield self.column(name, "count", part), self.column(name, bound, part), True, pair


def _feeds(name: str, signal: Signal) -> Iterator[Feed]:
    if isinstance(signal, RatioSignal):
        yield Feed(signal.total, name, "total")
        yield Feed(signal.events, name, "bad" if signal.bad is not None else "good")
    elif isinstance(signal, HistogramSignal):
        yield Feed(signal.series("bucket"), name, None)
    elif isinstance(signal, MeanSignal):
        yield Feed(signal.sum, name, "sum")
        yield Feed(signal.count, name, "count")
        if signal.sum_of_squares is not None:
            yield Feed(signal.sum_of_squares, name, "squares")
        elif signal.sum.metric.endswith("_sum"):
            yield Feed(signal.sum.named(signal.sum.metric.removesuffix("_sum") + "_bucket"), name, None)


def _parts(signal: Signal, bounds: Sequence[float]) -> tuple[str | float, ...]:
    if isinstance(signal, RatioSignal):
        return ("total", "bad" if signal.bad is not None else "good")
    if isinstance(signal, HistogramSignal):
        return ("count", *bounds)
    if isinstance(signal, MeanSignal):
        return ("count", "sum", "squares", *bounds)
    return ()


def _bounds_of(signal: Signal, bounds: Sequence[float]) -> Sequence[float | None]:
    if isinstance(signal, RatioSignal):
        return (None,)
    return bounds if isinstance(signal, HistogramSignal) else ()
