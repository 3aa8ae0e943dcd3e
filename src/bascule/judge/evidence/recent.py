"""What both versions did in the last seconds: error ratios, traffic, and who is served."""

from __future__ import annotations

import math

import numpy as np

from bascule.judge.layout import EventCounts, Floats
from bascule.judge.statistics.history import BaselineHistory

RECENT_SECONDS = 10.0  # half life of the recent counts
SHOWN_SECONDS = 30  # messages name this span: seven eighths of the weight of recent counts
HISTORY_EVENTS = 100.0  # how much the baseline's history weighs in its recent rate
LEAST_OBSERVED = 50.0  # recent events, before a ratio of their own says anything
QUIET_SECONDS = 60.0  # a segment without a request for longer has no data


class Recent:
    """Counts of both versions with a half life of RECENT_SECONDS, per stratum (S,)."""

    def __init__(self, history: BaselineHistory) -> None:
        self._history = history
        self._counts = EventCounts.zeros(history.layout.strata)
        self._served = np.full(history.layout.strata, np.inf)  # when last; before that, since when it is looked at

    def add(self, counts: EventCounts, time: float, seconds: float) -> None:
        """Counts of an evaluation at `time` (Unix seconds) that spans `seconds`."""
        self._counts = self._counts.scaled(0.5 ** (seconds / RECENT_SECONDS)) + counts
        self._served = np.where(counts.candidate > 0, time, np.minimum(self._served, time - seconds))

    def ratios(self) -> tuple[Floats, Floats]:
        """Error ratios at the candidate's mix, (K,): as the baseline would have it, and the candidate's own.

        The baseline's is what it shows beside the candidate, blended with HISTORY_EVENTS of its history.
        """
        recent, pairs = self._counts, self._history.layout.to_pairs
        known = recent.baseline_bad + HISTORY_EVENTS * self._history.rate
        usual = known / (recent.baseline + HISTORY_EVENTS)
        events = np.maximum(pairs(recent.candidate), 1e-9)
        return pairs(recent.candidate * usual) / events, pairs(recent.candidate_bad) / events

    def observed(self, pair: int) -> tuple[float, float] | None:
        """Both versions' own error ratios of a pair; None where either has answered too little recently."""
        mine, counts = self._history.layout.strata_of(pair), self._counts
        events = float(counts.baseline[mine].sum()), float(counts.candidate[mine].sum())
        if min(events) < LEAST_OBSERVED:
            return None
        return float(counts.baseline_bad[mine].sum()) / events[0], float(counts.candidate_bad[mine].sum()) / events[1]

    def is_quiet(self, pair: int, now: float) -> bool:
        """Whether the pair has been looked at for QUIET_SECONDS, and its candidate has answered nothing in them."""
        served = self._served[self._history.layout.strata_of(pair)].max(initial=-np.inf)
        return bool(served < now - QUIET_SECONDS)

    def per_second(self, pair: int) -> tuple[float, float]:
        """Events per second of the pair, of the baseline and of the candidate."""
        mine, scale = self._history.layout.strata_of(pair), math.log(2) / RECENT_SECONDS
        return (
            float(self._counts.baseline[mine].sum() * scale),
            float(self._counts.candidate[mine].sum() * scale),
        )
