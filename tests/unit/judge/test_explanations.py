"""What the judge says in the eight typical situations: the words are kept here, each number is worked out again.

Every sentence is a template; the numbers put into it are computed in the test from the raw counts the engine was fed,
by other means than the engine's own: the judge's by tests/support/plain_judge.py, its method page as plain Python.
"""

from __future__ import annotations

import numpy as np
import plain_judge
import pytest
from scipy.optimize import brentq
from scipy.special import betaln

from bascule.conventions import State, Verdict
from bascule.judge import BASELINE, CANDIDATE, PlanStep, clock_text, span_text

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
BAD = {"freemium": 0.12, "api_partners": 0.12}


@pytest.fixture
def bench(house, world):
    """Makes a bench; `plain` of it is a plain judge that is fed the same looks, `fed` are these evaluations."""

    def made(plan: PlanStep | None = None, seed: int = 3):
        bounds = {"latency": house.BOUNDS, "satisfaction": (1.0, 2.0, 3.0, 4.0, 5.0)}
        b = world.Bench(house.shop_spec(), bounds, plan or PlanStep(2, START, HALF), seed)
        b.plain, b.fed = plain_judge.follow(b), []
        feed = b.engine.feed
        b.engine.feed = lambda look: (b.fed.append(look), feed(look))
        return b

    return made


SERVED = ("enterprise", "api_partners", "freemium", "other")


def counted(b, signal: str, part: str, version: int, segments=SERVED, seconds: float = np.inf, until: float = np.inf):
    """What was fed of a part in the last seconds before `until`; looks from before the phase do not count."""
    begun = max(b.plan.started, min(until, b.time) - seconds)
    columns = [b.schema.column(signal, part, segment) for segment in segments]
    return sum(float(look.increments[version, columns].sum()) for look in b.fed if begun < look.time <= until)


def beta_bounds(bad: float, good: float, a: float, b: float, level: float) -> tuple[float, float]:
    """The confidence sequence by root finding on exact beta functions."""

    def excess(theta: float) -> float:
        mixture = betaln(a + bad, b + good) - betaln(a, b)
        return mixture - bad * np.log(theta) - good * np.log1p(-theta) + np.log(level)

    mode = min(max(bad / (bad + good), 1e-9), 1 - 1e-9)
    low = 0.0 if bad == 0 else brentq(excess, 1e-12, mode)
    return low, brentq(excess, mode, 1 - 1e-12)


def percent(share: float) -> str:
    return f"{share * 100:.3g} %" if share >= 1e-6 else "0 %"


def points(share: float) -> str:
    return f"{share * 100:+.3g} pt"


def the(lines, signal: str, segment: str):
    return next(line for line in lines if (line.signal, line.segment) == (signal, segment))


def test_1_healthy_and_promoted(bench):
    b = bench()
    b.history(120)
    b.run(400)
    outcome = b.outcome()
    n, x = counted(b, "errors", "events", CANDIDATE), counted(b, "errors", "bad", CANDIDATE)
    phi = b.plain.history.phi_shown["errors", None, "all"]
    low, high = beta_bounds(x / phi, (n - x) / phi, 0.5, 20.0, 0.05)
    weighed = sum(line.state is State.OK for line in outcome.lines)
    assert outcome.judgement.verdict is Verdict.PROMOTE
    assert outcome.judgement.reasons == (
        f"Gate errors <2%: {percent(x / n)} ({percent(low)} to {percent(high)}): passed.",
        f"No regression in any of {weighed} comparisons; the planned time of this phase is over.",
    )


def test_2_more_errors_in_two_segments(bench):
    b = bench()
    b.history(120)
    b.run(20)
    for _ in range(40):
        b.run(1, errors=(0.0002, BAD))
        if ("errors", "all") in b.engine.standing:
            break
    alarm, plain = b.engine.standing["errors", "all"], b.plain.alarms["errors", "all"]
    expected, rate = plain.of_late
    assert b.outcome().judgement.verdict is Verdict.ROLL_BACK
    assert alarm.text == (
        f"errors (all segments, mix-adjusted): {percent(rate)} on v2 in the last 30 s "
        f"(v1: {percent(expected)}; difference {points(rate - expected)}); "
        f"evidence {plain.evidence:.1f} (alert threshold {plain.suffices:.1f})."
    )
    assert alarm.since == plain.since
    line = the(b.outcome().lines, "errors", "all")
    assert f"alarm since {clock_text(alarm.since)}" in line.text


def test_3_too_early_to_decide(bench):
    b = bench()
    b.history(120)
    b.run(8)
    n, x = counted(b, "errors", "events", CANDIDATE), counted(b, "errors", "bad", CANDIDATE)
    phi = b.plain.history.phi_shown["errors", None, "all"]
    low, high = beta_bounds(x / phi, (n - x) / phi, 0.5, 20.0, 0.05)
    left = 8 * (((high - x / n) / (0.02 - x / n)) ** 2 - 1)
    outcome = b.outcome(now=b.time)
    gate = (
        f"Gate errors <2%: {percent(x / n)} ({percent(low)} to {percent(high)}): "
        f"not yet decided, about {span_text(left)} more at this traffic."
    )
    assert outcome.judgement.verdict is Verdict.HOLD
    assert outcome.judgement.reasons[0] == gate
    assert outcome.judgement.reasons[-1] == "The plan keeps 50 % for 10 s; 2 s remain."
    if n < 100:
        assert f"v2 has answered {n:,.0f} requests in this phase; a decision needs 100." in (outcome.judgement.reasons)


def test_4_the_candidate_is_down(bench):
    b = bench()
    b.history(120)
    b.run(60)
    b.run(2, candidate=False)
    outcome = b.outcome()
    assert outcome.judgement.verdict is Verdict.NO_DATA
    assert outcome.judgement.reasons == ("v2 is down: its scrapes fail.",)
    b.run(6, candidate=False)
    b.up = (1.0, None)
    assert f"No sample of v2 for {b.time - b.seen[1]:.0f} s." in b.outcome().judgement.reasons


def test_5_a_segment_the_plan_leaves_out(bench):
    b = bench()
    b.history(60)
    b.run(30)
    line = the(b.outcome().lines, "errors", "enterprise")
    assert line.text == "errors in enterprise: the plan gives the candidate no traffic here."


def test_6_slower_answers(bench):
    b = bench()
    b.history(120)
    b.run(30, latency=(0.02, 0.02))
    for _ in range(40):
        b.run(1, latency=(0.02, 0.06))
        if ("latency", "all") in b.engine.standing:
            break
    alarm, plain = b.engine.standing["latency", "all"], b.plain.alarms["latency", "all"]
    expected, rate = plain.of_late
    assert alarm.text == (
        f"latency (all segments, mix-adjusted): {percent(rate)} above {plain.pair.bound * 1000:.3g} ms "
        f"on v2 in the last 30 s (v1: {percent(expected)}; difference {points(rate - expected)}); "
        f"evidence {plain.evidence:.1f} (alert threshold {plain.suffices:.1f})."
    )
    assert (alarm.since, alarm.bound) == (plain.since, plain.pair.bound)


def test_7_a_rollback_trigger(bench):
    b = bench()
    b.history(60)
    b.run(60)
    b.run(70, errors=(0.3, 0.3))

    def of_late(part: str, until: float) -> float:
        return counted(b, "errors", part, CANDIDATE, seconds=30, until=until)

    moments = [look.time for look in b.fed if look.time > START and of_late("events", look.time) >= 100]
    beyond = [of_late("bad", time) / of_late("events", time) > 0.05 for time in moments]
    lasted = moments[-1] - moments[len(beyond) - beyond[::-1].index(False)]
    trigger = next(t for t in b.outcome().triggers if t.when.startswith("errors"))
    share = of_late("bad", b.time) / of_late("events", b.time)
    assert trigger.state is State.BAD
    assert trigger.text == (
        f"Trigger errors >5%: {percent(share)} for {span_text(lasted)} (limit 20 s): immediate rollback."
    )
    assert trigger.text in b.outcome().judgement.reasons


def test_8_after_the_last_step_beside_the_frozen_baseline(bench):
    b = bench(PlanStep(3, START, dict.fromkeys(HALF, 1.0)))
    b.history(300, errors=(0.01, 0.01))
    b.run(60, errors=(0.01, 0.01))
    before = [look.increments[BASELINE] for look in b.fed if look.time <= START]
    n1, x1 = (
        float(sum(each[b.schema.column("errors", part, "freemium")] for each in before)) for part in ("events", "bad")
    )
    n2, x2 = (counted(b, "errors", part, CANDIDATE, ("freemium",)) for part in ("events", "bad"))
    assert counted(b, "errors", "events", BASELINE) == 0
    line = the(b.outcome().lines, "errors", "freemium")
    assert line.state is State.OK
    shown = f"{percent(x1 / n1)} -> {percent(x2 / n2)}, {points(x2 / n2 - x1 / n1)}"
    assert line.text.startswith(f"errors in freemium: {shown} (")
