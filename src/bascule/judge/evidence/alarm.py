"""The alarm of one signal in one segment: raised by evidence, ended only by evidence.

An alarm fires until a fresh test, on data after it was raised, shows the candidate not inferior for `recovery`
seconds of traffic. Silence ends nothing: seconds in which the candidate answered nothing do not count. The one other
way out is the plan: a segment from which the candidate was withdrawn (planned share 0) has nothing left to alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bascule.judge.layout import EventCounts, Flags, Floats
from bascule.judge.sampling.schema import Cell
from bascule.judge.statistics.history import BaselineHistory

RECOVERY_NATS = float(np.log(20.0))  # the fresh test may err once in twenty times
MARGIN_RATIO = 0.5  # where no harmful increase is declared: half the baseline's rate ...
MARGIN_LEAST = 0.01  # ... but at least one point


@dataclass(frozen=True)
class Alarm:
    """An alarm that fires, or fired until `ended` (Unix seconds)."""

    signal: str
    segment: str
    since: float
    evidence: float
    threshold: float
    text: str
    bound: float | None = None
    ended: float | None = None
    end_reason: str = ""

    @property
    def cell(self) -> Cell:
        """The comparison that raised it."""
        return self.signal, self.segment

    @property
    def key(self) -> Cell:
        """What it is posted under."""
        return self.cell

    def end(self, time: float, reason: str) -> Alarm:
        """The same, ended at `time` (Unix seconds)."""
        return replace(self, ended=time, end_reason=reason)


class Recovery:
    """Fresh tests of non-inferiority, one per pair, (K,).

    Null: the candidate's rate is at least the baseline's upper bound plus a margin. With n events, x of them bad, the
    Poisson likelihood ratio of "as the baseline" gives (n * margin - x ln(1 + margin / upper)) / phi; it starts
    again whenever it is used up, so that data from before the recovery cannot help or harm.
    """

    def __init__(self, history: BaselineHistory, margins: Floats) -> None:
        self._history = history
        self._margins = margins
        self.nats = np.zeros(history.layout.pairs)
        self.seconds = np.zeros(history.layout.pairs)

    def add(self, counts: EventCounts, seconds: float) -> None:
        """Weigh the counts of an evaluation that spans `seconds`."""
        history, layout = self._history, self._history.layout
        margin = np.maximum(np.asarray(layout.to_strata(self._margins)), 0)
        margin = np.where(margin > 0, margin, np.maximum(MARGIN_RATIO * history.upper, MARGIN_LEAST))
        phi = np.asarray(layout.to_strata(history.baseline_phi))
        gain = (counts.candidate * margin - counts.candidate_bad * np.log1p(margin / history.upper)) / phi
        served = layout.to_pairs(counts.candidate) > 0
        self.nats = self.nats + layout.to_pairs(gain)
        self.seconds += np.where(served, seconds, 0)
        used_up = self.nats <= 0
        self.nats[used_up] = 0
        self.seconds[used_up] = 0

    def restart(self, pairs: Flags) -> None:
        """Begin again for these pairs (K,)."""
        self.nats[pairs] = 0
        self.seconds[pairs] = 0

    def shown(self, recovery_seconds: float) -> Flags:
        """Where the candidate has been shown not inferior for long enough."""
        return np.asarray((self.nats >= RECOVERY_NATS) & (self.seconds >= recovery_seconds))
