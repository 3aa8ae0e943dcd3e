"""How bursty bad events are: phi = variance / mean of their counts, from the past of one version.

Independent events have phi = 1, bursts of geometric size with mean m have phi = 2m - 1. Two things tell it. Many bad
events show it in the variance of their counts. A few show it by how isolated they lie: where bursts had a mean of
five, four of five bad events would bring another.

Constants marked *calibrated* were chosen by simulation (bench/judge.py repeats it), the others follow from a formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import Flags, Floats, PairLayout

POOL_BURSTS = 30.0  # a pair with fewer bursts of its own leans on its pool
LEARNED_BAD = 15.0  # calibrated: from so many bad events on, their variance tells phi: three bursts of five
UNKNOWN_PHI = 4.0  # calibrated: assumed at most while bursts are unknown; they are then taken as 2.5
ISOLATED_ERRORS = 0.7  # calibrated: standard errors between what isolation shows and its bound
LEARNED_PHI = 2.0  # a bound by isolation that is less leaves nothing to learn; four single bad events give it
LEARNED_SINGLES = 4


@dataclass(frozen=True, eq=False)
class Burstiness:
    """phi (K,), and where bursts are known (K,): elsewhere it is a bound on what has not been shown yet."""

    phi: Floats
    known: Flags

    def or_of(self, other: Burstiness) -> Floats:
        """phi (K,): where these bursts are unknown, those of the other version; the lesser bound where both are."""
        unknown = np.where(other.known, other.phi, np.minimum(self.phi, other.phi))
        return np.where(self.known, self.phi, unknown)


class Bursts:
    """What one version's bad events tell of its bursts, from counts of consecutive blocks."""

    def __init__(self, layout: PairLayout) -> None:
        self._layout = layout
        self.variance = Variance(layout.pairs)
        self._isolation = Isolation(layout.pairs)

    def add(self, events: Floats, bad: Floats) -> None:
        """One block's counts, each (K,)."""
        self.variance.add(events, bad)
        self._isolation.add(self._layout.most_of_pools(bad))

    def burstiness(self) -> Burstiness:
        """The lesser of two upper bounds, by variance and by isolation; by isolation alone while they are few.

        Requests above one bound of a histogram are some of those above a lower one, and their bursts no larger: a pool
        of which nothing is known borrows from its kind.
        """
        known = self._isolation.bad >= LEARNED_BAD
        phi = np.where(known, self.variance.pooled(self._layout), UNKNOWN_PHI)
        bound = np.minimum(phi, self._isolation.phi())
        known |= bound <= LEARNED_PHI
        lent = self._layout.most_of_kinds(np.where(known, bound, 0.0))
        return Burstiness(np.where(known | (lent == 0), bound, lent), known | (lent > 0))


class Variance:
    """Running estimate of phi of one version, per pair (K,), from counts of consecutive blocks.

    Successive differences, so that a slow drift of the rate does not enter (von Neumann 1941): with x of n bad in one
    block and y of m in the next, E[(x/n - y/m)^2 / (1/n + 1/m)] = rate * phi; the ratio of their sums estimates phi.
    """

    def __init__(self, pairs: int) -> None:
        self.squares = np.zeros(pairs)
        self.rates = np.zeros(pairs)
        self.blocks = np.zeros(pairs)
        self.bad = np.zeros(pairs)
        self._last = np.zeros((2, pairs))

    def add(self, events: Floats, bad: Floats) -> None:
        """One block's counts, each (K,). Pairs without events in it are skipped."""
        before_events, before_bad = self._last
        both = (events > 0) & (before_events > 0)
        n, m = np.maximum(events, 1), np.maximum(before_events, 1)
        self.squares += np.where(both, (bad / n - before_bad / m) ** 2 / (1 / n + 1 / m), 0)
        self.rates += np.where(both, (bad + before_bad) / (n + m), 0)
        self.blocks += both
        self.bad += bad
        self._last = np.where(events > 0, [events, bad], self._last)

    def pooled(self, layout: PairLayout) -> Floats:
        """phi (K,) with its standard error added: own estimate, leaning on the pool.

        The squared relative error of an estimate from B bursts in N blocks is 3/N + 9/B (fourth moment of geometric
        bursts).
        """
        own, own_variance, own_bursts = self._estimate(self.squares, self.rates, self.blocks, self.bad)
        sums = layout.to_pools(np.stack([self.squares, self.rates, self.blocks, self.bad]))
        pool, pool_variance, _ = self._estimate(*sums)
        trust = own_bursts / (own_bursts + POOL_BURSTS)
        phi = pool + trust * (own - pool)
        error = np.sqrt(trust**2 * own_variance + (1 - trust) ** 2 * pool_variance)
        return np.asarray(phi * (1 + np.minimum(error, 1.0)))

    @staticmethod
    def _estimate(squares: Floats, rates: Floats, blocks: Floats, bad: Floats) -> tuple[Floats, Floats, Floats]:
        phi = np.where(rates > 0, squares / np.maximum(rates, 1e-300), 1.0)
        bursts = bad * 2 / (np.maximum(phi, 1.0) + 1)
        return phi, 3 / np.maximum(blocks, 1) + 9 / np.maximum(bursts, 1e-3), bursts


class Isolation:
    """Upper bound of phi by how isolated bad events lie, per pool, handed back to its pairs (K,).

    Bad events in blocks that follow each other are one burst. Each bad event of a geometric burst with mean m is its
    last with probability 1/m; of b bursts with x bad events, b of x were. The bound is the mean of the posterior of
    1/m from a flat prior, Beta(b, x - b + 1), less ISOLATED_ERRORS of its standard deviations.
    """

    def __init__(self, pairs: int) -> None:
        self.bad = np.zeros(pairs)
        self._bursts = np.zeros(pairs)
        self._goes_on: Flags = np.zeros(pairs, bool)

    def add(self, bad: Floats) -> None:
        """One block's bad events, (K,)."""
        some = bad > 0
        self._bursts += some & ~self._goes_on
        self.bad += bad
        self._goes_on = some

    def phi(self) -> Floats:
        """(K,); infinite while there is no bad event."""
        b, x = self._bursts, self.bad
        last = b / (x + 1)
        last -= ISOLATED_ERRORS * np.sqrt(last * (1 - last) / (x + 2))
        return np.asarray(np.where(b > 0, 2 / np.maximum(last, 1e-9) - 1, np.inf))
