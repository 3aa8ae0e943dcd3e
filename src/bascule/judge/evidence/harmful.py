"""Which worsenings matter: what an alarm needs besides evidence, as the spec declares it for each signal.

- A share must have risen by its `harmful_increase`.
- Times that count only above their targets: at the bound of the signal's main target (p95), every increase
  counts; at the bound of another target (p50) as soon as more than the target allows lies above it; below, none does.
- Times with an absolute or relative increase: one of the quantiles must have moved by so much.
- A mean must have worsened by so much, or be beyond its target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bascule.judge.evidence.figures import SignalReading, quantile_below
from bascule.judge.evidence.recent import Recent
from bascule.judge.layout import Flags, Floats, Indices
from bascule.judge.sampling.schema import Cell, Schema
from bascule.spec import Spec
from bascule.spec.counters import quantile_of
from bascule.spec.kinds import Signal
from bascule.spec.signals import Role

QUANTILES = (0.5, 0.95, 0.99, 0.999)  # that are compared where a time may rise by so much


class Harmful:
    """What each pair (K,) needs: `increase` of its error ratio, and `floor`, a ratio that it must exceed (inf: never).

    `margins`: the increase of which recovery must show that there is none; 0 where none is declared.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        signals = schema.spec.signals
        self.increase = np.array([signals[pair.signal].harm for pair in schema.pairs])
        self.floor = np.zeros(len(schema.pairs))
        for cell in schema.cells:
            pairs = schema.pairs_of(cell)
            self.floor[pairs] = _floors(schema.spec, cell, [schema.pairs[pair].bound for pair in pairs])
        within = np.isfinite(self.floor) & (self.floor > 0)
        self.margins = np.where(within, self.floor / 2, self.increase)

    @property
    def weighable(self) -> Flags:
        """The pairs whose worsening can matter at all."""
        return np.isfinite(self.floor)

    def pairs(self, recent: Recent) -> Flags:
        """Where the candidate's recent ratio is harmful beside the baseline's."""
        expected, ratio = recent.ratios()
        return np.asarray((ratio - expected >= self.increase) & (ratio >= self.floor))

    def has_moved(self, cell: Cell, pairs: Indices, recent: Recent) -> bool:
        """Whether a recent quantile lies so much higher than the baseline's; true where nothing is declared."""
        signal = self._schema.spec.signals[cell[0]]
        if not signal.harmful.is_amount or signal.buckets is None:
            return True
        bounds = [self._schema.pairs[pair].bound or 0.0 for pair in pairs]
        expected, ratio = (1 - each[pairs] for each in recent.ratios())
        return any(
            candidate - baseline >= signal.harmful.amount(baseline, signal.measured_in)
            for baseline, candidate in _quantiles(signal, bounds, expected, ratio)
        )

    def of_mean(self, cell: Cell, reading: SignalReading) -> bool:
        """Whether a mean is worse by what matters."""
        signal = self._schema.spec.signals[cell[0]]
        sign = -1.0 if signal.better == "higher" else 1.0
        if signal.harmful.above_target and signal.level_target is not None:
            return sign * (reading.candidate - signal.level_target) > 0
        return sign * reading.effect >= signal.harmful.amount(reading.baseline, signal.measured_in)


def _floors(spec: Spec, cell: Cell, bounds: Sequence[float | None]) -> Floats:
    """For each bound of a line the share of the candidate's events above it from which it counts."""
    limits = _limits(spec, cell)
    if not limits or None in bounds or not bounds:
        return np.zeros(len(bounds))
    shown = limits.get(spec.signals[cell[0]].shown, max(limits.values()))
    last = max(bound for bound in bounds if bound is not None)
    return np.array([_floor(float(bound or 0), shown, limits, bound == last) for bound in bounds])


def _floor(bound: float, shown: float, limits: Mapping[str, float], is_last: bool) -> float:
    """The last bound tells all there is to tell of a target beyond it."""
    if bound >= shown or (is_last and bound < min(limits.values())):
        return 0.0
    allowed = [1 - quantile_of(name) for name, limit in limits.items() if limit <= bound]
    return min(allowed, default=math.inf)


def _limits(spec: Spec, cell: Cell) -> Mapping[str, float]:
    """The targets of a line's times by quantile: the segment's own where it has any, else the signal's."""
    name, line = cell
    signal = spec.signals[name]
    if not signal.harmful.above_target:
        return {}
    segment = spec.segments.named.get(line.partition("/")[0])
    if segment is not None and spec.signal_roles[name] is Role.LATENCY:
        own = {quantile: limit for quantile, limit in segment.latency if limit is not None}
        if own:
            return {quantile: signal.measured_in.of_base(limit) for quantile, limit in own.items()}
    return signal.quantile_targets


def _quantiles(
    signal: Signal, bounds: Sequence[float], baseline: Floats, candidate: Floats
) -> list[tuple[float, float]]:
    """Both versions' quantiles, from the shares at or below each bound.

    One that lies beyond the last bound has moved by more than can be told; where the spec does not ask for it, a
    handful of events puts it there, and it counts as that bound.
    """
    shown = {quantile_of(name) for name in (signal.shown, *signal.quantile_targets)}
    found = []
    for quantile in sorted({*QUANTILES, *shown}):
        both = quantile_below(bounds, baseline, quantile), quantile_below(bounds, candidate, quantile)
        found.append(both if quantile in shown else (min(both[0], bounds[-1]), min(both[1], bounds[-1])))
    return found
