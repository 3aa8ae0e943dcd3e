"""Mix-adjusted values: both versions are given the same mix of segments, so that a difference of mix alone shows no
effect.

Each segment that both versions serve weighs n1 + n2, the events of both.
"""

from __future__ import annotations

import numpy as np

from bascule.judge.layout import Floats


def mix_of(events: Floats) -> Floats | None:
    """Weights (strata,) that sum to 1, of events (2, strata); None where the versions share no segment."""
    both = (events > 0).all(axis=0)
    weight = np.where(both, events.sum(axis=0), 0.0)
    return np.asarray(weight / weight.sum()) if both.any() else None


def mix_adjusted(events: Floats, bad: Floats, mix: Floats) -> tuple[Floats, Floats]:
    """Rates (...,) at a mix and their variances (...,), of events and bad events (..., strata).

    One bad and one good event are added for the variance alone.
    """
    shown = mix > 0
    n = np.where(shown, np.maximum(events, 1), 1)
    rates = (np.where(shown, bad / n, 0) * mix).sum(axis=-1)
    smooth = (bad + 1) / (n + 2)
    variance = (np.where(shown, smooth * (1 - smooth) / n, 0) * mix**2).sum(axis=-1)
    return np.asarray(rates), np.asarray(variance)


def pooled(events: Floats, bad: Floats) -> Floats:
    """Each version's own rate (...,) over its strata (..., strata): where there is no common mix."""
    n, x = events.sum(axis=-1), bad.sum(axis=-1)
    return np.where(n > 0, x / np.maximum(n, 1), np.nan)
