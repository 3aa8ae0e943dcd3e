"""What is counted and compared: columns (one counter of one signal in one segment), strata and pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from bascule.judge.layout import BASELINE, CANDIDATE, EventCounts, Flags, Floats, Indices, PairLayout
from bascule.judge.sampling.strata import Strata, declared
from bascule.spec import Spec
from bascule.spec.counters import EVENTS, BadEvents, CounterPart, SignalCounter, Statistic

Cell = tuple[str, str]  # signal, and the line (a segment, a value within one, or all)


class Column(NamedTuple):
    """One counter of one signal in one segment."""

    signal: str
    part: CounterPart
    segment: str


class Pair(NamedTuple):
    """What is weighed: a signal in a segment; for a histogram, the ratio of events above one bound."""

    signal: str
    segment: str
    bound: float | None


class CounterFeed(NamedTuple):
    """A counter whose series feed the columns of a signal."""

    signal: str
    counter: SignalCounter


@dataclass(frozen=True, eq=False)
class BadTable:
    """Where the events and bad events of S strata are counted: `events`, `part` (S,) are columns.

    Bad are the events in `part`, or where `others` (S,) those outside it.
    """

    events: Indices
    part: Indices
    others: Flags

    def of(self, amounts: Floats) -> tuple[Floats, Floats]:
        """Events and bad events, each (..., S), of amounts (..., columns)."""
        events, part = amounts[..., self.events], amounts[..., self.part]
        bad = np.clip(np.where(self.others, events - part, part), 0, None)
        return np.maximum(events, bad), bad


class Schema:
    """Every column, stratum and pair of a spec.

    `bounds`: the bucket bounds of its histograms, in the signal's unit; `strata`: how each signal is split (by default
    as the spec alone says).
    """

    def __init__(
        self, spec: Spec, bounds: Mapping[str, Sequence[float]], strata: Mapping[str, Strata] | None = None
    ) -> None:
        self.spec = spec
        self.bounds = {name: tuple(values) for name, values in bounds.items()}
        self.strata = strata or {name: declared(spec, signal) for name, signal in spec.signals.items()}
        self.feeds = [
            CounterFeed(name, counter) for name, signal in spec.signals.items() for counter in signal.counters
        ]
        self.columns = {column: index for index, column in enumerate(self._columns())}
        self._bad_events = {(name, bad.bound): bad for name in spec.signals for bad in self._bad_events_of(name)}
        self.pairs = [Pair(name, line, bound) for name, bound in self._bad_events for line in self.strata[name].lines]
        self._of_pair = {pair: index for index, pair in enumerate(self.pairs)}
        self._of_cell: dict[Cell, list[int]] = {}
        for index, pair in enumerate(self.pairs):
            self._of_cell.setdefault((pair.signal, pair.segment), []).append(index)
        self.bad_table = cache(self._bad_table)
        self.columns_of = cache(self._columns_of)
        self.layout, self._table = self._laid_out()

    @property
    def cells(self) -> list[Cell]:
        """Every line: each signal in each of its segments, the total last."""
        return [(name, line) for name in self.spec.signals for line in self.strata[name].lines]

    def quantile_bounds(self, signal: str) -> tuple[float, ...]:
        """The bounds that both versions' histograms have, between which no quantile is known; none of other signals."""
        known = self.bounds.get(signal, ())
        return known if known and self.spec.signals[signal].statistic is Statistic.QUANTILE else ()

    def reach(self, signal: str) -> float:
        """The last of them, beyond which no quantile is known; infinity of other signals."""
        return max(self.quantile_bounds(signal), default=math.inf)

    def index(self, pair: Pair) -> int:
        """Where a pair is among the K. Raises KeyError for one that is not weighed."""
        return self._of_pair[pair]

    def column(self, signal: str, part: CounterPart, segment: str) -> int:
        """Where a part of a signal is counted in a stratum. Raises KeyError where it is not."""
        return self.columns[Column(signal, part, segment)]

    def pairs_of(self, cell: Cell) -> list[int]:
        """The pairs of a line: one, or one for each bound of a histogram; none of a mean."""
        return self._of_cell.get(cell, [])

    def counts(self, increments: Floats) -> EventCounts:
        """Events and bad events per stratum, (S,) each, of increments (2, columns)."""
        events, bad = self._table.of(increments)
        return EventCounts(events[BASELINE], bad[BASELINE], events[CANDIDATE], bad[CANDIDATE])

    def _columns_of(self, signal: str, part: CounterPart, leaves: tuple[str, ...]) -> list[int]:
        """The columns of one part in these strata."""
        return [self.column(signal, part, leaf) for leaf in leaves]

    def _bad_table(self, signal: str, bound: float | None, leaves: tuple[str, ...]) -> BadTable:
        """The bad events of a signal (of a histogram: those above a bound) in these strata."""
        bad = self._bad_events[signal, bound]
        events, part = (np.array(self.columns_of(signal, each, leaves), np.intp) for each in (EVENTS, bad.part))
        return BadTable(events, part, np.full(len(leaves), bad.others))

    def _bad_events_of(self, name: str) -> Sequence[BadEvents]:
        return self.spec.signals[name].bad_events(self.bounds.get(name, ()))

    def _columns(self) -> Iterator[Column]:
        for name, signal in self.spec.signals.items():
            for part in signal.parts(self.bounds.get(name, ())):
                for leaf in self.strata[name].leaves:
                    yield Column(name, part, leaf)

    def _laid_out(self) -> tuple[PairLayout, BadTable]:
        leaves = [self.strata[pair.signal].leaves_of(pair.segment) for pair in self.pairs]
        tables = [self._bad_table(p.signal, p.bound, own) for p, own in zip(self.pairs, leaves, strict=True)]
        pools = {key: number for number, key in enumerate(self._bad_events)}
        pool_of = np.array([pools[pair.signal, pair.bound] for pair in self.pairs], np.intp)
        kinds = list(self.spec.signals)
        kind_of = np.array([kinds.index(pair.signal) for pair in self.pairs], np.intp)
        pair_of = np.repeat(np.arange(len(self.pairs)), np.array([len(own) for own in leaves], np.intp))
        return PairLayout(pair_of, pool_of, kind_of), _joined(tables)


def _joined(tables: Sequence[BadTable]) -> BadTable:
    none = BadTable(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, bool))
    both = [none, *tables]
    return BadTable(
        np.concatenate([each.events for each in both]),
        np.concatenate([each.part for each in both]),
        np.concatenate([each.others for each in both]),
    )
