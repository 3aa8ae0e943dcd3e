"""The real share beside the planned one: off the plan holds a promotion back; chance, and sticky partners, do not."""

from __future__ import annotations

import numpy as np
import pytest

from bascule.conventions import TOTAL_SEGMENT, State, Verdict
from bascule.judge import JointLook, PhaseEngine, PlanStep, Schema, Sight, Strata, Surroundings, outcome_of
from bascule.spec import Spec, parse

TEXT = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {a: {targets: ["127.0.0.1:1"], version: v1}, b: {targets: ["127.0.0.1:2"], version: v2}}
signals:
  errors: {kind: ratio, bad: 'r_total{status="500"}', total: r_total, better: lower, strata: %STRATA%}
segments: {%SEGMENTS%}
phases: [{share: 10%, hold: 30s}, {share: 100%, hold: 1d}]
judge: {min_samples: 50}
"""
START = 1000.0
RATE = 40


def shop(segments: str = "", strata: str = "[user_segment]", more: str = "") -> Spec:
    return parse(TEXT.replace("%SEGMENTS%", segments).replace("%STRATA%", strata) + more)


class World:
    """40 requests/s that never fail; `planned` by segment."""

    def __init__(self, spec: Spec, planned: dict[str, float], strata: dict[str, Strata] | None = None) -> None:
        self.random, self.time = np.random.default_rng(7), START - 60
        self.engine = PhaseEngine(Schema(spec, {}, strata), PlanStep(1, START, planned))

    def run(self, seconds: float, shares: dict[str, float], weights: dict[str, float] | None = None) -> World:
        """`shares`: the candidate's, by stratum; `weights`: how the requests are spread over the strata."""
        schema = self.engine.schema
        for _ in range(int(seconds)):
            increments = np.zeros((2, len(schema.columns)))
            for leaf, share in shares.items():
                weight = (weights or {}).get(leaf, 1 / len(shares))
                count = self.random.poisson(RATE * weight)
                given = self.random.binomial(count, share)
                increments[:, schema.column("errors", "events", leaf)] = count - given, given
            self.time += 1
            self.engine.feed(JointLook(self.time, 1.0, increments, self.time - 1))
        return self

    def outcome(self, **around):
        seen = Sight(self.time, 1.0)
        return outcome_of(self.engine, Surroundings(self.time, (seen, seen), **around))

    def shares(self, **around):
        return {each.segment: each for each in self.outcome(**around).shares}


def alone(actual: float, seconds: float = 200, spec: Spec | None = None, before: float = 0.0) -> World:
    """Without segments: planned 10 %."""
    world = World(spec or shop(), {TOTAL_SEGMENT: 0.1}).run(60, {TOTAL_SEGMENT: before})
    return world.run(seconds, {TOTAL_SEGMENT: actual})


def test_a_share_off_the_plan_holds_the_promotion_with_its_own_reason():
    judged = alone(0.14).outcome().judgement
    assert judged.verdict is Verdict.HOLD
    assert judged.reasons[0].startswith("Share of all requests: planned 10 %, actual 1")
    assert judged.reasons[0].endswith("off the plan by more than 2 pt.")


@pytest.mark.parametrize("actual", [0.1, 0.105, 0.115])
def test_a_share_within_the_tolerance_is_promoted(actual):
    outcome = alone(actual).outcome()
    assert outcome.judgement.verdict is Verdict.PROMOTE
    (share,) = outcome.shares
    assert share.low < share.actual < share.high
    assert (share.planned, share.state) == (0.1, State.OK)


def test_a_declared_tolerance_counts():
    assert alone(0.14, spec=shop(more="thresholds: {share_tolerance: 10%}\n")).shares()["all"].state is State.OK


def test_few_requests_hold_nothing():
    assert alone(0.14, seconds=40).shares()["all"].state is State.OK


def test_what_was_served_while_the_share_settled_does_not_count():
    """The load balancer takes eight seconds; until then everything goes to the baseline."""
    world = World(shop(), {TOTAL_SEGMENT: 1.0}).run(68, {TOTAL_SEGMENT: 0.0}).run(100, {TOTAL_SEGMENT: 1.0})
    share = world.shares()["all"]
    assert (share.actual, share.state) == (1.0, State.OK)


def test_a_share_that_leaves_the_plan_later_is_found_within_minutes():
    world = alone(0.1, seconds=3600)
    assert world.shares()["all"].state is State.OK
    assert world.run(300, {TOTAL_SEGMENT: 0.14}).shares()["all"].state is State.BAD


def test_each_segment_is_held_to_its_own_share_and_the_total_to_their_mix():
    spec = shop("gold: {joins_at: 50%}, silver: {}")
    world = World(spec, {"gold": 0.0, "silver": 0.1, TOTAL_SEGMENT: 0.1}).run(60, {"gold": 0.0, "silver": 0.0})
    shares = world.run(300, {"gold": 0.0, "silver": 0.1}).shares()
    assert {name: share.state for name, share in shares.items()} == dict.fromkeys(("gold", "silver", "all"), State.OK)
    assert shares["all"].planned == pytest.approx(0.05, abs=0.005)
    shares = world.run(300, {"gold": 0.06, "silver": 0.1}).shares()
    assert (shares["gold"].state, shares["silver"].state) == (State.BAD, State.OK)


def hashed(seed: int, partners: int = 12) -> dict[str, float]:
    """Every partner goes to one version; about a tenth of them to the candidate, at least one."""
    given = np.random.default_rng(seed).random(partners) < 0.1
    given[0] = True
    return {f"p{number}": float(each) for number, each in enumerate(given)}


@pytest.mark.parametrize("seed", range(8))
def test_partners_that_are_hashed_to_versions_do_not_hold(seed):
    """One large partner on the candidate makes 25 % of the requests: by construction, not by mistake."""
    shares = hashed(seed)
    strata = {"errors": Strata((TOTAL_SEGMENT,), labels=("partner",), inner={TOTAL_SEGMENT: tuple(shares)})}
    world = World(shop(strata="[partner]"), {TOTAL_SEGMENT: 0.1}, strata)
    sizes = np.random.default_rng(seed).lognormal(0, 1, len(shares))
    weights = dict(zip(shares, sizes / sizes.sum(), strict=True))
    world.run(60, dict.fromkeys(shares, 0.0), weights).run(600, shares, weights)
    assert world.shares()["all"].state is State.OK


def test_partners_that_are_not_sticky_are_held_to_the_plan_as_requests_are():
    shares = {f"p{number}": 0.14 for number in range(12)}
    strata = {"errors": Strata((TOTAL_SEGMENT,), labels=("partner",), inner={TOTAL_SEGMENT: tuple(shares)})}
    world = World(shop(strata="[partner]"), {TOTAL_SEGMENT: 0.1}, strata)
    assert world.run(60, dict.fromkeys(shares, 0.0)).run(280, shares).shares()["all"].state is State.BAD


def test_partners_that_only_a_label_tells_count_too():
    """The signal is not weighed by partner, but its series carry the label."""
    partners = np.array([[900.0] * 9, [0.0] * 9])
    partners[:, 8] = 0.0, 1500.0
    world = alone(0.172)
    assert world.shares()["all"].state is State.BAD
    assert world.shares(partners={TOTAL_SEGMENT: partners})["all"].state is State.OK


def test_users_whom_the_logs_know_count_instead_of_requests():
    assert alone(0.14).shares(users=300.0)["all"].state is State.OK
    assert alone(0.14, seconds=400).shares(users=100_000.0)["all"].state is State.BAD
