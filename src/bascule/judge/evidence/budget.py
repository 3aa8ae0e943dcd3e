"""The false-alarm budget of a phase: how it is shared over the comparisons, and the thresholds that follow."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from bascule.judge.layout import Flags, Floats, Indices
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.schema import Cell, Schema
from bascule.judge.statistics.history import BaselineHistory
from bascule.judge.statistics.weighing import EvidenceThresholds, thresholds

RARE, COMMON = 0.003, 0.6  # a histogram bound is weighed if so much of the baseline lies above it


class Budget:
    """Shares the spec's budget equally over the lines that the plan lets the candidate serve.

    `weighable` (K,): the pairs whose worsening can matter at all.
    """

    def __init__(self, schema: Schema, plan: PlanStep, history: BaselineHistory, weighable: Flags) -> None:
        self._schema, self._plan, self._history, self._weighable = schema, plan, history, weighable
        self._limits: EvidenceThresholds | None = None
        # of each pair; 0: not weighed, as none is before the first evaluation
        self.weights = np.zeros(schema.layout.pairs)

    @cached_property
    def shares(self) -> dict[Cell, float]:
        """Each weighed line's part of the budget: equal ones; the values within a segment share one of them."""
        signals = self._schema.spec.signals
        cells = [cell for cell in self._schema.cells if self._plan.gives(cell[1]) and signals[cell[0]].counters]
        groups = {cell: self._group(*cell) for cell in cells}
        sizes = Counter(groups.values())
        return {cell: 1 / len(sizes) / sizes[group] for cell, group in groups.items()}

    @property
    def limits(self) -> EvidenceThresholds:
        """What each statistic must reach (a natural logarithm), by the history as it was last refreshed."""
        if self._limits is None:
            if not self.weights.any():
                self.weights = self._choose()
            judge = self._schema.spec.judge
            looks_per_hour = 3600 / max(judge.tick, 0.1)
            self._limits = thresholds(self._history.phi, self.weights, judge.false_alarm_budget, looks_per_hour)
        return self._limits

    def refresh(self) -> None:
        """The history has changed."""
        self._limits = None

    def threshold(self, pair: int) -> float:
        """The pair's price of an alarm: ln of 1 / its share of the budget."""
        return self._price(float(self.weights[pair]))

    def mean_threshold(self, cell: Cell) -> float:
        """A mean's price of an alarm (a natural logarithm), by its line's part of the budget."""
        return self._price(self.shares[cell])

    def _choose(self) -> Floats:
        """A line's part equally over the bounds that tell; the history of the first evaluation decides, for all the
        phase."""
        weights = np.zeros(self._schema.layout.pairs)
        for cell, share in self.shares.items():
            pairs = np.array(self._schema.pairs_of(cell), np.intp)
            telling = self._telling(pairs[self._weighable[pairs]])
            weights[telling] = share / max(len(telling), 1)
        return weights

    def _price(self, share: float) -> float:
        return float(-np.log(self._schema.spec.judge.false_alarm_budget * share))

    def _group(self, name: str, line: str) -> tuple[str, str, bool]:
        strata = self._schema.strata[name]
        return name, strata.segment_of(line), strata.is_inner(line)

    def _telling(self, pairs: Indices) -> Indices:
        """Of a histogram's bounds those that some, but not most, of the baseline exceeds, and one hardly any does."""
        layout, history = self._schema.layout, self._history
        events = layout.to_pairs(history.baseline_events)[pairs]
        if len(pairs) <= 1 or not events.any():
            return pairs
        rate = layout.to_pairs(history.rate * history.baseline_events)[pairs] / np.maximum(events, 1)
        telling = np.concatenate((pairs[(rate >= RARE) & (rate <= COMMON)], pairs[rate < RARE][:1]))
        return telling if len(telling) else pairs[-1:]
