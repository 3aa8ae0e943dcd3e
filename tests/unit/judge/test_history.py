"""What is learnt from the past: the baseline's rate, and how bursty bad events are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.judge import (
    LEARNED_SINGLES,
    PHI_FLOOR,
    PHI_SAFETY,
    UNKNOWN_PHI,
    BaselineHistory,
    EventCounts,
    PairLayout,
)

UNKNOWN = 1 + PHI_SAFETY * (UNKNOWN_PHI - 1)
NOTHING = np.zeros(1)


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


def of_one_pair(baseline: list[float], candidate: list[float] | None = None) -> BaselineHistory:
    """Blocks of 400 events each with so many bad ones."""
    history = BaselineHistory(PairLayout.plain(1))
    n = np.full(1, 400.0)
    for number, bad in enumerate(baseline):
        theirs = (n, np.full(1, candidate[number])) if candidate else (NOTHING, NOTHING)
        history.add_block(EventCounts(n, np.full(1, bad), *theirs))
    history.refresh()
    return history


def test_while_no_bad_event_has_shown_whether_they_come_in_bursts_bursts_are_assumed():
    history = of_one_pair([0.0] * 6)
    assert history.phi[0] == pytest.approx(UNKNOWN, rel=0.02)
    assert history.is_learning.all()


def test_a_few_single_bad_events_show_that_there_are_no_bursts():
    courses = [of_one_pair([1.0, 0.0] * singles + [0.0]) for singles in range(LEARNED_SINGLES + 1)]
    assert [bool(each.is_learning[0]) for each in courses] == [True] * LEARNED_SINGLES + [False]
    phis = [each.phi[0] for each in courses]
    assert phis == sorted(phis, reverse=True)
    assert of_one_pair([1.0, *[0.0] * 29] * 12).phi[0] < 1.5


def test_bad_events_that_lie_together_show_that_there_are_bursts():
    for twice in ([4.0, 0.0], [3.0, 1.0]):  # four at a time, in one block and over two: two are too few to be sure
        history = of_one_pair([*[0.0] * 20, *twice] * 2)
        assert history.phi[0] == pytest.approx(UNKNOWN, rel=0.02)
        assert history.is_learning.all()
    many = of_one_pair([*[0.0] * 20, 5.0, 0.0] * 6)
    assert many.phi[0] > 5
    assert not many.is_learning.any()


def test_what_the_candidate_has_shown_ends_the_learning_where_the_baseline_has_shown_nothing():
    history = of_one_pair([0.0] * 40, [1.0, 0.0, 0.0, 0.0] * 10)
    assert not history.is_learning.any()
    assert history.phi[0] < UNKNOWN / 2


def test_a_segment_without_bad_events_leans_on_the_bursts_of_its_signal():
    """Three segments of one signal; two are bursty, the third has not failed yet."""
    random = np.random.default_rng(4)
    history = BaselineHistory(PairLayout(np.arange(3), *np.zeros((2, 3), np.intp)))
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
    assert alone.phi[2] == pytest.approx(UNKNOWN, rel=0.05)


def test_a_bound_that_nobody_has_exceeded_leans_on_the_bursts_at_the_bounds_below_it():
    """Who exceeds it has exceeded those too: the bursts are at most as large."""
    history = BaselineHistory(PairLayout(np.arange(2), np.arange(2), np.zeros(2, np.intp)))
    random, zero = np.random.default_rng(4), np.zeros(2)
    for _ in range(60):
        history.add_block(EventCounts(np.full(2, 400.0), np.array([random.poisson(8.0), 0.0]), zero, zero))
    history.refresh()
    assert not history.is_learning.any()
    assert history.phi[1] == pytest.approx(history.phi[0])


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
