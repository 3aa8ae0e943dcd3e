"""Counters that contradict each other: more good events than events. Their ratio is above 1, and is not clipped."""

from __future__ import annotations

import numpy as np

from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.schema import Schema
from bascule.judge.texts import share_text, span_text
from bascule.spec.counters import EVENTS
from bascule.states import Cause, Missing

BLOCK_SECONDS = 60.0  # a contradiction of a while is not made good by what comes later
IN_FLIGHT = 3.0  # events that one counter may be ahead of the other, of a block
TOLERATED = 0.005  # of all events


class Contradictions:
    """Of every signal that counts good events, block by block, within one phase."""

    def __init__(self, schema: Schema) -> None:
        self._versions = schema.spec.versions.both
        counting = {name: signal.amount for name, signal in schema.spec.signals.items() if signal.counts_good}
        self._columns = {
            name: tuple(schema.columns_of(name, part, schema.strata[name].leaves) for part in (EVENTS, amount))
            for name, amount in counting.items()
            if amount is not None
        }
        self._block = dict.fromkeys(self._columns, np.zeros((2, 2)))  # [version, events and good events]
        self._events = dict.fromkeys(self._columns, np.zeros(2))
        self._excess = dict.fromkeys(self._columns, np.zeros(2))
        self._in_block = self._seconds = 0.0

    def add(self, look: JointLook) -> None:
        """An evaluation of this phase."""
        self._in_block += look.seconds
        self._seconds += look.seconds
        for name, columns in self._columns.items():
            came = np.stack([look.increments[:, own].sum(axis=1) for own in columns], axis=1)
            self._block[name] = self._block[name] + came
            self._events[name] = self._events[name] + came[:, 0]
        if self._in_block >= BLOCK_SECONDS:
            self._end_block()

    @property
    def problems(self) -> dict[str, Missing]:
        """By signal."""
        found = {}
        for name, block in self._block.items():
            excess, events = self._excess[name] + _excess(block), self._events[name]
            for version in (BASELINE, CANDIDATE):
                if excess[version] > TOLERATED * events[version]:
                    found[name] = self._problem(version, float(excess[version]), float(events[version]))
        return found

    def _end_block(self) -> None:
        self._in_block = 0.0
        for name, block in self._block.items():
            self._excess[name] = self._excess[name] + _excess(block)
            self._block[name] = np.zeros((2, 2))

    def _problem(self, version: int, excess: float, events: float) -> Missing:
        share = share_text(excess / events) if events > 0 else "all of them"
        name = self._versions[version]
        what = f"more good events than events of {name}: {share} over {span_text(self._seconds)}"
        return Missing(Cause.CONTRADICTION, what, name)


def _excess(block: Floats) -> Floats:
    """Good events beyond all events and what may be in flight, by version (2,)."""
    more = block[:, 1] - block[:, 0]
    return np.where(more > IN_FLIGHT, more, 0.0)
