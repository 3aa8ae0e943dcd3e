"""What the verdict advises: in figures of now, and never into a version that serves worse."""

from __future__ import annotations

import pytest

from bascule.conventions import Verdict
from bascule.judge import PlanStep, Sight, outcome_of
from bascule.states import Cause

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
DOWN = 0.0


@pytest.fixture
def bench(house, world):
    """Both versions were fine for ten minutes before the phase, and the candidate's accuracy falls in it."""
    bounds = {"latency": house.BOUNDS, "satisfaction": (1.0, 2.0, 3.0, 4.0, 5.0)}
    made = world.Bench(house.shop_spec(), bounds, PlanStep(2, START, HALF), 3)
    made.history(600)
    return made


def judged(bench, baseline_up: float = 1.0, **around):
    seen = Sight(bench.time if baseline_up else bench.time - 60, baseline_up), Sight(bench.time, 1.0)
    return outcome_of(bench.engine, bench.around(sights=seen, **around)).judgement


def test_no_rollback_is_advised_to_a_version_that_is_down(bench):
    bench.run(40, accuracy=(0.82, 0.4))
    assert judged(bench).verdict is Verdict.ROLL_BACK
    advice = judged(bench, DOWN)
    assert (advice.verdict, advice.cause) == (Verdict.NO_DATA, Cause.SCRAPE_FAILING)
    assert advice.reasons[0].startswith(
        "Do not roll back: all traffic would go to v1, which cannot serve it. v1 is down"
    )
    assert advice.reasons[1].startswith("Problem on v2: accuracy in ")


def test_nor_to_one_that_fails_more(bench):
    """V1 answers, and a ninth of its requests fail; V2's are fine but for its accuracy."""
    bench.run(40, accuracy=(0.82, 0.4), errors=(0.119, 0.0002))
    advice = judged(bench)
    assert advice.verdict is Verdict.HOLD
    assert advice.reasons[0].startswith(
        "Do not roll back: the traffic would go to v1, which fails more: errors, last 30 s: v1 1"
    )


def test_a_baseline_that_fails_as_much_as_the_candidate_is_no_reason_to_stay(bench):
    bench.run(40, accuracy=(0.82, 0.4), errors=(0.01, 0.0002))
    assert judged(bench).verdict is Verdict.ROLL_BACK


def test_at_a_hundred_percent_too_the_baseline_must_be_there_to_go_back_to(house, world):
    plan = PlanStep(3, START, dict.fromkeys(HALF, 1.0))
    bounds = {"latency": house.BOUNDS, "satisfaction": (1.0, 2.0, 3.0, 4.0, 5.0)}
    bench = world.Bench(house.shop_spec(), bounds, plan, 3)
    bench.history(600)
    bench.run(40, errors=(0.0002, 0.2))
    assert judged(bench).verdict is Verdict.ROLL_BACK
    assert judged(bench, DOWN).verdict is Verdict.NO_DATA


def test_the_figures_of_a_reason_are_of_now_and_say_since_when_it_stands(bench):
    broken = {"freemium": 0.8, "api_partners": 0.8}
    bench.run(30, errors=(0.0002, broken))
    raised = next(reason for reason in judged(bench).reasons if reason.startswith("errors in freemium"))
    bench.run(8)
    later = next(reason for reason in judged(bench).reasons if reason.startswith("errors in freemium"))
    shares = [float(reason.split(": ")[1].split(" %")[0]) for reason in (raised, later)]
    assert shares[0] > 70 > shares[1]
    assert "Alarm since 13:46:" in later
    line = bench.engine.standing["errors", "freemium"]
    assert line.text not in judged(bench).reasons  # what was posted stays as it was


def test_while_an_alert_of_prometheus_stands_against_the_candidate_nothing_is_promoted(bench):
    bench.run(60)
    firing = ("RollbackTriggered (errors > 5%)",)
    held = judged(bench, firing=firing)
    assert held.verdict is Verdict.HOLD
    assert "RollbackTriggered (errors > 5%) is still firing: its time window still contains the fault." in held.reasons
