"""What the past tells: the baseline's rate of bad events per stratum, and how bursty bad events are per pair.

Counts of bad events are taken to vary as bursts do: variance = phi * mean, where independent events have phi = 1 and
bursts of geometric size with mean m have phi = 2m - 1. An evidence that took phi = 1 where retries double every error
would raise a false alarm within the hour in 81 of 100 hours; so phi is estimated, never assumed.

Constants marked *calibrated* were chosen by simulation (bench/judge.py repeats it), the others follow from a formula.
"""

from __future__ import annotations

import numpy as np

from bascule.judge.layout import EventCounts, Flags, Floats, PairLayout

BLOCK_SECONDS = 10.0  # longer than most bursts
HALF_LIFE_SECONDS = 1200.0  # of the baseline's rate
LOOKBACK_SECONDS = 3600.0  # how much of the past is read when a phase begins
PHI_FLOOR = 1.05
PHI_PRIOR = 1.25  # assumed while nothing is known: one bad event in eight brings another
PRIOR_BURSTS = 6.0  # the prior weighs as much as so many observed bursts
POOL_BURSTS = 30.0  # a pair with fewer bursts of its own leans on its pool
PHI_SAFETY = 1.2  # calibrated: bursts that cross a block's bound hide 15 to 20 % of phi - 1
CANDIDATE_PRIOR_BLOCKS = 10.0  # calibrated: the candidate's phi starts at the baseline's, worth so many blocks
CANDIDATE_LAG_BLOCKS = 2  # the candidate's blocks enter late, so that its regression does not hide itself
DRIFT = 0.08  # how far the common rate may run ahead of its average (+-50 % a day: 6.5 %)


class Dispersion:
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
        """phi (K,) with its standard error added: own estimate, leaning on the pool, which leans on PHI_PRIOR.

        The squared relative error of an estimate from B bursts in N blocks is 3/N + 9/B (fourth moment of geometric
        bursts); weights are shares of bursts, so that a history without a bad event gives PHI_PRIOR, not a fear.
        """
        own, own_variance, own_bursts = self._estimate(self.squares, self.rates, self.blocks, self.bad)
        sums = layout.to_pools(np.stack([self.squares, self.rates, self.blocks, self.bad]))
        pool, pool_variance, pool_bursts = self._estimate(*sums)
        known = pool_bursts / (pool_bursts + PRIOR_BURSTS)
        pool, pool_variance = PHI_PRIOR + known * (pool - PHI_PRIOR), known**2 * pool_variance
        trust = own_bursts / (own_bursts + POOL_BURSTS)
        phi = pool + trust * (own - pool)
        error = np.sqrt(trust**2 * own_variance + (1 - trust) ** 2 * pool_variance)
        return np.asarray(phi * (1 + np.minimum(error, 1.0)))

    @staticmethod
    def _estimate(squares: Floats, rates: Floats, blocks: Floats, bad: Floats) -> tuple[Floats, Floats, Floats]:
        phi = np.where(rates > 0, squares / np.maximum(rates, 1e-300), PHI_PRIOR)
        bursts = bad * 2 / (np.maximum(phi, 1.0) + 1)
        return phi, 3 / np.maximum(blocks, 1) + 9 / np.maximum(bursts, 1e-3), bursts


class BaselineHistory:
    """Baseline rate `rate` (S,) with upper bound `upper` (S,), and overdispersion `phi` (K,); refreshed every block.

    rate: sums with a half life of 20 minutes, half a bad event added.
    upper = rate * (1 + DRIFT + sqrt(phi / (X + .5))), X the bad events in those sums (one standard error of an
    overdispersed Poisson count). phi: the larger of the two versions', for the bursts of either can fake a difference.
    """

    def __init__(self, layout: PairLayout) -> None:
        self.layout = layout
        self.baseline = Dispersion(layout.pairs)
        self.candidate = Dispersion(layout.pairs)
        self._events = np.zeros(layout.strata)
        self._bad = np.zeros(layout.strata)
        self._block, self._seconds = EventCounts.zeros(layout.strata), 0.0
        self._waiting: list[tuple[Floats, Floats]] = []
        self._distrusted: Flags = np.zeros(layout.pairs, bool)
        self.refresh()

    def distrust(self, pairs: Flags) -> None:
        """From now on, and for the blocks that wait, the candidate's bursts in these pairs (K,) do not count.

        While an alarm fires they are its regression; taken for burstiness they would hide the next one.
        """
        self._distrusted = pairs
        self._waiting = [self._trusted(events, bad) for events, bad in self._waiting]

    def _trusted(self, events: Floats, bad: Floats) -> tuple[Floats, Floats]:
        return np.where(self._distrusted, 0, events), np.where(self._distrusted, 0, bad)

    def collect(self, counts: EventCounts, seconds: float) -> bool:
        """Add an evaluation's counts that span `seconds`; True when that closed a block and the estimates were
        refreshed."""
        self._block += counts
        self._seconds += seconds
        if self._seconds < BLOCK_SECONDS - 1e-6:
            return False
        self.add_block(self._block, self._seconds)
        self._block, self._seconds = EventCounts.zeros(self.layout.strata), 0.0
        self.refresh()
        return True

    def add_block(self, block: EventCounts, seconds: float = BLOCK_SECONDS) -> None:
        """A baseline without traffic is frozen: its rate neither moves nor fades (after 100 % it is all there is)."""
        keep = np.where(block.baseline > 0, 0.5 ** (seconds / HALF_LIFE_SECONDS), 1.0)
        self._events = self._events * keep + block.baseline
        self._bad = self._bad * keep + block.baseline_bad
        pairs = self.layout.to_pairs
        self.baseline.add(pairs(block.baseline), pairs(block.baseline_bad))
        self._waiting.append(self._trusted(pairs(block.candidate), pairs(block.candidate_bad)))
        if len(self._waiting) > CANDIDATE_LAG_BLOCKS:
            self.candidate.add(*self._waiting.pop(0))

    def refresh(self) -> None:
        """Work out rate, upper bound and phi again."""
        self.rate = np.minimum((self._bad + 0.5) / np.maximum(self._events, 1.0), 0.95)
        self.baseline_phi = np.maximum(1 + PHI_SAFETY * (self.baseline.pooled(self.layout) - 1), PHI_FLOOR)
        candidate = self._candidate_phi(self.baseline_phi)
        self.phi = np.maximum(self.baseline_phi, 1 + PHI_SAFETY * (candidate - 1))
        error = np.sqrt(self.layout.to_strata(self.phi) / (self._bad + 0.5))
        self.upper = np.minimum(self.rate * (1 + DRIFT + error), 0.95)

    def _candidate_phi(self, baseline_phi: Floats) -> Floats:
        pairs = self.layout.to_pairs
        rate = (pairs(self._bad) + 0.5) / np.maximum(pairs(self._events), 1.0)
        weight = CANDIDATE_PRIOR_BLOCKS * np.minimum(rate, 0.95)
        prior = (baseline_phi - 1) / PHI_SAFETY + 1
        return (self.candidate.squares + weight * prior) / (self.candidate.rates + weight)

    @property
    def baseline_events(self) -> Floats:
        """Events of the baseline behind `rate`, decayed, (S,)."""
        return self._events
