"""Failures that name no segment: a comparison by segments does not see them, and says so."""

from __future__ import annotations

import pytest

from bascule.conventions import State, Verdict
from bascule.judge import PlanStep
from bascule.states import Cause

START = 1_000_000.0
HALF = {"enterprise": 0.5, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}


@pytest.fixture
def bench(house, world):
    spec = house.SPEC.replace("errors > 5%", "errors > 90%").replace('gates: {errors: "<2%"}', "gates: {}")
    return world.Bench(house.shop_spec(spec), {}, PlanStep(2, START, HALF), 1)


def errors(bench):
    return [line for line in bench.outcome().lines if line.signal == "errors"]


def test_a_version_that_fails_before_the_segment_is_known_is_never_promoted(bench):
    """V1 fails so in 1 % of its requests, V2 in 20 %."""
    bench.history(60, nameless=(0.4, 0.0))
    bench.run(120, nameless=(0.2, 4.0))
    assert {(line.state, line.cause) for line in errors(bench)} == {(State.NO_DATA, Cause.UNPROVEN)}
    judgement = bench.outcome().judgement
    assert judgement.verdict is Verdict.NO_DATA
    assert "480 failures of v2 name no user_segment" in judgement.reasons[0]


def test_few_of_them_or_beside_many_others_change_nothing(bench):
    bench.history(60)
    bench.run(120, errors=(0.02, 0.02), nameless=(0.1, 0.1))
    assert Cause.UNPROVEN not in {line.cause for line in errors(bench)}


def test_a_segment_without_a_name_that_is_served_as_well_is_compared_as_any_other(bench):
    bench.rates = {**bench.rates, "other": 10.0}
    bench.plan.shares["other"] = 0.5
    bench.history(60)
    bench.run(300, errors=({"other": 0.05}, {"other": 0.05}))
    assert Cause.UNPROVEN not in {line.cause for line in errors(bench)}
