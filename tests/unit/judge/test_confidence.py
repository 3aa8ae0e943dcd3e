"""Intervals that are valid at every evaluation: they hold the estimate, shrink, and hardly ever miss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.judge import difference_interval, mean_and_variance, normal_evidence, normal_interval, rate_interval

counts = st.tuples(st.integers(1, 100_000), st.floats(0, 1)).map(
    lambda pair: (float(pair[0]), float(int(pair[0] * pair[1])))
)


@settings(deadline=None)
@given(counts, st.floats(1.05, 9))
def test_a_rate_lies_within_its_interval(pair, phi):
    n, x = pair
    shown = rate_interval(np.array(n), np.array(x), np.array(phi))
    assert 0 <= shown.low <= shown.estimate + 1e-6
    assert shown.estimate - 1e-6 <= shown.high <= 1


@settings(deadline=None)
@given(counts, counts, st.floats(1.05, 9))
def test_a_difference_lies_within_its_interval(one, two, phi):
    shown = difference_interval(*(np.array(value) for value in (*one, *two, phi)))
    assert -1.001 <= shown.low <= shown.high <= 1.001
    assert shown.low <= shown.estimate + 1e-6
    assert shown.estimate <= shown.high + 1e-6


def test_nothing_seen_is_no_interval_rather_than_zero():
    shown = difference_interval(*(np.array(value) for value in (0.0, 0.0, 100.0, 3.0, 1.1)))
    assert np.isnan(shown.low)
    assert np.isnan(shown.high)


def test_intervals_watched_for_an_hour_miss_less_often_than_they_say():
    random = np.random.default_rng(8)
    pairs, missed = 400, np.zeros(400, bool)
    sums = np.zeros((4, pairs))
    for look in range(720):
        n = random.poisson(100, (2, pairs))
        sums += [n[0], random.binomial(n[0], 0.01), n[1], random.binomial(n[1], 0.03)]
        if look % 6 == 0:
            shown = difference_interval(*sums, np.full(pairs, 1.05))
            missed |= (shown.low > 0.02) | (shown.high < 0.02)
    assert missed.mean() <= 0.05


def test_an_interval_of_a_mean_shrinks_with_events_and_rarely_misses():
    random = np.random.default_rng(9)
    stars = random.choice([3.0, 4.0, 5.0], (300, 3000), p=[0.1, 0.4, 0.5])
    n = np.arange(1, 3001.0)
    total, squares = np.cumsum(stars, axis=1), np.cumsum(stars**2, axis=1)
    mean, variance = mean_and_variance(n, total, squares)
    shown = normal_interval(mean, variance, n)
    late = slice(100, None)
    missed = ((shown.low > 4.4) | (shown.high < 4.4))[:, late].any(axis=1)
    assert missed.mean() <= 0.06
    assert np.median(shown.high[:, -1] - shown.low[:, -1]) < np.median(shown.high[:, 300] - shown.low[:, 300])


@settings(deadline=None)
@given(st.floats(0.01, 5), st.floats(1e-6, 1), st.floats(100, 1e6))
def test_the_evidence_of_a_mean_is_the_level_at_which_its_interval_excludes_zero(estimate, variance, events):
    nats = float(normal_evidence(np.array(estimate), np.array(variance), events, 0.01))
    if nats <= 0:
        return
    t = events * float((-2 * np.log(0.01) + np.log(1 - 2 * np.log(0.01))) / 500.0)
    width = np.sqrt(variance * 2 * (t + 1) / t * (np.log(np.sqrt(t + 1)) + nats))
    assert width == pytest.approx(estimate, rel=1e-6)
