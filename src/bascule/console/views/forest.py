"""The interval of a comparison, drawn around zero."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.api.models.verdict import SignalAnswer


@dataclass(frozen=True)
class Forest:
    """An interval drawn around zero: places from 0 to 100, zero at 50, harm always to the right of it."""

    low: float
    middle: float
    high: float


def forest(told: SignalAnswer, better: str) -> Forest | None:
    if told.effect is None or told.effect_low is None or told.effect_high is None:
        return None
    harm = 1 if better == "lower" else -1
    bounds = sorted(harm * bound for bound in (told.effect_low, told.effect_high))
    reach = max(abs(bounds[0]), abs(bounds[1]), abs(told.effect)) or 1.0
    return Forest(*(50 + 46 * bound / reach for bound in (bounds[0], harm * told.effect, bounds[1])))
