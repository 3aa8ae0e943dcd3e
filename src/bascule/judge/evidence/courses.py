"""What rollback triggers read: a signal's figure over the last 30 s, at each evaluation, as long as its trigger needs
it."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from bascule.judge.evidence.measures import Measures
from bascule.judge.layout import Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.schema import Schema
from bascule.spec.model import Rollback

WINDOW_SECONDS = 30.0
KEPT_SECONDS = 120.0  # beyond the trigger's own time


class Courses:
    """The course of each trigger on a signal. A moment with too few events in its window has no value."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._least = min(schema.spec.thresholds.min_requests, schema.spec.judge.min_samples)
        self._points: dict[Rollback, deque[tuple[float, float]]] = {
            rollback: deque() for rollback in schema.spec.rollback if _is_counted(schema, rollback)
        }
        self._window: deque[tuple[float, Floats]] = deque()
        self._sums = np.zeros((2, len(schema.columns)))

    def add(self, look: JointLook, phi: Floats) -> None:
        """Note every trigger's figure at this evaluation; `phi` (K,)."""
        if not self._points:
            return
        self._slide(look)
        measures = Measures(self._schema, self._sums, phi)
        for rollback, points in self._points.items():
            value = self._value(rollback, measures)
            if not math.isnan(value):
                points.append((look.time, value))
            while points and points[0][0] < look.time - rollback.hold - KEPT_SECONDS:
                points.popleft()

    def of(self, rollback: Rollback) -> tuple[Floats, Floats]:
        """Moments (n,), Unix seconds, and values (n,) in the signal's unit."""
        points = np.array(self._points.get(rollback, ()), dtype=float).reshape(-1, 2)
        return points[:, 0], points[:, 1]

    def _slide(self, look: JointLook) -> None:
        self._window.append((look.time, look.increments))
        self._sums += look.increments
        while self._window[0][0] <= look.time - WINDOW_SECONDS:
            self._sums -= self._window.popleft()[1]

    def _value(self, rollback: Rollback, measures: Measures) -> float:
        name, _, statistic = rollback.when.measure.partition(".")
        baseline, candidate = measures.events(name)
        if is_gain(rollback):
            enough = min(baseline, candidate) >= self._least
            return measures.gain_for(name, rollback.when.threshold).value if enough else math.nan
        return measures.value(name, statistic) if candidate >= self._least else math.nan


def is_gain(rollback: Rollback) -> bool:
    """Whether a trigger reads a gain over the baseline."""
    return rollback.when.measure.endswith(".gain")


def _is_counted(schema: Schema, rollback: Rollback) -> bool:
    signal = schema.spec.signals.get(rollback.when.measure.partition(".")[0])
    return signal is not None and bool(signal.counters)
