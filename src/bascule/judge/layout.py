"""Which strata are weighed together. Counts are kept per stratum; evidence is kept per pair.

A *pair* is one signal in one segment (for a histogram, one bound in one segment): V1 and V2 are weighed within it.
A *stratum* is a part of a pair inside which V1 and V2 serve the same mix. A segment's pair has one stratum; the pair
"all segments" has one stratum per segment, so that evidence is formed within segments and only then added up.
A *pool* is a set of pairs that share what is known about bursts (the segments of one signal, or of one bound of it).
A *kind* is a set of pools that lend it to each other (all bounds of a signal).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
BASELINE, CANDIDATE = 0, 1


@dataclass(frozen=True, eq=False)
class PairLayout:
    """`pair_of` (S,): the pair of each stratum, ascending from 0 to K - 1. `pool_of`, `kind_of` (K,): the pool and the
    kind of each pair."""

    pair_of: Indices
    pool_of: Indices
    kind_of: Indices

    @classmethod
    def plain(cls, pairs: int) -> PairLayout:
        """One stratum per pair, each pair a pool of its own."""
        return cls(np.arange(pairs), np.arange(pairs), np.arange(pairs))

    @property
    def strata(self) -> int:
        """S."""
        return len(self.pair_of)

    @property
    def pairs(self) -> int:
        """K."""
        return len(self.pool_of)

    @cached_property
    def _starts(self) -> Indices:
        return np.searchsorted(self.pair_of, np.arange(self.pairs))

    def strata_of(self, pair: int) -> slice:
        """Where a pair's strata are."""
        start, end = np.searchsorted(self.pair_of, [pair, pair + 1])
        return slice(int(start), int(end))

    def to_pairs(self, values: Floats) -> Floats:
        """Sums over the strata of each pair: (..., S) -> (..., K)."""
        if self.strata == self.pairs:
            return values
        return np.asarray(np.add.reduceat(values, self._starts, axis=-1), dtype=np.float64)

    def to_strata(self, values: NDArray[Any]) -> NDArray[Any]:
        """Each stratum's share of what its pair has: (..., K) -> (..., S)."""
        return values if self.strata == self.pairs else values[..., self.pair_of]

    def to_pools(self, values: Floats) -> Floats:
        """Sums over the pairs of each pool, handed back to the pairs: (..., K) -> (..., K)."""
        pools = int(self.pool_of.max(initial=-1)) + 1
        if pools == self.pairs:
            return values
        flat = values.reshape(-1, self.pairs)
        sums = np.stack([np.bincount(self.pool_of, row, minlength=pools) for row in flat])
        return np.asarray(sums[:, self.pool_of].reshape(values.shape))

    def most_of_pools(self, values: Floats) -> Floats:
        """The most of any pair of each pool, handed back to the pairs: (K,) -> (K,). None is negative."""
        return self._most(self.pool_of, values)

    def most_of_kinds(self, values: Floats) -> Floats:
        """The same of each kind."""
        return self._most(self.kind_of, values)

    def _most(self, group_of: Indices, values: Floats) -> Floats:
        groups = int(group_of.max(initial=-1)) + 1
        if groups == self.pairs:
            return values
        most = np.zeros(groups)
        np.maximum.at(most, group_of, values)
        return np.asarray(most[group_of])


@dataclass(frozen=True, eq=False)
class EventCounts:
    """Events and bad events of both versions per stratum, each (S,): what one evaluation, or one block, adds."""

    baseline: Floats
    baseline_bad: Floats
    candidate: Floats
    candidate_bad: Floats

    @classmethod
    def zeros(cls, strata: int) -> EventCounts:
        """Of so many strata."""
        return cls(*np.zeros((4, strata)))

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            self.baseline + other.baseline,
            self.baseline_bad + other.baseline_bad,
            self.candidate + other.candidate,
            self.candidate_bad + other.candidate_bad,
        )

    def scaled(self, factor: float) -> EventCounts:
        """Every count times a factor."""
        return EventCounts(
            factor * self.baseline, factor * self.baseline_bad, factor * self.candidate, factor * self.candidate_bad
        )
