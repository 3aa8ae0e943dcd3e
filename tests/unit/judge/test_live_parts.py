"""The parts around the engine: what is posted, what is shown, and what a missing Prometheus does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pretended_journal
import pytest
from fastapi.testclient import TestClient

from bascule.conventions import State, Verdict
from bascule.errors import Unreachable
from bascule.judge import (
    Alarm,
    AlarmPost,
    Judgement,
    LiveJudge,
    Opinion,
    PhaseWatch,
    PlanStep,
    PresentStep,
    VerdictBoard,
    build_app,
    fresh_seconds,
)
from bascule.states import Cause, Missing

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}


@dataclass
class PretendAlertmanager:
    posted: list = field(default_factory=list)
    holds: list = field(default_factory=list)
    away: bool = False

    def post(self, alerts) -> None:
        if self.away:
            raise Unreachable("no answer")
        self.posted.append(list(alerts))

    def alerts(self) -> list:
        return self.holds


def alarm(segment: str = "freemium", since: float = START) -> Alarm:
    return Alarm("errors", segment, since, 9.0, 7.0, "text")


@pytest.fixture
def alertmanager() -> PretendAlertmanager:
    return PretendAlertmanager()


@pytest.fixture
def post(house, alertmanager) -> AlarmPost:
    return AlarmPost(house.shop_spec(), alertmanager)


def test_a_new_alarm_is_posted_at_once_and_not_at_every_look(post, alertmanager):
    standing = {("errors", "freemium"): alarm()}
    post.send(standing)
    post.send(standing)
    assert len(alertmanager.posted) == 1
    alert = alertmanager.posted[0][0]
    assert alert.labels["alertname"] == "CandidateWorse"
    assert alert.labels["user_segment"] == "freemium"
    assert (alert.ends - alert.starts).total_seconds() > 600


def test_an_ended_alarm_is_posted_as_ended_even_if_the_first_try_fails(post, alertmanager):
    post.send({("errors", "freemium"): alarm()})
    alertmanager.away = True
    post.send({})
    alertmanager.away = False
    post.send({})
    last = alertmanager.posted[-1]
    assert [(a.labels["user_segment"], a.ends > a.starts) for a in last] == [("freemium", True)]
    post.send({})
    assert len(alertmanager.posted) == 2


def test_after_a_restart_the_alarms_that_alertmanager_holds_are_taken_over(post, alertmanager):
    labels = {"alertname": "CandidateWorse", "signal": "errors", "user_segment": "freemium"}
    alertmanager.holds = [
        {"labels": labels, "annotations": {"description": "why"}, "startsAt": "2026-01-01T00:00:00Z"},
        {"labels": {"alertname": "ServiceDown"}, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z"},
    ]
    assert [(each.signal, each.segment, each.text) for each in post.held()] == [("errors", "freemium", "why")]
    post.send({})
    assert len(alertmanager.posted[0]) == 1


# ---------------------------------------------------------------- the board


@pytest.fixture
def outcome(house, world):
    bench = world.Bench(house.shop_spec(), {"latency": house.BOUNDS, "satisfaction": ()}, PlanStep(2, START, HALF))
    bench.history(60)
    bench.run(30)
    return bench.outcome()


def test_before_the_first_look_there_is_no_data(house):
    board = VerdictBoard(house.shop_spec())
    body = board.verdict()
    assert body["verdict"] == Verdict.NO_DATA
    assert body["tick"] is None
    assert body["reasons"]


def test_numbers_that_are_missing_are_null_and_never_nan(house, outcome):
    board = VerdictBoard(house.shop_spec())
    board.publish(outcome, None, 0.01)
    text = json.dumps(board.verdict(), allow_nan=False)
    body = json.loads(text)
    left_out = next(line for line in body["signals"] if line["segment"] == "enterprise")
    assert left_out["state"] == State.NOT_APPLICABLE
    assert left_out["candidate"] is None
    page = TestClient(build_app(board), base_url="http://127.0.0.1").get("/metrics").text
    assert "nan" not in page.lower()


def test_gates_say_whether_they_are_decided_and_triggers_since_when_they_are_beyond(house, world):
    bench = world.Bench(house.shop_spec(), {"latency": house.BOUNDS, "satisfaction": ()}, PlanStep(2, START, HALF))
    bench.history(60)
    bench.run(15)
    board = VerdictBoard(house.shop_spec())
    board.publish(bench.outcome(), None, 0.01)
    before = board.verdict()
    bench.run(600)
    board.publish(bench.outcome(), None, 0.01)
    later = board.verdict()
    assert [gate["decided"] for gate in before["gates"] + later["gates"]] == [False, True]
    bench.run(40, errors=(0.0002, 0.4))
    board.publish(bench.outcome(), None, 0.01)
    after = board.verdict()
    assert [each["beyond_since"] for each in before["rollback"]] == [None, None]
    beyond = next(each for each in after["rollback"] if each["when"].startswith("errors"))
    since = datetime.fromisoformat(beyond["beyond_since"]).timestamp()
    assert START + 615 < since < START + 635
    assert beyond["value"] > 0.05


def test_argo_rollouts_reads_the_verdict_as_its_web_metric_does(house, outcome):
    """A GET with Argo's headers, the jsonPath {$.verdict}, and the conditions of docs/method.md on the result."""
    board = VerdictBoard(house.shop_spec())
    board.publish(outcome, None, 0.01)
    answer = TestClient(build_app(board), base_url="http://127.0.0.1").get(
        "/api/verdict", headers={"User-Agent": "Argo Rollouts/v1.7"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    result = answer.json()["verdict"]
    assert isinstance(result, str)
    assert (result == "promote", result == "roll_back") == (True, False)


def test_when_prometheus_is_away_the_last_readings_are_shown_as_no_data(house, outcome):
    board = VerdictBoard(house.shop_spec())
    board.publish(outcome, None, 0.01)
    board.publish(None, Missing(Cause.SERVER_AWAY, "Prometheus does not answer"), 0.01)
    body = board.verdict()
    assert body["verdict"] == Verdict.NO_DATA
    assert body["reasons"] == ["Prometheus does not answer"]
    assert {line["state"] for line in body["signals"]} == {State.NO_DATA, State.NOT_APPLICABLE}
    page = TestClient(build_app(board), base_url="http://127.0.0.1").get("/metrics").text
    assert 'bascule_signal_state{signal="errors",state="ok",user_segment="freemium"} 0.0' in page
    assert "bascule_signal_log_evidence{" not in page


@pytest.mark.parametrize(
    ("verdict", "yes"),
    [
        (Verdict.PROMOTE, {"confirm-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"}),
        (Verdict.HOLD, {"confirm-rollout", "rollout"}),
        (Verdict.ROLL_BACK, {"rollback"}),
        (Verdict.NO_DATA, set()),
    ],
)
def test_flaggers_webhooks_are_answered_by_the_verdict(house, outcome, verdict, yes):
    board = VerdictBoard(house.shop_spec())
    board.publish(replace(outcome, judgement=Judgement(verdict, ("because",))), None, 0.01)
    client = TestClient(build_app(board), base_url="http://127.0.0.1")
    body = {"name": "shop", "namespace": "prod", "phase": "Progressing", "metadata": {}}
    kinds = ("confirm-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion", "rollback")
    assert {kind for kind in kinds if client.post(f"/api/flagger/{kind}", json=body).status_code == 200} == yes


def test_an_evaluation_older_than_a_few_ticks_is_no_verdict_on_any_page(house, outcome, monkeypatch):
    """Whatever keeps the loop from going on, what it said last is not repeated as the present."""
    board = VerdictBoard(house.shop_spec())
    promote = replace(outcome, judgement=Judgement(Verdict.PROMOTE, ("because",)))
    board.publish(promote, None, 0.01)
    assert board.verdict()["verdict"] == Verdict.PROMOTE
    board.publish(promote, None, fresh_seconds(board.spec) + 0.1)
    body = board.verdict()
    assert (body["verdict"], body["cause"]) == (Verdict.NO_DATA, Cause.SERVER_AWAY)
    assert {each["state"] for each in (*body["signals"], *body["gates"])} == {State.NO_DATA, State.NOT_APPLICABLE}
    client = TestClient(build_app(board), base_url="http://127.0.0.1")
    assert client.post("/api/flagger/confirm-promotion", json={}).status_code == 412
    page = client.get("/metrics").text
    assert 'bascule_verdict{verdict="no_data"} 1.0' in page
    assert 'bascule_no_data_cause{cause="server away",version=""} 1.0' in page
    assert "bascule_signal_value{" not in page


@pytest.mark.parametrize(
    ("step", "cause"),
    [((2, START), None), ((2, START + 1), Cause.OTHER_STEP), ((3, START), Cause.OTHER_STEP), (None, Cause.SERVER_AWAY)],
    ids=["the same step", "begun anew", "another number", "no journal"],
)
def test_a_verdict_is_about_the_journals_present_step_or_there_is_none(house, outcome, step, cause):
    board = VerdictBoard(spec := house.shop_spec())
    board.publish(replace(outcome, judgement=Judgement(Verdict.PROMOTE, ("because",))), None, 0.01)
    app = build_app(board, PresentStep(spec, pretended_journal.client(spec, step)))
    body = TestClient(app, base_url="http://127.0.0.1").get("/api/verdict").json()
    assert body["cause"] == cause
    assert body["verdict"] == (Verdict.PROMOTE if cause is None else Verdict.NO_DATA)
    assert body["phase"]["number"] == 2


def told(house, outcome, verdict, compared=None, **plan):
    board = VerdictBoard(spec := house.shop_spec())
    board.publish(replace(outcome, judgement=Judgement(verdict, ("because",))), None, 0.01)
    present = PresentStep(spec, pretended_journal.client(spec, (2, START), compared, **plan))
    body = TestClient(build_app(board, present), base_url="http://127.0.0.1").get("/api/verdict").json()
    return body["verdict"], body["reasons"]


def test_after_a_rollback_the_verdict_says_by_whom_and_why_and_what_was_compared_last(house, outcome):
    compared = {"verdict": "roll_back", "reasons": ["errors 12 %", "latency"], "tick": START - 1}
    rolled = {"who": "lead", "why": "errors 12 %", "move": "rollback"}
    verdict, reasons = told(house, outcome, Verdict.HOLD, compared, **rolled)
    assert verdict == Verdict.HOLD
    assert reasons == [
        "Rolled back at 13:46:40 UTC by lead: errors 12 %.",
        "All traffic is planned on v1. Fix v2, then start the plan again: `bascule start`.",
        "At 13:46:39 UTC the verdict was roll back: latency",
    ]
    spec = house.shop_spec()
    present = PresentStep(spec, pretended_journal.client(spec, (0, START), compared, **rolled))
    held = replace(outcome, judgement=Judgement(Verdict.HOLD, ("No phase has begun.",)))
    assert present.after_withdrawal(Opinion.of(held)).reasons == tuple(reasons)  # `compare` says it, too
    assert told(house, outcome, Verdict.HOLD, **rolled)[1][2].startswith("No comparison was stored")
    aborted = told(house, outcome, Verdict.HOLD, who="lead", move="abort", closed=True)[1]
    assert aborted[0] == "Aborted at 13:46:40 UTC by lead."
    assert told(house, outcome, Verdict.NO_DATA, compared, **rolled) == (Verdict.NO_DATA, ["because"])


def test_a_paused_plan_is_held_whatever_speaks_for_a_promotion_and_alarms_go_on(house, outcome):
    paused = {"paused": {"at": START - 5, "who": "ada", "why": "holidays"}}
    verdict, reasons = told(house, outcome, Verdict.PROMOTE, **paused)
    assert verdict == Verdict.HOLD
    assert reasons[0] == "Paused since 13:46:35 UTC by ada: holidays. `bascule resume` ends the pause."
    assert told(house, outcome, Verdict.ROLL_BACK, **paused) == (Verdict.ROLL_BACK, ["because"])


# ---------------------------------------------------------------- the loop


class Away:
    def __getattr__(self, name: str):
        def refuse(*_: object, **__: object) -> None:
            raise Unreachable("Prometheus at http://x does not answer")

        return refuse


def test_a_look_that_fails_is_published_with_its_reason_and_ends_nothing(house, tmp_path):
    spec = house.shop_spec()
    board = VerdictBoard(spec)
    judge = LiveJudge(spec, Away(), (), board.publish)
    assert judge.tick() is None
    assert "does not answer" in board.verdict()["reasons"][0]


def test_a_new_step_restarts_the_tests_and_keeps_the_history(house, world, tmp_path):
    """Samples from before the step feed the baseline's rate; the evidence begins with the step."""
    prometheus = world.PretendPrometheus()
    shops = [house.Shop("v1", 1, dict(world.RATES)), house.Shop("v2", 2, {})]
    spec = house.shop_spec()

    def serve(seconds: int) -> None:
        for _ in range(seconds):
            prometheus.now += 1
            for shop, job in zip(shops, ("shop-v1", "shop-v2"), strict=True):
                shop.serve(1.0)
                prometheus.add(prometheus.now, shop.text(), job=job, instance=job)
                prometheus.add(prometheus.now, "up 1", job=job, instance=job)

    prometheus.now = START
    prometheus.plan = PlanStep(0, START, dict.fromkeys(HALF, 0.0))
    board = VerdictBoard(spec)
    judge = LiveJudge(spec, prometheus, (), board.publish)
    serve(40)
    judge.tick()
    first = judge.watch
    for shop, part in zip(shops, (0.5, 0.5), strict=True):
        shop.rate = {name: part * rate for name, rate in world.RATES.items()}
    prometheus.plan = PlanStep(2, prometheus.now, HALF)
    serve(10)
    judge.tick()
    assert judge.watch is not first
    assert 7 <= judge.watch.engine.seconds <= 10
    assert judge.watch.engine.history.baseline_events.sum() > 20 * 30
    assert board.verdict()["phase"]["number"] == 2


def test_what_a_young_server_does_not_hold_is_not_asked_for_piece_by_piece(house, world):
    """Of an hour that would be 240 times every query, at the start and at each step; what is read is the same."""

    class Eager(world.PretendPrometheus):
        def has_samples(self, *_: object) -> bool:
            return True

    prometheus = world.PretendPrometheus(now=START, plan=PlanStep(0, START, dict.fromkeys(HALF, 0.0)))
    shop = house.Shop("v1", 1, dict(world.RATES))
    for _ in range(40):
        prometheus.now += 1
        shop.serve(1.0)
        prometheus.add(prometheus.now, shop.text() + "up 1\n", job="shop-v1", instance="shop-v1")
    eager = Eager(prometheus.now, prometheus.samples, prometheus.plan)
    watches = [PhaseWatch(house.shop_spec(), server, server.plan, reach=600.0) for server in (prometheus, eager)]
    for watch in watches:
        watch.advance(prometheus.now)
    assert len(prometheus.asked) < len(eager.asked) / 8
    assert watches[0].engine.seconds == watches[1].engine.seconds > 30
    assert np.array_equal(watches[0].engine.sums, watches[1].engine.sums)
    assert np.array_equal(watches[0].engine.history.upper, watches[1].engine.history.upper)


def test_instances_that_come_and_go_are_forgotten_after_a_quarter_of_an_hour(house, world):
    """A new pod every five minutes; the judge keeps the recent ones, however long the migration lasts."""
    prometheus = world.PretendPrometheus(now=START, plan=PlanStep(2, START, HALF))
    watch = PhaseWatch(house.shop_spec(), prometheus, prometheus.plan, reach=0.0)
    known = []
    for pod in range(18):
        shop = house.Shop("v1" if pod % 2 else "v2", pod, dict(world.RATES))
        for _ in range(5):
            prometheus.now += 60
            shop.serve(60.0)
            target = {"job": f"shop-{shop.version}", "instance": f"pod-{pod}"}
            prometheus.add(prometheus.now, shop.text() + "up 1\n", **target)
        watch.advance(prometheus.now)
        known.append(len(watch.reader) / len(shop.counts))
        prometheus.samples = {
            labels: points[-9:] for labels, points in prometheus.samples.items() if points[-1][0] > prometheus.now - 600
        }
    assert known[1] < known[3]
    assert max(known[8:]) <= max(known[4:8])
    assert watch.surroundings(prometheus.now).sights[0].up is not None
