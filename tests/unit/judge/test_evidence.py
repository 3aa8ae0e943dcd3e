"""The evidence: what is proven about it is checked on its formulas, not on samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import nbinom

from bascule.judge import (
    CLIP,
    CROWD,
    CROWD_PAIRS,
    EFFECTS,
    G0,
    BaselineHistory,
    EventCounts,
    Evidence,
    Look,
    PairLayout,
    against_history,
    decide,
    log_rising,
    mean_of,
    required_guard,
    side_by_side,
    thresholds,
)

positive = st.floats(1e-3, 1e5)
phis = st.floats(1.05, 20)
shares = st.floats(0.01, 0.99)


def counts(n1: float, x1: float, n2: float, x2: float) -> EventCounts:
    return EventCounts(*(np.array([float(value)]) for value in (n1, x1, n2, x2)))


def known_history(pairs: int, rate: float = 0.01, phi_blocks: int = 360, events: float = 400.0) -> BaselineHistory:
    random = np.random.default_rng(5)
    history = BaselineHistory(PairLayout.plain(pairs))
    zero = np.zeros(pairs)
    for _ in range(phi_blocks):
        n = random.poisson(events, pairs).astype(float)
        history.add_block(EventCounts(n, random.poisson(n * rate).astype(float), zero, zero))
    history.refresh()
    return history


@given(positive, st.floats(0, 1e5))
def test_log_rising_is_the_difference_of_two_log_gammas(start, steps):
    exact = gammaln(start + steps) - gammaln(start)
    assert log_rising(np.array(start), np.array(steps)) == pytest.approx(exact, abs=1e-5 + 1e-9 * abs(exact))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 20), st.integers(0, 20))
def test_with_independent_errors_the_evidence_is_the_likelihood_ratio_of_the_split(n1, n2, x1, x2):
    rho = n2 / (n1 + n2)
    expected = x2 * np.log(EFFECTS) - (x1 + x2) * np.log(1 + rho * (EFFECTS - 1))
    got = side_by_side(counts(n1, x1, n2, x2), np.array([1 + 1e-9]))[:, 0]
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(shares, phis)
def test_a_burst_of_either_version_is_worth_one_in_expectation(rho, phi):
    """E[exp(evidence)] = 1 over burst sizes and over which version it hits: the supermartingale's equation."""
    sizes = np.arange(1, 4000)
    mass = nbinom.logpmf(sizes - 1, 1, 2 / (phi + 1))  # geometric, mean (phi + 1) / 2
    n1, n2 = np.full(len(sizes), 1 - rho), np.full(len(sizes), rho)
    zero, bad = np.zeros(len(sizes)), sizes.astype(float)
    on_v2 = side_by_side(EventCounts(n1, zero, n2, bad), np.full(len(sizes), phi))
    on_v1 = side_by_side(EventCounts(n1, bad, n2, zero), np.full(len(sizes), phi))
    for two, one in zip(on_v2, on_v1, strict=True):
        worth = rho * np.exp(mass + two) + (1 - rho) * np.exp(mass + one)
        assert worth.sum() == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.floats(10, 2000), st.floats(0.0005, 0.05), phis)
def test_against_history_is_worth_one_in_expectation_at_the_upper_bound(events, upper, phi):
    """With bursty counts (NB1) at exactly the bound, E[exp(evidence)] = 1 for every effect."""
    start = events * upper / (phi - 1)
    bad = np.arange(0, int(200 + 400 * events * upper * phi))
    mass = nbinom.logpmf(bad, start + 1e-9, 1 / phi)
    one = np.ones(len(bad))
    nats = against_history(events * one, bad.astype(float), upper * one, phi * one, EFFECTS[:2])
    for row in nats:
        assert np.exp(mass + row).sum() <= 1.01


def test_a_version_without_traffic_says_nothing():
    for n1, x1, n2, x2 in ((100, 7, 0, 0), (0, 0, 100, 7), (0, 0, 0, 0)):
        assert side_by_side(counts(n1, x1, n2, x2), np.array([1.5])) == pytest.approx(0, abs=1e-9)


def test_no_single_look_adds_more_than_the_clip_side_by_side():
    evidence = Evidence(known_history(1))
    look = evidence.add(counts(1000, 0, 1000, 900), 1.0)
    assert look.since_start[0] <= CLIP
    assert look.change[0] <= CLIP
    assert look.guard.max() <= CLIP


def test_strata_are_weighed_apart_and_then_added():
    """A total's evidence is the sum over its segments; pooling the counts would give another number."""
    layout = PairLayout(np.array([0, 1, 2, 2]), *np.zeros((2, 3), np.intp))
    history = BaselineHistory(layout)
    parts = [(900.0, 2.0, 100.0, 3.0), (100.0, 20.0, 900.0, 160.0)]
    look = Evidence(history).add(EventCounts(*np.array([*parts, *parts]).T.copy()), 1.0)
    phi = history.phi[2:3]
    apart = sum(side_by_side(counts(*part), phi)[:, 0] for part in parts)
    pooled = side_by_side(counts(*np.sum(parts, axis=0)), phi)[:, 0]
    assert look.guard[:, 2] == pytest.approx(np.minimum(apart, CLIP))
    assert not np.allclose(apart, pooled)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_many_pairs_at_once_are_weighed_as_each_alone(seed):
    random = np.random.default_rng(seed)
    table = random.poisson(np.array([40.0, 0.6, 40.0, 1.5])[:, None, None], (4, 30, 5)).astype(float)
    history = known_history(5, phi_blocks=60)
    together = _looks(history, table)
    for pair in range(5):
        single = _looks(_restricted(history, pair), table[:, :, pair : pair + 1])
        assert single.since_start[0] == pytest.approx(together.since_start[pair])
        assert single.history[:, 0] == pytest.approx(together.history[:, pair])
        assert single.guard[:, 0] == pytest.approx(together.guard[:, pair])


def _looks(history: BaselineHistory, table: np.ndarray) -> Look:
    evidence = Evidence(history)
    return [evidence.add(EventCounts(*row), 1.0) for row in table.transpose(1, 0, 2)][-1]


def _restricted(history: BaselineHistory, pair: int) -> BaselineHistory:
    alone = BaselineHistory(PairLayout.plain(1))
    alone.phi, alone.upper, alone.rate = history.phi[pair : pair + 1], history.upper[pair : pair + 1], history.rate
    return alone


def test_identical_versions_leave_the_evidence_low_and_a_regression_lifts_it():
    random = np.random.default_rng(11)
    history = known_history(50)
    evidence = Evidence(history)
    limits = thresholds(history.phi, np.full(50, 1 / 50), 0.01, 3600)
    same = random.poisson(np.array([20, 0.2, 20, 0.2])[:, None, None], (4, 120, 50)).astype(float)
    for row in same.transpose(1, 0, 2):
        assert (decide(evidence.add(EventCounts(*row), 1.0), limits) < 0).all()
    worse = random.poisson(np.array([20, 0.2, 20, 2.0])[:, None, None], (4, 60, 50)).astype(float)
    found = [decide(evidence.add(EventCounts(*row), 1.0), limits) >= 0 for row in worse.transpose(1, 0, 2)]
    assert np.any(found, axis=0).all()
    assert np.median(np.argmax(found, axis=0)) < 20


def test_an_incident_of_both_versions_is_not_blamed_on_the_candidate():
    random = np.random.default_rng(12)
    history = known_history(200)
    evidence, blamed = Evidence(history), np.zeros(200, bool)
    limits = thresholds(history.phi, np.full(200, 1.0), 0.01, 3600)
    both = random.poisson(np.array([20, 2.0, 20, 2.0])[:, None, None], (4, 120, 200)).astype(float)
    for row in both.transpose(1, 0, 2):
        blamed |= decide(evidence.add(EventCounts(*row), 1.0), limits, sets=200) >= 0
    assert blamed.mean() <= 0.03


def test_a_restart_forgets_one_pair_and_leaves_the_others():
    evidence = Evidence(known_history(2))
    bad = EventCounts(*(np.full(2, value) for value in (20.0, 0.0, 20.0, 9.0)))
    before = [evidence.add(bad, 1.0) for _ in range(3)][-1]
    evidence.restart(np.array([True, False]))
    after = evidence.add(EventCounts.zeros(2), 1.0)
    assert after.since_start[0] == pytest.approx(0)
    assert after.history[:, 0].max() <= 0
    assert after.since_start[1] == pytest.approx(before.since_start[1])


def test_a_pair_without_a_share_of_the_budget_never_alarms():
    limits = thresholds(np.array([1.1, 1.1]), np.array([1.0, 0.0]), 0.01, 3600)
    assert np.isinf(limits.history[1])
    assert np.isinf(limits.since_start[1])


@given(st.floats(1e-6, 0.5), st.floats(1e-4, 1), phis)
def test_a_smaller_budget_or_share_asks_for_more_evidence(budget, weight, phi):
    here = thresholds(np.array([phi]), np.array([weight]), budget, 3600)
    dearer = thresholds(np.array([phi]), np.array([weight / 2]), budget / 2, 3600)
    assert dearer.history[0] == pytest.approx(here.history[0] + 2 * np.log(2))
    assert dearer.change[0] == pytest.approx(here.change[0] + 2 * np.log(2))


@settings(deadline=None)
@given(st.lists(st.one_of(st.just(-np.inf), st.floats(-5, 12)), min_size=1, max_size=12), st.data())
def test_the_guard_is_e_bh_over_the_pairs_that_moved(levels, data):
    level = np.array(levels)
    moved = np.isfinite(level) | np.array(data.draw(st.lists(st.booleans(), min_size=len(level), max_size=len(level))))
    needed = required_guard(level[None], moved[None])[0]
    many = max(int(moved.sum()), 1)
    order = np.sort(level)[::-1]
    crowd = [CROWD * max(np.log(many / k / CROWD_PAIRS), 0) for k in range(1, len(order) + 1)]
    passing = [k for k, value in enumerate(order, start=1) if value >= G0 + max(np.log(many / k), 0) + crowd[k - 1]]
    expected = level >= order[passing[-1] - 1] if passing else np.zeros(len(level), bool)
    assert ((level >= needed) == expected).all()


def test_sets_are_judged_apart():
    """One set's many moved pairs do not raise the guard of another."""
    rng = np.random.default_rng(3)
    history, guard = rng.uniform(0, 30, (len(EFFECTS), 12)), rng.uniform(0, 9, (len(EFFECTS), 12))
    look = Look(np.zeros(12), np.zeros(12), history, guard, np.zeros(12))
    limits = thresholds(np.full(12, 1.2), np.full(12, 1 / 6), 0.01, 3600)
    both = decide(look, limits, sets=2)
    for part in (slice(0, 6), slice(6, 12)):
        half = Look(np.zeros(6), np.zeros(6), history[:, part], guard[:, part], np.zeros(6))
        alone = thresholds(np.full(6, 1.2), np.full(6, 1 / 6), 0.01, 3600)
        assert both[part] == pytest.approx(decide(half, alone))


@given(st.lists(st.floats(-50, 50), min_size=5, max_size=5))
def test_the_mean_of_e_values_lies_between_their_largest_and_a_fifth_of_it(nats):
    column = np.array(nats)[:, None]
    assert max(nats) - np.log(5) - 1e-9 <= mean_of(column)[0] <= max(nats) + 1e-9


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_evidence_stays_finite_on_absurd_counts(seed):
    random = np.random.default_rng(seed)
    evidence = Evidence(known_history(3, phi_blocks=5))
    for scale in (0, 1, 1e3, 1e8):
        n = random.integers(0, int(scale) + 1, (2, 3)).astype(float)
        x = np.floor(n * random.random((2, 3)))
        look = evidence.add(EventCounts(n[0], x[0], n[1], x[1]), 1.0)
        for values in (look.since_start, look.change, look.history, look.guard, look.baseline_moved):
            assert np.isfinite(values).all()
