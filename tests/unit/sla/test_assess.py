"""Promises held against windows: sums first, states as they were promised, nothing from nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.buckets import quantile
from bascule.sla import (
    Calendar,
    EventGroup,
    Events,
    GrowthCounts,
    Rules,
    SlaOutcome,
    SlaState,
    Together,
    assess,
    budget,
    cut,
    is_breached,
    judged,
    moments,
    silent_seconds,
    under,
    unresolved,
    worst,
)
from bascule.slo import Goal, SloKind
from bascule.states import Cause
from bascule.units import unit_of

RULES = Rules(warning=0.9, recovery=900, least_events=0)
UP = Goal(SloKind.AVAILABILITY, 0.999, "99.9%")
ERRORS = Goal(SloKind.CEILING, 0.99, "< 1%", 0.01)
FAST_ENOUGH = Goal(SloKind.LATENCY, 0.95, "95% < 250ms", 0.25, 0.95)
FAST = Goal(SloKind.LATENCY, 0.95, "95% < 100ms", 0.1, 0.95)
PIECES = cut(0, 36000, 60)  # ten hours


def events(bad, total=1000.0, pieces=PIECES):
    bad = np.resize(np.asarray(bad, dtype=float), len(pieces))
    whole = np.full(len(pieces), float(total))
    return Events(pieces, whole - bad, whole)


def of(promise, happened, windows=((0, 36000),), endings=((0, 36000),), rules=RULES):
    return assess(promise, happened, windows, endings, rules)


def short_windows(span, window, interval, bad_at):
    """An assessment of rolling windows, in a span with ten bad minutes."""
    pieces = cut(0, span, interval, [span - window, window], [window])
    bad = (pieces.edges[1:] > bad_at) & (pieces.edges[:-1] < bad_at + 600)
    happened = events(np.where(bad, 500.0, 0.0), pieces=pieces)
    windows = judged("rolling", window, pieces, Calendar(ZoneInfo("UTC")))
    return pieces, happened, of(ERRORS, happened, windows, [(span - window, span)])


def test_a_breach_long_before_the_last_short_window_is_found():
    _, _, found = short_windows(30 * 86400, 1800, 15, bad_at=10 * 86400)
    assert found.outcome is SlaOutcome.FAIL
    assert 10 * 86400 < found.deciding.end < 10 * 86400 + 4000


@pytest.mark.parametrize(("bad_at", "outcome"), [(10 * 86400, SlaOutcome.NO_DATA), (30 * 86400 - 300, SlaOutcome.FAIL)])
def test_last_windows_alone_are_never_a_pass(bad_at, outcome):
    """Windows of five minutes in a month are shorter than what it is read in."""
    pieces, happened, found = short_windows(30 * 86400, 300, 15, bad_at)
    assert not pieces.tell(300)
    told = unresolved(found, happened.over(ERRORS, 0, 30 * 86400))
    assert told.outcome is outcome
    assert (told.deciding.cause is Cause.WINDOW) == (outcome is SlaOutcome.NO_DATA)


def test_numerators_and_denominators_are_summed_never_ratios_averaged():
    """An hour of 10 requests all failed beside an hour of 990 fine ones is 1 %, not 50 %."""
    pieces = cut(0, 7200, 720)
    total = np.where(pieces.edges[1:] <= 3600, 10.0, 990.0) / 2
    bad = np.where(pieces.edges[1:] <= 3600, total, 0.0)
    figure = Events(pieces, total - bad, total).over(ERRORS, 0, 7200)
    assert figure.value == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("bad", "outcome", "standing"),
    [
        (0, SlaOutcome.PASS, SlaState.OK),
        (8.9, SlaOutcome.PASS, SlaState.OK),
        (9, SlaOutcome.PASS, SlaState.WARNING),  # 0.9 %: 90 % of a ceiling
        (10, SlaOutcome.PASS, SlaState.WARNING),  # exactly at it is kept
        (10.1, SlaOutcome.FAIL, SlaState.CRITICAL),
    ],
)
def test_a_ceiling_warns_at_90_percent_of_itself(bad, outcome, standing):
    found = of(ERRORS, events(bad))
    assert (found.outcome, found.standing) == (outcome, standing)


@pytest.mark.parametrize(("bad", "standing"), [(0.89, SlaState.OK), (0.91, SlaState.WARNING), (1.1, SlaState.CRITICAL)])
def test_availability_warns_at_90_percent_of_its_budget_not_at_89_percent_of_itself(bad, standing):
    assert of(UP, events(bad)).standing is standing


@pytest.mark.parametrize(
    ("share", "standing"), [(0.95, SlaState.WARNING), (0.99, SlaState.OK), (0.94, SlaState.CRITICAL)]
)
def test_a_response_time_warns_at_90_percent_of_its_limit(share, standing):
    total = np.full(len(PIECES), 1000.0)
    buckets = {0.05: total * 0.94, 0.1: total * share, 1.0: total, math.inf: total}
    assert of(FAST, Events(PIECES, buckets[0.1], total, (buckets,))).standing is standing


def test_services_count_the_same_whatever_their_targets_and_however_long_they_were_watched():
    """Down half of its time is half, of a service with ten targets, or of one that came in the last hour."""
    half = events(500, 1000)
    large = events(0, 10_000)
    late = Events(PIECES, *(np.where(PIECES.edges[1:] > 32400, row, 0.0) for row in (half.good, half.total)))
    never = events(0, 0)
    together = Together.of(PIECES, [large, half, late, never])
    assert together.over(UP, 0, 36000).value == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert together.over(UP, 0, 32400).value == pytest.approx((1 + 0.5) / 2)
    assert together.over(UP, 0, 36000).spent == pytest.approx((1 / 3) / 0.001)
    assert Together.of(PIECES, []).over(UP, 0, 36000).value is None


def test_no_events_are_no_data_and_never_a_pass():
    found = of(ERRORS, events(0, total=0))
    assert (found.outcome, found.standing, found.deciding) == (SlaOutcome.NO_DATA, SlaState.NO_DATA, None)


def test_too_few_events_decide_nothing():
    """One error in five requests is no breach of 1 %."""
    found = of(ERRORS, events(0.2, total=1), rules=Rules(0.9, 900, 10_000))
    assert found.outcome is SlaOutcome.NO_DATA


def test_a_breach_in_the_last_quarter_of_an_hour_is_recovering():
    breached, kept = (0, 18000), (18000, 36000)
    happened = events(np.where(PIECES.edges[1:] <= 18000, 100, 0))
    assert of(ERRORS, happened, endings=[breached, kept]).standing is SlaState.RECOVERING
    assert of(ERRORS, happened, endings=[kept]).standing is SlaState.OK


def test_the_worst_window_decides_and_is_shown():
    happened = events(np.where(PIECES.edges[1:] <= 3600, 50, 1))
    windows = [(start, start + 3600) for start in range(0, 36000, 3600)]
    found = of(ERRORS, happened, windows)
    assert (found.outcome, found.breaches, found.windows) == (SlaOutcome.FAIL, 1, 10)
    assert (found.deciding.start, found.deciding.value) == (0, pytest.approx(0.05))


def test_the_budget_says_what_is_left_how_fast_it_goes_and_when_it_ends():
    happened = events(5)  # half of 1 %
    left = budget(ERRORS, happened, happened.over(ERRORS, 0, 36000), window=86400)
    assert left.left == pytest.approx(0.5)
    assert [burn.rate for burn in left.burns] == [pytest.approx(0.5)] * 2
    assert left.exhausted_in == pytest.approx(0.5 * 86400 / 0.5)


def test_nothing_bad_never_exhausts_a_budget():
    happened = events(0)
    assert budget(ERRORS, happened, happened.over(ERRORS, 0, 36000), 86400).exhausted_in is None


def test_worst_moments_are_stretches_the_most_costly_first():
    shape = np.zeros(len(PIECES))
    shape[10:13], shape[40:50] = 500, 100
    first, second = moments(ERRORS, events(shape))
    assert (first.start, first.end, first.bad) == (PIECES.edges[10], PIECES.edges[13], 1500)
    assert (second.end - second.start, second.bad) == (10 * PIECES.step, 1000)


def test_a_limit_between_two_bounds_lies_between_their_counts():
    total = np.full(len(PIECES), 100.0)
    counts = {0.05: total * 0.5, 0.15: total * 0.9, math.inf: total}
    assert under(counts, 0.1) == (pytest.approx(total * 0.5), pytest.approx(total * 0.9))
    assert under(counts, 0.15) == (pytest.approx(total * 0.9), pytest.approx(total * 0.9))
    assert under(counts, 1.0) == (pytest.approx(total * 0.9), pytest.approx(total))


def layout(*bounds, at):
    """Counts of a histogram of these bounds, 1000 requests a piece that all took `at` seconds."""
    every = np.full(len(PIECES), 1000.0)
    counts = {EventGroup(bound=bound, layout=bounds): every * (bound >= at) for bound in (*bounds, math.inf)}
    return {replace(group, layout=(*bounds, math.inf)): row for group, row in counts.items()}


OLD, NEW = (0.05, 0.1, 0.25, 1.0), (0.05, 0.2, 1.0)


@pytest.mark.parametrize(
    ("limit", "old", "new", "outcome", "cause"),
    [
        (0.1, 0.04, 0.04, SlaOutcome.PASS, None),  # both have a bucket below the limit that holds everything
        (0.25, 0.15, 0.15, SlaOutcome.PASS, None),
        (0.1, 0.04, 0.15, SlaOutcome.NO_DATA, Cause.BUCKET),  # between 50 and 200 ms nothing is known of the new one
        (0.1, 0.15, 0.3, SlaOutcome.FAIL, None),
        (0.25, 0.04, 0.5, SlaOutcome.NO_DATA, Cause.BUCKET),
        (0.15, 0.04, 0.5, SlaOutcome.FAIL, None),
    ],
)
def test_histograms_of_unlike_bounds_are_each_held_against_the_limit(limit, old, new, outcome, cause):
    """Adding unlike buckets bound by bound gave a p95 that no version had."""
    both = layout(*OLD, at=old) | {replace(g, version="v2"): row for g, row in layout(*NEW, at=new).items()}
    goal = Goal(SloKind.LATENCY, 0.95, "95%", limit, 0.95)
    found = of(goal, Events.of_buckets(GrowthCounts(PIECES, both), limit, unit_of("seconds")))
    assert (found.outcome, found.current.cause) == (outcome, cause)
    if found.current.value is not None:
        assert goal.keeps(found.current.value) is (outcome is SlaOutcome.PASS)


def test_a_quantile_of_unlike_histograms_lies_between_theirs():
    """150 ms on both: 242 and 192 ms by their own buckets, never 925."""
    both = layout(*OLD, at=0.15) | {replace(g, version="v2"): row for g, row in layout(*NEW, at=0.15).items()}
    value = Events.of_buckets(GrowthCounts(PIECES, both), 0.25, unit_of("seconds")).over(FAST_ENOUGH, 0, 36000).value
    assert 0.192 <= value <= 0.2425


@pytest.mark.parametrize(
    ("good", "outcome", "cause"),
    [
        ([1100] * 12 + [950] * 12, SlaOutcome.NO_DATA, Cause.CONTRADICTION),  # 10 % too many, then 5 % failures
        ([1001] * 24, SlaOutcome.PASS, None),  # one event that was counted a little earlier
        ([1100] * 2 + [300] * 22, SlaOutcome.FAIL, None),  # whatever the odd hours hold
    ],
)
def test_more_good_events_than_events_are_a_problem_and_no_pass(good, outcome, cause):
    pieces = cut(0, 86400, 720)
    assert pieces.step == 3600
    total = GrowthCounts(pieces, {EventGroup(): np.full(24, 1000.0)})
    some = GrowthCounts(pieces, {EventGroup(): np.asarray(good, float)})
    goal = Goal(SloKind.FLOOR, 0.9, "90%")
    found = of(goal, Events.of_part(some, total, part_is_bad=False), ((0, 86400),), ((0, 86400),))
    assert (found.outcome, found.current.cause) == (outcome, cause)
    assert found.current.spent is None or found.current.spent >= 0


def test_bad_events_without_a_total_are_all_the_events_there_are():
    """A refused connection is a failure to some proxies, and no request."""
    total = GrowthCounts(PIECES, {EventGroup(): np.zeros(len(PIECES))})
    bad = GrowthCounts(PIECES, {EventGroup(): np.full(len(PIECES), 10.0)})
    found = of(ERRORS, Events.of_part(bad, total, part_is_bad=True))
    assert (found.outcome, found.current.value) == (SlaOutcome.FAIL, 1.0)


def test_the_worst_of_states_puts_critical_first_and_no_data_before_health():
    assert worst([SlaState.OK, SlaState.NO_DATA, SlaState.CRITICAL]) is SlaState.CRITICAL
    assert worst([SlaState.OK, SlaState.NO_DATA]) is SlaState.NO_DATA
    assert worst([]) is SlaState.NO_DATA


def test_a_promise_of_100_percent_has_no_budget_and_breaks_at_the_first_failure():
    perfect = Goal(SloKind.FLOOR, 1.0, "100%")
    assert of(perfect, events(0)).outcome is SlaOutcome.PASS
    assert is_breached(events(0.001).over(perfect, 0, 36000))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_a_quantile_lies_between_the_bounds_of_its_bucket(counts, q):
    bounds = [0.1 * (k + 1) for k in range(len(counts))]
    cumulative = dict(zip(bounds, np.cumsum(counts).tolist(), strict=True))
    value = quantile(q, cumulative | {math.inf: float(sum(counts))})
    if sum(counts) == 0:
        assert math.isnan(value)
    else:
        assert 0 <= value <= bounds[-1]
        below = sum(c for b, c in zip(bounds, counts, strict=True) if b <= value + 1e-12)
        assert below <= q * sum(counts) + max(counts) + 1e-6


@given(st.lists(st.floats(0, 10), min_size=2, max_size=40), st.data())
def test_windows_side_by_side_add_up(bad, data):
    pieces = cut(0, 36000, 60)
    happened = events(bad, 1000, pieces)
    middle = float(data.draw(st.sampled_from(pieces.edges.tolist())))
    parts = [happened.over(ERRORS, 0, middle), happened.over(ERRORS, middle, 36000)]
    whole = happened.over(ERRORS, 0, 36000)
    assert sum(part.bad for part in parts) == pytest.approx(whole.bad, abs=1e-6)
    assert sum(part.total for part in parts) == pytest.approx(whole.total)


def test_the_time_in_which_one_version_counts_nothing_beside_the_other_is_its_silence():
    """From its first events on, held to the share it had; a night of both, and a moment, are none."""
    minutes, served = np.full(6, 60.0), np.full(6, 100.0)
    assert silent_seconds(minutes, np.array([0, 50, 50, 0, 0, 50.0]), served) == 120
    assert silent_seconds(minutes, np.array([0, 50, 50, 50, 50, 50.0]), served) == 0
    assert silent_seconds(minutes, np.array([0, 50, 0, 0, 0, 50.0]), np.array([100, 100, 0, 0, 0, 100.0])) == 0
    assert silent_seconds(minutes, np.array([0, 1, 1, 1, 0, 1.0]), served) == 0
    assert silent_seconds(minutes, np.zeros(6), served) == 0
