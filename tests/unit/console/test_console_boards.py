"""What the pages say: moves that are possible, facts of a verdict, targets, expected dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bascule import slo
from bascule.api.models.journal import TimelineAnswer
from bascule.api.models.moves import PauseAnswer, PlanMove
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.console import JournalReading, ListedIncident, TrafficReading
from bascule.console.asked import Business, MeasuredTraffic
from bascule.console.views.concerns import Concern, concern_of
from bascule.console.views.executive import executive
from bascule.console.views.facts import facts, is_worse_so_far
from bascule.console.views.moves import offers
from bascule.console.views.plan import ShownPlan, Step
from bascule.console.views.targets import targets
from bascule.console.views.verdict import VerdictView
from bascule.conventions import State, Verdict
from bascule.spec import built_in_text, load, parse

SPEC = load("supersmartmatch")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at_step(number: int | None, **more: Any) -> ShownPlan:
    steps = [
        Step(i, p.share, p.hold, "next" if i > (number or 0) else "now" if i == number else "done")
        for i, p in enumerate(SPEC.phases, start=1)
    ]
    share = SPEC.phases[number - 1].share if number else 0.0 if number == 0 else None
    hold = SPEC.phases[number - 1].hold if number else None
    return replace(ShownPlan(steps, number, share, NOW - timedelta(hours=1), 3600.0, hold), **more)


def business(covered: float = 86400.0, **spent: float) -> Business:
    told = {each.name: slo.headline(each, spent.get(each.name, 0.0), covered, 1e6) for each in slo.all_of(SPEC)}
    return Business(told, {"v1": 30.0, "v2": 12.0})


def verdict(word: Verdict, *reasons: str) -> VerdictView:
    return VerdictView(word, word.words.capitalize(), None, list(reasons), "", None)


def signal(**more: Any) -> SignalAnswer:
    told = {"signal": "errors", "segment": "freemium", "state": "bad", "unit": "ratio", "alarm": True}
    figures = {"baseline": 0.0004, "candidate": 0.057, "effect": 0.0566, "evidence": 12.0, "threshold": 8.0}
    return SignalAnswer.model_validate({**told, **figures, **more})


# ---------------------------------------------------------------- moves


def test_the_advised_move_stands_first_and_its_command_has_nothing_to_fill_in() -> None:
    found = offers(SPEC, at_step(3), verdict(Verdict.ROLL_BACK, "V2's errors are up; it's bad"))
    assert [offer.move for offer in found] == ["rollback", "promote", "pause", "abort"]
    assert found[0].is_advised
    assert found[0].command == (
        """bascule rollback --spec supersmartmatch --who "$(id -un)" --why 'V2'"'"'s errors are up; it'"'"'s bad'"""
    )
    assert found[1].against == "the verdict is roll back, not promote"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (at_step(0), ["start", "pause", "abort"]),
        (at_step(0, closed=True), ["start", "pause"]),
        (at_step(5), ["rollback", "pause", "abort"]),
        (at_step(2, paused=PauseAnswer(at=NOW, who="ada")), ["rollback", "resume", "abort"]),
        (at_step(None), ["rollback"]),
    ],
    ids=["before the first", "aborted", "at the last", "paused", "not known"],
)
def test_only_what_is_possible_is_offered(plan: ShownPlan, expected: list[str]) -> None:
    assert [offer.move for offer in offers(SPEC, plan, verdict(Verdict.HOLD))] == [PlanMove(each) for each in expected]


# ---------------------------------------------------------------- facts


def test_a_fact_says_what_is_worse_by_how_much_on_how_much_traffic() -> None:
    opinion = VerdictAnswer(verdict="roll_back", signals=[signal(), signal(segment="api_partners", evidence=9.0)])
    (fact,) = facts(SPEC, opinion, TrafficReading(candidate_rate={"freemium": 20.0}))
    plain = fact.text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert plain == "V2 fails 5.70 % of requests, V1 0.040 % in freemium (also in api_partners); 20 requests/s on V2"


def test_the_cause_of_no_data_comes_first() -> None:
    first, second = facts(SPEC, VerdictAnswer(verdict="no_data", cause="silent", signals=[signal()]), None)
    assert first.text.startswith("One version counts no requests")
    assert "V2 fails" in second.text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"evidence": 4.5}, True),
        ({"evidence": 0.5, "effect_low": 0.01, "effect_high": 0.1}, True),
        ({"evidence": 0.5, "samples_candidate": 1000}, True),
        ({"evidence": 0.5, "samples_candidate": 20}, False),
        ({"evidence": 4.5, "effect": -0.01}, False),
        ({"evidence": 12.0, "state": "bad"}, False),
    ],
    ids=["half way", "interval", "twice as bad", "a handful", "better", "proven"],
)
def test_what_is_much_worse_and_not_yet_proven_is_no_green_ok(more: dict[str, Any], expected: bool) -> None:
    told = signal(**{"state": "ok", "alarm": False, "effect_low": -0.01, "effect_high": 0.1, **more})
    assert is_worse_so_far(told, "lower") is expected


@pytest.mark.parametrize(
    ("cause", "labels", "concern"),
    [
        ("migration", {}, Concern.MIGRATION),
        ("service shop", {"version": "v2"}, Concern.MIGRATION),
        ("", {"signal": "errors"}, Concern.MIGRATION),
        ("service redis", {}, Concern.SERVICE),
        ("alert OurOwn", {}, Concern.SERVICE),
        ("monitoring", {"version": "v2"}, Concern.MONITORING),
    ],
)
def test_an_alert_of_the_monitoring_comes_after_the_migrations(
    cause: str, labels: dict[str, str], concern: Concern
) -> None:
    told = {"id": 1, "alert": "Some", "starts": NOW, "received": NOW, "cause": cause, "labels": labels}
    assert concern_of(SPEC, ListedIncident.model_validate(told)) is concern


# ---------------------------------------------------------------- segments, partners, dates


def measured(**more: Any) -> MeasuredTraffic:
    none: dict[tuple[str, str], dict[tuple[str, str], float]] = {
        (name, quantile): {} for name in SPEC.signals for quantile in ("", "p50", "p95", "p99")
    }
    signals = none | {
        ("latency", "p95"): {("v1", "enterprise"): 0.03, ("v2", "freemium"): 0.25, ("v1", "freemium"): 0.1},
        ("errors", ""): {("v2", "api_partners"): 0.00095, ("v1", "enterprise"): 0.0},
    }
    return MeasuredTraffic(signals, **more)


def test_segments_are_held_to_their_own_targets_the_worst_first() -> None:
    rows = targets(SPEC, measured(), "state").segments
    assert [(row.who, row.what, row.state) for row in rows][:2] == [
        ("freemium", "latency p95", State.BAD),
        ("api_partners", "errors", State.OK),
    ]
    assert rows[1].word == "near its target"
    assert rows[-1].state is State.NO_DATA


def test_a_partner_over_its_quota_is_the_first_of_the_partners() -> None:
    used = {"acme": 1.2, "globex": 0.3}
    rows = targets(SPEC, measured(partner_requests={"acme": 12_000, "globex": 3000}, partner_quota=used), "state")
    assert (rows.partners[0].who, rows.partners[0].what, rows.partners[0].word) == ("acme", "quota", "over quota")


def test_a_step_is_expected_when_those_before_it_have_been_held() -> None:
    began = [TimelineAnswer(at=NOW - timedelta(hours=1), kind="phase", number=3, share=0.5)]
    seen = business(availability=1.5)
    view = executive(SPEC, verdict(Verdict.HOLD), at_step(3), JournalReading(timeline=tuple(began)), None, seen, NOW)
    fourth, fifth = view.steps[3:]
    assert fourth.begins == NOW - timedelta(hours=1) + timedelta(seconds=SPEC.phases[2].hold)
    assert fifth.begins == fourth.begins + timedelta(seconds=SPEC.phases[3].hold)
    assert view.ends == fifth.begins + timedelta(seconds=SPEC.phases[4].hold)
    assert {row.name: row.budget.state for row in view.budgets}["availability"] is State.BAD
    assert view.impact[-1].candidate == "12"


@pytest.mark.parametrize(
    ("better", "wanted", "shown"),
    [
        ("higher", "0.1", "+0.100 stars"),
        ("lower", "0.1", "−0.100 stars"),
        ("higher", "5%", "+5 %"),
        ("lower", "5%", "−5 %"),
    ],
)
def test_a_gain_is_wanted_on_the_side_of_the_difference_beside_it(better: str, wanted: str, shown: str) -> None:
    """The difference is V2's value minus V1's: of what is better lower it is wanted below zero."""
    before = "better: higher\n    unit: stars\n    target: 4.5\n    target_gain: 0.1"
    after = f"better: {better}\n    unit: stars\n    target: 4.5\n    target_gain: {wanted}"
    assert before in built_in_text()
    spec = parse(built_in_text().replace(before, after))
    view = executive(spec, verdict(Verdict.HOLD), at_step(3), None, None, None, NOW)
    (target,) = (row.target for row in view.impact if row.name == "satisfaction")
    assert target.replace("\u202f", " ") == shown


def test_a_paused_plan_has_no_expected_dates() -> None:
    plan = at_step(3, paused=PauseAnswer(at=NOW, who="ada"))
    view = executive(SPEC, verdict(Verdict.HOLD), plan, None, None, None, NOW)
    assert view.ends is None
    assert all(step.begins is None for step in view.steps)
