"""Gains of late, for rollback triggers such as `accuracy.gain < 5pt`: standardised, in a short window, each look."""

from __future__ import annotations

from collections import deque

import numpy as np

from bascule.judge.evidence.measures import Measures
from bascule.judge.layout import Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.schema import Schema
from bascule.spec.model import Rollback

WINDOW_SECONDS = 30.0  # a trigger looks at so much of the past at each moment
KEPT_SECONDS = 120.0  # beyond the trigger's own time


class Gains:
    """The course of each trigger on a gain. A moment with too little traffic on either version has no value."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._least = least_events(schema)
        self._courses: dict[Rollback, deque[tuple[float, float]]] = {
            rollback: deque() for rollback in schema.spec.rollback if is_gain(rollback) and _is_known(schema, rollback)
        }
        self._window: deque[tuple[float, Floats]] = deque()
        self._sums = np.zeros((2, len(schema.columns)))

    def add(self, look: JointLook, phi: Floats) -> None:
        if not self._courses:
            return
        self._window.append((look.time, look.increments))
        self._sums += look.increments
        while self._window[0][0] <= look.time - WINDOW_SECONDS:
            self._sums -= self._window.popleft()[1]
        measures = Measures(self._schema, self._sums, phi)
        for rollback, course in self._courses.items():
            name = rollback.when.measure.partition(".")[0]
            if min(measures.events(name)) >= self._least:
                course.append((look.time, measures.gain_for(name, rollback.when.threshold).value))
            while course and course[0][0] < look.time - rollback.hold - KEPT_SECONDS:
                course.popleft()

    def course(self, rollback: Rollback) -> tuple[Floats, Floats]:
        """Moments and values."""
        points = np.array(self._courses.get(rollback, ()), dtype=float).reshape(-1, 2)
        return points[:, 0], points[:, 1]


def is_gain(rollback: Rollback) -> bool:
    return rollback.when.measure.endswith(".gain")


def least_events(schema: Schema) -> int:
    """Fewer events in the window say nothing of a trigger's measure."""
    return min(schema.spec.thresholds.min_requests, schema.spec.judge.min_samples)


def _is_known(schema: Schema, rollback: Rollback) -> bool:
    return rollback.when.measure.partition(".")[0] in schema.spec.signals
