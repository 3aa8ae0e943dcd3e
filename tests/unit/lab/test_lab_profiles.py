"""What a profile promises, and how a request's luck is drawn from it."""

from __future__ import annotations

import statistics
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.errors import UsageError
from bascule.lab.profiles import PROFILES, V1, V2, Behaviour, BehaviourFile, LabRequest, draw, profile_named

N = 20_000


def outcomes(behaviour: Behaviour, segment: str = "freemium", n: int = N):
    return [draw(behaviour, LabRequest(segment), Random(f"1/{number}")) for number in range(n)]


def near(successes: int, n: int, probability: float) -> bool:
    """Within 4.5 standard deviations of a binomial: one in 150,000 by chance."""
    return abs(successes - n * probability) <= 4.5 * (n * probability * (1 - probability)) ** 0.5 + 1e-9


@pytest.mark.parametrize("behaviour", [V1, V2])
def test_a_healthy_version_meets_its_accuracy_errors_and_cache_hits(behaviour):
    drawn = outcomes(behaviour)
    assert near(sum(o.success for o in drawn), N, behaviour.accuracy)
    assert near(sum(o.fails for o in drawn), N, behaviour.error_rate)
    assert near(sum(o.cached for o in drawn), N, behaviour.cache_hits)
    assert behaviour.cache_hits > 0.9
    assert all(o.compatible and not o.falls_back for o in drawn)


@pytest.mark.parametrize("behaviour", [V1, V2])
def test_a_healthy_version_answers_under_its_latency_targets(behaviour):
    p50, p95, p99 = (statistics.quantiles([o.seconds for o in outcomes(behaviour)], n=100)[q - 1] for q in (50, 95, 99))
    assert p50 < 0.025
    assert p95 < 0.038
    assert p99 < 0.06


def test_v2_beats_v1_as_the_targets_ask():
    v1, v2 = outcomes(V1), outcomes(V2)
    revenue = statistics.fmean(o.value for o in v2) / statistics.fmean(o.value for o in v1)
    assert revenue == pytest.approx(1.12, abs=0.02)
    assert statistics.median(o.seconds for o in v2) < statistics.median(o.seconds for o in v1)
    assert V2.satisfaction > 4.5
    assert V2.satisfaction - V1.satisfaction > 0.1
    assert V2.accuracy - V1.accuracy > 0.13


def test_identical_versions_are_identical():
    for name in ("aa", "aa_uneven"):
        assert PROFILES[name].baseline == PROFILES[name].candidate
    assert PROFILES["aa"].baseline.accuracy == V2.accuracy


def test_uneven_segments_differ_tenfold_in_errors():
    uneven = PROFILES["aa_uneven"].baseline
    assert uneven.errors_of(LabRequest("freemium")) == 10 * uneven.errors_of(LabRequest("enterprise"))


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_the_same_request_meets_the_same_outcome(number, rate):
    behaviour = replace(V1, error_rate=rate)
    assert draw(behaviour, LabRequest("freemium"), Random(number)) == draw(
        behaviour, LabRequest("freemium"), Random(number)
    )


@given(st.integers(0, 10**9), st.floats(0, 1))
def test_a_fault_changes_only_what_it_is_about(number, rate):
    healthy = draw(V1, LabRequest("freemium"), Random(number))
    broken = draw(V1.with_fault({"error_rate": rate}), LabRequest("freemium"), Random(number))
    assert replace(broken, fails=healthy.fails) == healthy


@given(st.integers(0, 10**9))
def test_scores_and_values_stay_in_their_range(number):
    outcome = draw(V2, LabRequest("freemium"), Random(number))
    assert 0 <= outcome.score <= 1
    assert outcome.value >= 0
    assert (outcome.value > 0) == outcome.success


def test_an_error_rate_for_all_replaces_those_by_segment():
    uneven = PROFILES["aa_uneven"].candidate
    assert uneven.with_fault({"error_rate": 0.12}).errors_of(LabRequest("enterprise")) == 0.12


def test_a_fault_for_one_segment_leaves_the_others():
    broken = V2.with_fault({"error_rate_by_segment": {"freemium": 0.3}})
    assert broken.errors_of(LabRequest("freemium")) == 0.3
    assert broken.errors_of(LabRequest("enterprise")) == V2.error_rate


def test_an_unknown_fault_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="latency_factor"):
        V1.with_fault({"eror_rate": 0.5})


def test_an_unknown_profile_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="healthy"):
        profile_named("heathy")


def test_a_behaviour_is_read_back_as_written_and_each_change_is_seen_at_once(tmp_path):
    writer, reader = BehaviourFile(tmp_path / "a" / "b.json"), BehaviourFile(tmp_path / "a" / "b.json")
    for rate in (0.1, 0.2, 0.1):
        behaviour = V2.with_fault({"error_rate": rate, "error_rate_by_segment": {"freemium": rate}})
        writer.write(behaviour)
        assert reader.read() == behaviour


def test_a_fault_for_one_partner_or_endpoint_leaves_the_others():
    broken = V2.with_fault({"error_rate_by_partner": {"acme": 0.5}, "error_rate_by_endpoint": {"/api/rate": 0.3}})
    assert broken.errors_of(LabRequest("api_partners", "acme", "/api/rate")) == 0.5
    assert broken.errors_of(LabRequest("freemium", endpoint="/api/rate")) == 0.3
    assert broken.errors_of(LabRequest("api_partners", "globex", "/api/match")) == V2.error_rate
