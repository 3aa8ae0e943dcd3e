"""What a comparison shows of both versions: a value beyond the buckets that both have is told as over their last."""

from __future__ import annotations

from bascule import figures
from bascule.api.models.verdict import SignalAnswer


def baseline_figure(told: SignalAnswer, unit: str) -> str:
    return _reached(told.baseline, told.baseline_over, unit)


def candidate_figure(told: SignalAnswer, unit: str) -> str:
    return _reached(told.candidate, told.candidate_over, unit)


def interval(told: SignalAnswer, unit: str) -> str:
    """Of the difference; with one end where the other is unknown."""
    low, high = told.effect_low, told.effect_high
    if low is not None and high is not None:
        return figures.between(low, high, unit)
    if low is None and high is None:
        return ""
    return f"at most {figures.difference(high, unit)}" if low is None else f"at least {figures.difference(low, unit)}"


def is_out_of_reach(told: SignalAnswer) -> bool:
    """Whether the candidate is beyond what can be told, and the baseline is not."""
    return told.candidate_over is not None and told.baseline_over is None


def _reached(value: float | None, over: float | None, unit: str) -> str:
    return figures.figure(value, unit) if over is None else figures.over(over, unit)
