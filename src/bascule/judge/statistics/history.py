"""What the past tells: the baseline's rate of bad events per stratum, and how bursty bad events are per pair.

Counts of bad events are taken to vary as bursts do: variance = phi * mean, where independent events have phi = 1 and
bursts of geometric size with mean m have phi = 2m - 1. An evidence that took phi = 1 where retries double every error
would raise a false alarm within the hour in 81 of 100 hours; so phi is estimated (bursts.py), and until it can be,
evidence allows for bursts.

Constants marked *calibrated* were chosen by simulation (bench/judge.py repeats it), the others follow from a formula.
"""

from __future__ import annotations

import numpy as np

from bascule.judge.layout import EventCounts, Flags, Floats, PairLayout
from bascule.judge.statistics.bursts import Bursts

BLOCK_SECONDS = 10.0  # longer than most bursts
HALF_LIFE_SECONDS = 1200.0  # of the baseline's rate
LOOKBACK_SECONDS = 3600.0  # how much of the past is read when a phase begins
PHI_FLOOR = 1.05
PHI_WITHOUT_BURSTS = 1.3  # shown of bursts that are unknown: one bad event in ten brings another
PHI_SAFETY = 1.2  # calibrated: bursts that cross a block's bound hide 15 to 20 % of phi - 1
CANDIDATE_PRIOR_BLOCKS = 10.0  # calibrated: the candidate's phi starts at the baseline's, worth so many blocks
CANDIDATE_LAG_BLOCKS = 2  # the candidate's blocks enter late, so that its regression does not hide itself
DRIFT = 0.08  # how far the common rate may run ahead of its average (+-50 % a day: 6.5 %)


class BaselineHistory:
    """Baseline rate `rate` (S,) with upper bound `upper` (S,), and overdispersion (K,); refreshed every block.

    rate: sums with a half life of 20 minutes, half a bad event added.
    upper = rate * (1 + DRIFT + sqrt(phi / (X + .5))), X the bad events in those sums (one standard error of an
    overdispersed Poisson count). shown_phi: the larger of the two versions', for the bursts of either can fake a
    difference. is_learning: neither has shown yet whether its bad events come in bursts. There phi, by which evidence
    is weighed, is what they may turn out to be; elsewhere it is shown_phi.
    """

    def __init__(self, layout: PairLayout) -> None:
        self.layout = layout
        self.baseline = Bursts(layout)
        self.candidate = Bursts(layout)
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
        baseline, candidate = self.baseline.burstiness(), self.candidate.burstiness()
        self.is_learning = ~(baseline.known | candidate.known)
        bound = np.maximum(1 + PHI_SAFETY * (baseline.or_of(candidate) - 1), PHI_FLOOR)
        self.baseline_phi = np.where(self.is_learning, PHI_WITHOUT_BURSTS, bound)
        self.shown_phi = np.maximum(self.baseline_phi, 1 + PHI_SAFETY * (self._candidate_phi() - 1))
        self.phi = np.maximum(self.shown_phi, bound)
        error = np.sqrt(self.layout.to_strata(self.phi) / (self._bad + 0.5))
        self.upper = np.minimum(self.rate * (1 + DRIFT + error), 0.95)

    def _candidate_phi(self) -> Floats:
        pairs = self.layout.to_pairs
        rate = (pairs(self._bad) + 0.5) / np.maximum(pairs(self._events), 1.0)
        weight = CANDIDATE_PRIOR_BLOCKS * np.minimum(rate, 0.95)
        prior = (self.baseline_phi - 1) / PHI_SAFETY + 1
        shown = self.candidate.variance
        return (shown.squares + weight * prior) / (shown.rates + weight)

    @property
    def baseline_events(self) -> Floats:
        """Events of the baseline behind `rate`, decayed, (S,)."""
        return self._events
