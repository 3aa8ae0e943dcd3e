"""Quantiles of a distribution that is known by its buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping


def quantile(q: float, cumulative: Mapping[float, float]) -> float:
    """The quantile of cumulative counts by upper bound, linear within a bucket as histogram_quantile has it.

    The highest bound counts all observations. In the bounds' unit; NaN without observations, infinity where it lies
    beyond the last finite bound.
    """
    if not cumulative or cumulative[max(cumulative)] <= 0:
        return math.nan
    rank, lower, below = q * cumulative[max(cumulative)], 0.0, 0.0
    for bound, count in sorted(cumulative.items()):
        if count >= rank and count > below:
            return bound if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, count
    return math.inf
