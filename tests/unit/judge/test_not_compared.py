"""What cannot be compared is no data: a value beyond the buckets, a mean without a scatter, one version alone.

None of them is health, and nothing is promoted on no comparison at all.
"""

from __future__ import annotations

import numpy as np
import pytest

from bascule.conventions import State, Verdict
from bascule.judge import (
    JointLook,
    Opinion,
    PhaseEngine,
    PhaseWatch,
    PlanStep,
    Schema,
    Sight,
    Strata,
    Surroundings,
    body,
    outcome_of,
)
from bascule.states import Cause

START = 1_000_000.0
HALF = {"enterprise": 0.5, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
ALL = dict.fromkeys(HALF, 1.0)
ENDING = (0.01, 0.02, 0.03, 0.05)  # seconds: the last bound is 50 ms
STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
SLOW = (0.02, 0.2)  # medians: the candidate's is far beyond the buckets
ONE_STAR_SORT = (0.0, 0.0, 1.0)


@pytest.fixture
def bench(house, world):
    """An engine with these gates and triggers in the second step, of which the shop's buckets end at 50 ms."""

    def made(gates: str = '{errors: "<2%"}', trigger: str = "errors > 5%", plan: PlanStep | None = None, stars=STARS):
        text = house.SPEC.replace('hold: 10s, gates: {errors: "<2%"}', f"hold: 10s, gates: {gates}")
        text = text.replace('"errors > 5%", for: 20s', f"{trigger!r}, for: 20s")
        bounds = {"latency": ENDING, "satisfaction": stars}
        return world.Bench(house.shop_spec(text), bounds, plan or PlanStep(2, START, HALF), 1)

    return made


def gate_of(b, measure: str):
    return next(gate for gate in b.outcome().gates if gate.gate == measure)


def trigger_of(b, measure: str):
    return next(trigger for trigger in b.outcome().triggers if trigger.when.startswith(measure))


def row_of(b, signal: str):
    told = body(b.spec, Opinion.of(b.outcome()))["signals"]
    return next(row for row in told if (row["signal"], row["segment"]) == (signal, "all"))


# ---------------------------------------------------------------- a quantile beyond the buckets


@pytest.mark.parametrize(
    ("target", "state", "cause"),
    [
        ("<100ms", State.NO_DATA, Cause.BUCKET),
        ("<=50ms", State.BAD, None),
        ("<40ms", State.BAD, None),
    ],
)
def test_a_gate_is_decided_by_a_quantile_beyond_the_buckets_as_far_as_they_reach(bench, target, state, cause):
    b = bench(gates=f'{{latency.p95: "{target}"}}')
    b.history(60)
    b.run(120, latency=SLOW)
    gate = gate_of(b, "latency.p95")
    assert (gate.state, gate.cause) == (state, cause)
    assert ": over 50 ms" in gate.text
    assert b.outcome().judgement.verdict is not Verdict.PROMOTE


def test_a_quantile_within_the_buckets_passes_a_target_above_the_last_bound(bench):
    b = bench(gates='{latency.p95: "<100ms"}')
    b.history(60)
    b.run(300)
    assert gate_of(b, "latency.p95").state is State.OK
    assert b.outcome().judgement.verdict is Verdict.PROMOTE


@pytest.mark.parametrize(
    ("bound", "state", "cause"),
    [("> 100ms", State.NO_DATA, Cause.BUCKET), ("> 50ms", State.BAD, None), ("> 40ms", State.BAD, None)],
)
def test_a_trigger_is_reached_by_a_quantile_beyond_the_buckets_as_far_as_they_reach(bench, bound, state, cause):
    b = bench(trigger=f"latency.p95 {bound}")
    b.history(60)
    b.run(90, latency=SLOW)
    trigger = trigger_of(b, "latency.p95")
    assert (trigger.state, trigger.cause) == (state, cause)
    assert ": over 50 ms" in trigger.text


WITHIN = (0.025, 0.025)  # medians: p95 lies between the bounds 30 ms and 50 ms


@pytest.mark.parametrize(
    ("target", "state", "cause"),
    [("<40ms", State.NO_DATA, Cause.BUCKET), ("<50ms", State.OK, None), ("<30ms", State.BAD, None)],
)
def test_a_gate_whose_target_lies_within_the_quantiles_bucket_is_not_decided(bench, target, state, cause):
    b = bench(gates=f'{{latency.p95: "{target}"}}')
    b.history(60, latency=WITHIN)
    b.run(300, latency=WITHIN)
    gate = gate_of(b, "latency.p95")
    assert (gate.state, gate.cause) == (state, cause)
    assert ("in a bucket from 30 ms to 50 ms: no data: bucket missing" in gate.text) is (cause is not None)
    assert (b.outcome().judgement.verdict is Verdict.PROMOTE) is (state is State.OK)


@pytest.mark.parametrize(
    ("bound", "state", "cause"),
    [("> 40ms", State.NO_DATA, Cause.BUCKET), ("> 50ms", State.OK, None), ("> 30ms", State.BAD, None)],
)
def test_a_trigger_whose_bound_lies_within_the_quantiles_bucket_has_no_data(bench, bound, state, cause):
    b = bench(trigger=f"latency.p95 {bound}")
    b.history(60)
    b.run(90, latency=WITHIN)
    trigger = trigger_of(b, "latency.p95")
    assert (trigger.state, trigger.cause) == (state, cause)


def test_the_row_tells_the_bound_that_is_exceeded_and_no_value(bench):
    b = bench()
    b.history(60)
    b.run(90, latency=SLOW)
    row = row_of(b, "latency")
    assert (row["candidate"], row["candidate_over"], row["baseline_over"]) == (None, 0.05, None)
    assert 0.02 < row["baseline"] < 0.05
    assert (row["effect"], row["effect_high"]) == (None, None)
    assert row["effect_low"] > 0
    assert " -> over 50 ms, " in row["text"]
    assert "(at least +" in row["text"]


def test_quantiles_that_both_lie_beyond_the_buckets_are_not_compared_and_nothing_is_promoted(bench):
    b = bench()
    b.history(60, latency=(0.2, 0.2))
    b.run(300, latency=(0.2, 0.2))
    row = row_of(b, "latency")
    assert (row["state"], row["cause"]) == (State.NO_DATA, Cause.BUCKET)
    assert (row["baseline_over"], row["candidate_over"]) == (0.05, 0.05)
    assert "no data (in both versions it lies beyond the last bucket bound that both have)" in row["text"]
    judgement = b.outcome().judgement
    assert (judgement.verdict, judgement.cause) == (Verdict.NO_DATA, Cause.BUCKET)


def test_an_alarm_stands_although_both_quantiles_lie_beyond_the_buckets(bench):
    b = bench()
    b.history(60, latency=(0.035, 0.035))
    b.run(120, latency=(0.035, 0.4))
    row = row_of(b, "latency")
    assert (row["baseline_over"], row["candidate_over"]) == (0.05, 0.05)
    assert row["state"] == State.BAD
    assert b.outcome().judgement.verdict is Verdict.ROLL_BACK


def test_a_quantile_that_leaves_the_buckets_has_moved_by_more_than_any_declared_increase(house, world):
    text = house.SPEC.replace("targets: {p95: 50ms}", "harmful_increase: 40ms")
    b = world.Bench(house.shop_spec(text), {"latency": ENDING}, PlanStep(2, START, HALF), 1)
    b.history(60)
    b.run(60, latency=SLOW)
    assert ("latency", "all") in b.engine.standing


# ---------------------------------------------------------------- a mean without a scatter


def test_a_mean_whose_squares_nobody_counts_is_no_data_for_ever(bench):
    b = bench(stars=(), gates='{satisfaction: ">4", satisfaction.gain: ">-1"}')
    b.history(60)
    b.run(600)
    row = row_of(b, "satisfaction")
    assert (row["state"], row["cause"]) == ("no_data", "scatter unknown")
    assert {gate.cause for gate in b.outcome().gates} == {Cause.SCATTER}
    assert b.outcome().judgement.verdict is Verdict.HOLD


def test_a_mean_of_values_that_are_all_alike_passes_no_gate(bench):
    """The first ratings are five stars: that is no proof of a mean above four."""
    b = bench(gates='{satisfaction: ">4"}')
    b.history(60, stars=(ONE_STAR_SORT, ONE_STAR_SORT))
    b.run(20, stars=(ONE_STAR_SORT, ONE_STAR_SORT))
    assert gate_of(b, "satisfaction").cause is Cause.SCATTER
    assert row_of(b, "satisfaction")["cause"] == "scatter unknown"
    b.run(300)
    assert gate_of(b, "satisfaction").state is State.OK
    assert row_of(b, "satisfaction")["state"] == "ok"


def test_a_scrape_between_two_counters_leaves_the_scatter_known(bench):
    """The sum is one rating ahead of its buckets, again and again."""
    b = bench()
    b.history(60)
    total = b.schema.column("satisfaction", "sum", "freemium")
    for second in range(60):
        b.run(1)
        b.engine.sums[1, total] += 5 if second % 2 else -5
        assert second < 20 or row_of(b, "satisfaction")["state"] == "ok"


# ---------------------------------------------------------------- no baseline


def test_at_100_percent_without_any_baseline_nothing_is_claimed_and_own_values_are_decided(bench):
    b = bench(plan=PlanStep(2, START, ALL), gates='{errors: "<2%", accuracy.gain: ">0pt"}')
    b.run(300)
    outcome = b.outcome()
    assert {line.cause for line in outcome.lines} == {Cause.NO_BASELINE}
    assert (outcome.judgement.verdict, outcome.judgement.cause) == (Verdict.NO_DATA, Cause.NO_BASELINE)
    assert "the baseline has counted nothing to compare with" in outcome.judgement.reasons[0]
    assert gate_of(b, "errors").state is State.OK
    assert gate_of(b, "accuracy.gain").cause is Cause.NO_BASELINE


def test_a_baseline_that_is_only_asked_later_in_the_step_is_waited_for(bench):
    """It has a history: its first request of the step is a matter of time."""
    b = bench()
    b.history(60)
    b.run(2, shares=ALL)
    assert b.line("errors", "freemium").cause is Cause.TOO_FEW


def test_a_judge_that_starts_a_day_into_the_last_step_compares_with_the_hour_before_it(house, world):
    prometheus = world.PretendPrometheus(now=START - 120, plan=PlanStep(3, START, ALL))
    shops = {version: house.Shop(version, seed) for seed, version in enumerate(("v1", "v2"))}
    spent, reach = 90_000, 600.0

    def serve(seconds: int, **shares: float) -> None:
        for _ in range(seconds):
            prometheus.now += 1
            for version, shop in shops.items():
                shop.rate = {name: shares.get(version, 0.0) * rate for name, rate in world.RATES.items()}
                shop.serve(1.0)
                prometheus.add(prometheus.now, shop.text() + "up 1\n", job=f"shop-{version}", instance=version)

    serve(120, v1=0.5, v2=0.5)
    shops["v2"].errors = {"freemium": 0.5}
    shops["v2"].serve(spent)  # all of it fails, and is from before what is read
    shops["v2"].errors = {}
    prometheus.now += spent
    serve(60, v2=1.0)
    watch = PhaseWatch(house.shop_spec(), prometheus, prometheus.plan, reach=reach)
    watch.advance(prometheus.now)
    outcome = outcome_of(watch.engine, watch.surroundings(prometheus.now))
    line = next(line for line in outcome.lines if (line.signal, line.segment) == ("errors", "freemium"))
    assert line.state is State.OK
    assert line.reading.events_baseline > 100 * 0.5 * world.RATES["freemium"]
    assert line.reading.candidate < 0.01
    assert 40 * world.RATES["freemium"] < line.reading.events_candidate < 80 * world.RATES["freemium"]
    asked = np.array(prometheus.asked)
    assert not ((asked[:, 0] < START + 5000) & (asked[:, 1] > START + 100)).any()


def without(metric: str, text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(metric))


@pytest.fixture
def watched(house, world):
    """Half a minute of V1 alone, a minute of both, where some metrics are missing from their pages."""

    def look(missing: dict[str, str], gates: str):
        text = house.SPEC.replace('hold: 10s, gates: {errors: "<2%"}', f"hold: 10s, gates: {gates}")
        prometheus = world.PretendPrometheus(now=START, plan=PlanStep(2, START + 30, HALF))
        shops = [house.Shop(version, seed) for seed, version in enumerate(("v1", "v2"))]
        for second in range(90):
            prometheus.now += 1
            for shop, share in zip(shops, (1.0, 0.0) if second < 30 else (0.5, 0.5), strict=True):
                shop.rate = {name: share * rate for name, rate in world.RATES.items()}
                shop.serve(1.0)
                page = without(missing.get(shop.version, "nothing"), shop.text()) + "up 1\n"
                prometheus.add(prometheus.now, page, job=f"shop-{shop.version}", instance=shop.version)
        watch = PhaseWatch(house.shop_spec(text), prometheus, prometheus.plan)
        watch.advance(prometheus.now)
        return outcome_of(watch.engine, watch.surroundings(prometheus.now))

    return look


def test_a_signal_of_the_candidate_alone_has_no_baseline_and_its_own_gate_is_decided(watched):
    outcome = watched({"v1": "matches_total"}, gates='{accuracy: ">50%", accuracy.gain: ">0pt"}')
    causes = {line.cause for line in outcome.lines if line.signal == "accuracy"}
    assert causes == {Cause.NO_BASELINE}
    assert outcome.judgement.verdict is Verdict.NO_DATA
    assert "accuracy: no data (no series of matches_total of v1)." in outcome.judgement.reasons
    own, gain = outcome.gates
    assert own.state is State.OK
    assert (gain.state, gain.cause) == (State.NO_DATA, Cause.NO_BASELINE)


def test_a_summary_has_no_scatter(watched):
    """prometheus_client's Summary exports `_sum` and `_count` alone."""
    outcome = watched(dict.fromkeys(("v1", "v2"), "rating_bucket"), gates='{satisfaction: ">3"}')
    assert {line.cause for line in outcome.lines if line.signal == "satisfaction"} == {Cause.SCATTER}
    assert outcome.gates[0].cause is Cause.SCATTER


def test_partners_of_whom_each_has_one_version_still_have_a_total(house, world):
    """A split that is hashed by partner: no partner has both versions, and nobody failed."""
    text = house.SPEC.replace("better: lower\n    harmful", "better: lower\n    strata: [partner]\n    harmful")
    spec = house.shop_spec(text.replace('gates: {errors: "<2%"}', "gates: {}"))
    strata = {name: Strata(("all",)) for name in spec.signals} | {
        "errors": Strata(("all",), labels=("partner",), inner={"all": ("acme", "beta")})
    }
    engine = PhaseEngine(Schema(spec, {"latency": ENDING}, strata), PlanStep(2, START, {"all": 0.5}))
    for second in range(120):
        increments = np.zeros((2, len(engine.schema.columns)))
        for version, partner in enumerate(("acme", "beta")):
            increments[version, engine.schema.column("errors", "events", partner)] = 20
        engine.feed(JointLook(START + second + 1, 1.0, increments, START + second))
    now = START + 120
    outcome = outcome_of(engine, Surroundings(now, (Sight(now, 1.0), Sight(now, 1.0))))
    found = {line.segment: (line.state, line.cause) for line in outcome.lines if line.signal == "errors"}
    assert found["all"] == (State.OK, None)
    assert found["beta"] == (State.NO_DATA, Cause.NO_BASELINE)


# ---------------------------------------------------------------- nothing at all


def test_nothing_is_promoted_on_no_comparison(house, world):
    """Only ratings are known of this migration, and not how much they scatter."""
    head, tail = house.SPEC.partition("  errors:")[0], house.SPEC.partition("  satisfaction:")
    segments = tail[2].partition("phases:")[0]
    text = f"{head}{tail[1]}{segments}phases: [{{share: 10%, hold: 10s}}, {{share: 50%, hold: 10s}}]\n"
    b = world.Bench(house.shop_spec(f"{text}judge: {{min_samples: 100}}\n"), {}, PlanStep(2, START, HALF), 1)
    b.history(60)
    b.run(300)
    outcome = b.outcome()
    assert not [line for line in outcome.lines if line.state is State.OK]
    assert outcome.judgement.verdict is Verdict.HOLD
    assert "Nothing has been compared yet: no signal has enough data of both versions." in outcome.judgement.reasons
