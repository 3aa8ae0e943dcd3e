"""Regressions of the candidate in earlier steps of the plan, found again in the history that a step begins with.

What the candidate did while an alarm fired must not pass for burstiness, or its next regression would be found several
times later. The alarms of earlier steps are not known to a judge that reads history, so the history is weighed as a
phase is, in blocks.
"""

from __future__ import annotations

import numpy as np

from bascule.judge.evidence.alarm import Recovery
from bascule.judge.layout import EventCounts, Flags, Floats, Indices, PairLayout
from bascule.judge.statistics.history import BLOCK_SECONDS, PHI_WITHOUT_BURSTS, BaselineHistory
from bascule.judge.statistics.weighing import CLIP, Evidence, decide, thresholds

BUDGET = 0.1  # of false alarms an hour: a block that is left out needlessly costs little


class _WithoutBursts:
    """The history, and no bursts where they are unknown: a regression taken for bursts would make them known."""

    def __init__(self, history: BaselineHistory) -> None:
        self._history = history

    @property
    def layout(self) -> PairLayout:
        return self._history.layout

    @property
    def upper(self) -> Floats:
        return self._history.upper

    @property
    def phi(self) -> Floats:
        return np.where(self._history.is_learning, PHI_WITHOUT_BURSTS, self._history.phi)


class EarlierRegressions:
    """Weighs blocks of history, both versions side by side. `alike` (K,): the number of the signal of each pair;
    `recovery_seconds`: of traffic, for which the candidate must be no worse."""

    def __init__(self, history: BaselineHistory, margins: Floats, alike: Indices, recovery_seconds: float) -> None:
        self._history, self._alike, self._recovery_seconds = history, alike, recovery_seconds
        self._weighed_by = _WithoutBursts(history)
        self._evidence = Evidence(self._weighed_by, CLIP * BLOCK_SECONDS)  # a block is many evaluations
        self._recovery = Recovery(history, margins)
        self._weights = np.full(history.layout.pairs, 1 / max(history.layout.pairs, 1))
        self._block, self._seconds = EventCounts.zeros(history.layout.strata), 0.0
        self._worse: Flags = np.zeros(history.layout.pairs, bool)

    def add(self, counts: EventCounts, seconds: float) -> None:
        """An evaluation before the phase; with a full block the history learns which signals are not to be trusted."""
        self._block += counts
        self._seconds += seconds
        if self._seconds < BLOCK_SECONDS - 1e-6:
            return
        if self._block.candidate.any():
            self._weigh(self._block, self._seconds)
        self._block, self._seconds = EventCounts.zeros(self._history.layout.strata), 0.0

    def _weigh(self, block: EventCounts, seconds: float) -> None:
        limits = thresholds(self._weighed_by.phi, self._weights, BUDGET, 3600 / BLOCK_SECONDS)
        over = decide(self._evidence.add(block, seconds), limits) >= 0
        if self._worse.any():
            self._recovery.add(block, seconds)
            self._end(self._recovery.shown(self._recovery_seconds))
        begun = over & ~self._worse
        self._recovery.restart(begun)
        self._worse |= begun
        self._history.distrust(np.isin(self._alike, self._alike[self._worse]))

    def _end(self, shown: Flags) -> None:
        ended = self._worse & shown
        if ended.any():
            self._worse &= ~ended
            self._evidence.restart(ended if self._worse.any() else np.ones_like(ended))
