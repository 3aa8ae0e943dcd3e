"""The traffic's plan and its tally."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.errors import UsageError
from bascule.lab.plan import MIX, PARTNERS, TrafficPlan, stars
from bascule.lab.tally import TalliedAnswer, Tally, quantiles

URL = "http://127.0.0.1:8081"


def test_a_plan_repeats_exactly():
    plan = TrafficPlan(URL, rate=50, seconds=20, seed=7)
    assert list(plan.visits()) == list(plan.visits())
    assert list(plan.visits()) != list(TrafficPlan(URL, rate=50, seconds=20, seed=8).visits())


def test_arrivals_are_poisson_at_the_rate():
    visits = list(TrafficPlan(URL, rate=100, seconds=100).visits())
    assert len(visits) == pytest.approx(10_000, abs=4.5 * 100)
    gaps = [b.at - a.at for a, b in pairwise(visits)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.06)
    assert all(gap >= 0 for gap in gaps)
    assert visits[-1].at < 100


def test_segments_come_in_the_mix():
    visits = list(TrafficPlan(URL, rate=100, seconds=100).visits())
    counts = Counter(visit.segment for visit in visits)
    for segment, weight in MIX.items():
        assert counts[segment] == pytest.approx(weight * len(visits), rel=0.1)


def test_an_hour_of_the_plan_keeps_every_quota():
    """No partner exceeds 10,000 requests an hour, no freemium user 100."""
    visits = list(TrafficPlan(URL, rate=60, seconds=3600).visits())
    partners = Counter(visit.partner for visit in visits if visit.segment == "api_partners")
    users = Counter(visit.user for visit in visits if visit.segment == "freemium")
    assert set(partners) == set(PARTNERS)
    assert max(partners.values()) < 8_000  # ratings come on top: 15 %
    assert max(users.values()) < 60


def test_only_partners_requests_name_a_partner():
    for visit in TrafficPlan(URL, rate=100, seconds=10).visits():
        assert (visit.partner in PARTNERS) == (visit.segment == "api_partners")


@pytest.mark.parametrize("url", ["http://example.com", "http://192.0.2.1:80", "http://10.0.0.1", "127.0.0.1:80"])
def test_load_goes_to_this_machine_only(url):
    with pytest.raises(UsageError, match="loopback"):
        TrafficPlan(url)


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"rate": 1e6}, {"seconds": 0}, {"seconds": 1e9}, {"mix": {"a": -1}}])
def test_rate_and_time_are_bounded(wrong):
    with pytest.raises(UsageError):
        TrafficPlan(URL, **wrong)


def test_a_plan_survives_json():
    plan = TrafficPlan(URL, rate=12.5, seconds=3, seed=4, mix={"enterprise": 1.0})
    assert TrafficPlan.from_json(plan.to_json()) == plan


@given(st.floats(1, 5), st.integers())
def test_stars_are_whole_and_within_one_to_five(satisfaction, seed):
    assert stars(satisfaction, Random(seed)) in (1, 2, 3, 4, 5)


def test_stars_have_the_wanted_mean():
    luck = Random(3)
    assert statistics.fmean(stars(4.65, luck) for _ in range(20_000)) == pytest.approx(4.65, abs=0.02)


ANSWERS = st.builds(
    TalliedAnswer,
    endpoint=st.sampled_from(["/api/match", "/api/rate"]),
    segment=st.sampled_from(list(MIX)),
    partner=st.sampled_from(PARTNERS),
    version=st.sampled_from(["v1", "v2", ""]),
    status=st.sampled_from([200, 500, 502, 504]),
    success=st.sampled_from(["True", "False", ""]),
)


@given(st.lists(ANSWERS))
def test_a_tally_survives_json_and_its_counts_add_up(answers):
    tally = Tally(sent=len(answers), answers=Counter(answers), stars={"v1": [0, 0, 1, 2, 3]})
    again = Tally.from_json(tally.to_json())
    assert again == tally
    assert again.count() == len(answers)
    assert sum(again.count(version=version) for version in ("v1", "v2", "")) == len(answers)


def test_a_share_is_of_the_wanted_answers():
    tally = Tally()
    tally.answers[TalliedAnswer("/api/match", "freemium", "none", "v1", 200, "True")] = 3
    tally.answers[TalliedAnswer("/api/match", "freemium", "none", "v2", 200, "True")] = 1
    tally.answers[TalliedAnswer("/api/match", "enterprise", "none", "v1", 200, "True")] = 9
    assert tally.share("v2", segment="freemium") == 0.25


def test_quantiles_of_nothing_are_nothing():
    assert quantiles([]) == {}
    assert quantiles([3.0, 1.0, 2.0]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0}
