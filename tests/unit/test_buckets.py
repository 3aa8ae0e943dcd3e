"""Quantiles of buckets: one reading of them for reports, judge and page."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.buckets import bucket_of, quantile


def test_a_quantile_is_linear_within_its_bucket() -> None:
    assert quantile(0.95, {0.1: 90, 0.2: 100, math.inf: 100}) == pytest.approx(0.15)


def test_without_observations_there_is_no_quantile_and_beyond_the_bounds_it_is_unknown() -> None:
    assert math.isnan(quantile(0.5, {}))
    assert math.isnan(quantile(0.5, {0.1: 0, math.inf: 0}))
    assert math.isinf(quantile(0.95, {0.1: 90, math.inf: 100}))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_it_inverts_the_cumulative_distribution(counts: list[int], q: float) -> None:
    bounds = [0.01 * 2**k for k in range(len(counts))]
    cumulative = np.cumsum(counts)
    found = quantile(q, dict(zip(bounds, cumulative.tolist(), strict=True)))
    assert np.interp(found, [0, *bounds], [0, *cumulative]) == pytest.approx(q * cumulative[-1])


@pytest.mark.parametrize(
    ("value", "bounds", "bucket"),
    [
        (0.3, (0.1, 0.25, 0.5), (0.25, 0.5)),
        (0.25, (0.1, 0.25, 0.5), (0.1, 0.25)),
        (0.05, (0.1, 0.25), (0.0, 0.1)),
        (0.7, (0.1, 0.5), (0.5, math.inf)),
        (math.inf, (0.1,), (0.1, math.inf)),
        (-3.0, (-1.0, 1.0), (-math.inf, -1.0)),
    ],
)
def test_a_quantile_lies_above_one_bound_and_not_above_the_next(
    value: float, bounds: tuple[float, ...], bucket: tuple[float, float]
) -> None:
    assert bucket_of(value, bounds) == bucket
