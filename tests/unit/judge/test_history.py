"""What is learnt from the past: the baseline's rate, and how bursty bad events are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.judge import PHI_FLOOR, PHI_PRIOR, PHI_SAFETY, BaselineHistory, EventCounts, PairLayout

PRIOR = 1 + PHI_SAFETY * (PHI_PRIOR - 1)


def learnt(
    size: float, blocks: int = 360, pairs: int = 200, rate: float = 0.01, layout: PairLayout | None = None
) -> BaselineHistory:
    """A history of bad events in geometric bursts of mean `size`, each within a block."""
    random = np.random.default_rng(int(size * 10))
    history = BaselineHistory(PairLayout.plain(pairs))
    zero = np.zeros(history.layout.strata)
    for _ in range(blocks):
        n = np.full(history.layout.strata, 400.0)
        bursts = random.poisson(n * rate / size)
        extra = np.where(bursts > 0, random.negative_binomial(np.maximum(bursts, 1), 1 / size), 0) if size > 1 else 0
        history.add_block(EventCounts(n, bursts + extra, zero, zero))
    history.refresh()
    return history


@pytest.mark.parametrize(("size", "phi"), [(1, 1), (2, 3), (5, 9)])
def test_the_burstiness_of_an_hour_is_found_and_erred_on_the_safe_side(size, phi):
    found = learnt(size).phi
    assert phi - 0.05 <= np.median(found) <= 1 + PHI_SAFETY * 1.45 * (phi - 1) + 0.4
    assert (found >= phi * 0.85).mean() > 0.97


def test_a_history_without_a_bad_event_assumes_the_prior_and_no_worse():
    history = learnt(1, rate=0.0, blocks=6, pairs=1)
    assert history.phi[0] == pytest.approx(PRIOR, rel=0.02)


def test_a_segment_without_bad_events_leans_on_the_bursts_of_its_signal():
    """Three segments of one signal; two are bursty, the third has not failed yet."""
    random = np.random.default_rng(4)
    history = BaselineHistory(PairLayout(np.arange(3), np.zeros(3, np.intp)))
    alone = BaselineHistory(PairLayout.plain(3))
    zero = np.zeros(3)
    for _ in range(360):
        bursts = random.poisson([0.8, 0.8, 0.0])
        bad = bursts + np.where(bursts > 0, random.negative_binomial(np.maximum(bursts, 1), 1 / 5), 0)
        for each in (history, alone):
            each.add_block(EventCounts(np.full(3, 400.0), bad.astype(float), zero, zero))
    history.refresh()
    alone.refresh()
    assert history.phi[2] > 7
    assert alone.phi[2] == pytest.approx(PRIOR, rel=0.05)


def test_the_rate_is_the_share_of_bad_events_and_its_bound_is_above():
    history = learnt(1)
    assert np.median(history.rate) == pytest.approx(0.01, rel=0.05)
    assert (history.upper > 0.01).mean() > 0.95
    assert (history.upper < 0.013).all()


def test_a_baseline_without_traffic_is_frozen():
    """At 100 % V1 serves nothing; a day later its rate is still what it was."""
    history = learnt(1)
    before = history.rate.copy()
    zero, some = np.zeros(200), np.full(200, 400.0)
    for _ in range(8640):
        history.add_block(EventCounts(zero, zero, some, zero))
    history.refresh()
    assert history.rate == pytest.approx(before)


def test_blocks_are_closed_every_ten_seconds_whatever_the_looks():
    history = BaselineHistory(PairLayout.plain(1))
    one = np.ones(1)
    closed = [history.collect(EventCounts(one, one * 0, one, one * 0), 3.0) for _ in range(8)]
    assert closed == [False, False, False, True, False, False, False, True]


def test_a_burstier_candidate_makes_the_judge_more_careful_but_not_at_once():
    """Its blocks enter two blocks late, so that a regression does not hide itself."""
    history = learnt(1, pairs=1)
    calm = history.phi[0]
    zero, n = np.zeros(1), np.full(1, 400.0)
    courses = []
    for number in range(40):
        bad = 20.0 if number % 8 == 0 else 0.0
        history.add_block(EventCounts(n, np.full(1, 4.0), n, np.full(1, bad)))
        history.refresh()
        courses.append(history.phi[0])
    assert courses[0] == pytest.approx(calm, rel=0.05)
    assert courses[-1] > 3 * calm
    assert zero[0] == 0


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1)), min_size=1, max_size=30))
def test_estimates_stay_sound_whatever_the_blocks(blocks):
    history = BaselineHistory(PairLayout.plain(1))
    for events, share in blocks:
        n, x = np.full(1, float(events)), np.full(1, float(int(events * share)))
        history.add_block(EventCounts(n, x, n, x))
        history.refresh()
        assert 0 < history.rate[0] <= history.upper[0] <= 0.95
        assert np.isfinite(history.phi[0])
        assert history.phi[0] >= PHI_FLOOR
