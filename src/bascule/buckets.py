"""Quantiles of a distribution that is known by its buckets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence


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


def bucket_of(value: float, bounds: Sequence[float]) -> tuple[float, float]:
    """The bucket that holds a quantile: all that is known of it is that it lies above the one, and not above the other.

    `bounds`: finite and rising, at least one.
    """
    place = bisect_left(bounds, value)
    lowest = 0.0 if bounds[0] > 0 else -math.inf
    return bounds[place - 1] if place else lowest, bounds[place] if place < len(bounds) else math.inf


def pooled(layouts: Iterable[Mapping[float, float]]) -> dict[float, float]:
    """Cumulative counts of histograms whose bounds differ, added: each is linear between two of its own bounds.

    Beyond its last finite bound a histogram tells nothing: up to infinity no more is counted of it.
    """
    known = [sorted(layout.items()) for layout in layouts if layout]
    bounds = sorted({bound for layout in known for bound, _ in layout})
    return {bound: sum(_at(bound, layout) for layout in known) for bound in bounds}


def _at(bound: float, layout: list[tuple[float, float]]) -> float:
    lower, below = 0.0, 0.0
    for upper, count in layout:
        if bound == upper:
            return count
        if bound < upper:
            return (
                below if math.isinf(upper) or bound < 0 else below + (count - below) * (bound - lower) / (upper - lower)
            )
        lower, below = upper, count
    return below
