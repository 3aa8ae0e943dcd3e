"""Means (ratings, value per match): evidence since the phase began, alarm and recovery.

Means need no bursts model: their own scatter is measured. The evidence is that of an asymptotic confidence sequence
(confidence.normal_evidence), valid at every evaluation once there are about LEAST_EVENTS events of each version. It
looks at the whole phase, so a change late in a long phase takes long to show: means are for decisions, rates for the
night.
"""

from __future__ import annotations

from bascule.judge.evidence.figures import SignalReading
from bascule.judge.evidence.measures import Measures
from bascule.judge.layout import Floats
from bascule.judge.sampling.schema import Cell, Schema

LEAST_EVENTS = 100.0
TOLERATED = 0.05  # of the baseline's mean: a candidate shown to be no worse than this has recovered


class Means:
    """Readings of mean cells from what was counted since each was last restarted; `sums` (2, columns)."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._forgotten: dict[Cell, Floats] = {}

    def reading(self, cell: Cell, sums: Floats, phi: Floats) -> SignalReading:
        """Of what was counted since it was last restarted; `phi` (K,)."""
        return Measures(self._schema, sums - self._forgotten.get(cell, 0.0), phi).reading(*cell)

    def restart(self, cell: Cell, sums: Floats) -> None:
        """Forget what was counted of a cell so far."""
        self._forgotten[cell] = sums.copy()

    def is_worse(self, reading: SignalReading, threshold: float) -> bool:
        """Whether the evidence is enough, on enough events."""
        return self.has_enough(reading) and reading.nats >= threshold

    def has_enough(self, reading: SignalReading) -> bool:
        """Whether there are enough events of both versions to say anything."""
        return min(reading.events_baseline, reading.events_candidate) >= LEAST_EVENTS

    def has_recovered(self, cell: Cell, reading: SignalReading) -> bool:
        """Whether the interval since the alarm leaves no room for a worsening beyond what is tolerated."""
        higher = self._schema.spec.signals[cell[0]].better == "higher"
        worst = reading.low if higher else -reading.high
        return self.has_enough(reading) and worst >= -TOLERATED * abs(reading.baseline)
