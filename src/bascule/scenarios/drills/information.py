"""The information bound: how soon a shift of a share can be found at a traffic, by any test, on average.

Wald: a test that raises a false alarm with probability alpha needs evidence of ln(1 / alpha), and two samples of n1 and
n2 events a second with bad shares p1 and p2 bring n1 KL(p1, p) + n2 KL(p2, p) a second, p being the share of both
together. It knows both shares, and when to begin; no real test does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PIPELINE_SECONDS = 3.0  # scrape, evaluation, posting, delivery: each up to a second


@dataclass(frozen=True)
class Shift:
    """V2's share of bad events goes from `before`, which V1 keeps, to `after`. `traffic`: the part of all requests
    that is concerned."""

    before: float
    after: float
    traffic: float = 1.0


@dataclass(frozen=True)
class Scales:
    """What a drill's house weighs with. `per_second`: requests to each version; `alpha`: false alarms allowed, of one
    comparison."""

    per_second: float
    alpha: float


def information_bound(shift: Shift, scales: Scales) -> float:
    """Seconds on average until a shift can be found, with what it takes to tell it."""
    events = scales.per_second * shift.traffic
    both = (shift.before + shift.after) / 2
    brought = events * (_divergence(shift.before, both) + _divergence(shift.after, both))
    return math.log(1 / scales.alpha) / brought + PIPELINE_SECONDS


def _divergence(p: float, q: float) -> float:
    bad = p * math.log(p / q) if p > 0 else 0.0
    good = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return bad + good
