"""Moves of the plan, asked of the journal's HTTP API: forward needs a reason to believe, back never needs anything."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, replace

import httpx
import pytest
from api_caller import operator, with_state

from bascule.api import IncidentsClient
from bascule.api.models.moves import PlanMove
from bascule.delivery import Courier, Outbox
from bascule.errors import UsageError
from bascule.incidents import phases
from bascule.incidents.announce import Announcer, Moved
from bascule.incidents.app import create
from bascule.incidents.model import PhaseStep
from bascule.incidents.store import Store
from bascule.incidents.witness import HouseWitness
from bascule.spec import load
from bascule.spec.model import EscalationStep, Notify, ShareHook
from bascule.spec.receivers import Receiver, Webhook

START = 1_700_000_000.0
FORWARD = [("plan/promote", {}), ("phase", {"number": 2}), ("phase", {"number": 1, "share": 0.2})]
BACK = [("plan/rollback", {}), ("plan/abort", {}), ("phase", {"number": 0}), ("phase", {"number": 1, "share": 0.01})]


@dataclass
class Said:
    """What the judge and Prometheus say, changed by the tests."""

    promotion: str = ""
    start: str = ""
    last: str | None = '{"migration": "supersmartmatch", "verdict": "roll_back", "reasons": ["errors 12 %"]}'

    def against_promotion(self, present: PhaseStep) -> str:
        return self.promotion

    def against_start(self) -> str:
        return self.start

    def comparison(self, present: PhaseStep) -> str | None:
        return self.last


class World:
    def __init__(self, folder, spec):
        self.told = []
        self.now = START
        self.said = Said()
        self.spec = with_state(spec, folder)
        self.store = Store(folder / "incidents.sqlite", now=START)
        outbox = Outbox(folder / "deliveries.sqlite")
        self.app = create(self.spec, self.store, outbox, self.clock, witness=self.said, announce=self.told.append)
        self.http = operator(self.app, self.spec)

    def clock(self) -> float:
        self.now += 1
        return self.now

    def post(self, path, **body):
        return self.http.post(f"/api/{path}", json={"who": "ada"} | body)

    def plan(self):
        return self.http.get("/api/phase").json()

    def at(self, number):
        while self.plan()["number"] < number:
            assert self.post("plan/promote").status_code == 200
        return self


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, load("supersmartmatch"))


def test_the_plan_goes_one_step_forward_at_a_time_to_its_last(world):
    assert world.post("plan/start").json()["number"] == 1
    numbers = [world.post("plan/promote").json()["number"] for _ in range(4)]
    assert numbers == [2, 3, 4, 5]
    refused = world.post("plan/promote")
    assert (refused.status_code, world.plan()["number"]) == (400, 5)
    assert "step 5 is the last one" in refused.json()["error"]


@pytest.mark.parametrize(("path", "body"), FORWARD)
def test_no_way_forward_is_open_against_the_verdict(world, path, body):
    world.at(1).said.promotion = "the verdict is roll back (errors 12 %)"
    refused = world.post(path, why="hurry", **body)
    assert (refused.status_code, world.plan()["share"]) == (400, 0.1)
    assert "the verdict is roll back (errors 12 %)" in refused.json()["error"]
    assert "--force" in refused.json()["fix"]


@pytest.mark.parametrize(("path", "body"), FORWARD)
def test_force_with_a_reason_goes_forward_and_the_journal_says_against_what(world, path, body):
    world.at(1).said.promotion = "the verdict is no data"
    assert world.post(path, force=True, **body).status_code == 400  # without a reason
    moved = world.post(path, force=True, why="the probe is broken", **body).json()
    assert moved["share"] > 0.1
    assert moved["why"] == "forced although the verdict is no data: the probe is broken"
    moved, rests_on = world.http.get("/api/timeline").json()[-2:]
    assert "forced although the verdict is no data" in moved["text"]
    assert (rests_on["kind"], rests_on["who"]) == ("verdict", "ada")


@pytest.mark.parametrize(("path", "body"), BACK)
def test_the_way_back_is_never_refused(world, path, body):
    world.at(1).said.promotion = world.said.start = "there is no data"
    world.post("plan/pause")
    assert world.post(path, **body).status_code == 200
    assert world.plan()["share"] <= 0.01


@pytest.mark.parametrize("path", ["plan/rollback", "plan/abort"])
def test_going_back_twice_is_no_mistake_and_moves_the_traffic_again(tmp_path, path):
    said = tmp_path / "said"
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
    hook = ShareHook(run=[sys.executable, "-c", code, str(said), "{percent}"], timeout=5)
    world = World(tmp_path, load("supersmartmatch").model_copy(update={"share_hook": hook})).at(1)
    assert [world.post(path).status_code for _ in range(2)] == [200, 200]
    assert said.read_text() == "10 0 0 "


def test_the_first_step_needs_only_data_of_the_baseline(world):
    world.said.promotion = "the verdict is hold (no phase has begun)"
    world.said.start = "there is no data of v1"
    for path, body in (("plan/start", {}), ("plan/promote", {}), ("phase", {"number": 1})):
        refused = world.post(path, **body)
        assert (refused.status_code, world.plan()["number"]) == (400, 0)
        assert "there is no data of v1" in refused.json()["error"]
    world.said.start = ""
    assert world.post("plan/start").json()["number"] == 1


def test_a_plan_that_has_started_does_not_start_again(world):
    assert "it is at step 2" in world.at(2).post("plan/start").json()["error"]


def test_setting_a_step_by_its_number_skips_none(world):
    refused = world.at(1).post("phase", number=3)
    assert "one step at a time" in refused.json()["error"]


def test_after_a_rollback_the_plan_begins_at_its_first_step(world):
    world.at(3).post("plan/rollback", why="errors 12 %")
    assert world.plan()["move"] == "rollback"
    assert "first step" in world.post("phase", number=3).json()["error"]
    assert world.post("plan/promote").json()["number"] == 1


def test_a_paused_plan_keeps_its_share_and_goes_nowhere_forward_until_resumed(world):
    world.at(2).post("plan/pause", why="holidays")
    paused = world.plan()
    assert (paused["share"], paused["paused"]["who"], paused["paused"]["why"]) == (0.25, "ada", "holidays")
    for path, body in (("plan/promote", {}), ("phase", {"number": 3}), ("plan/promote", {"force": True, "why": "x"})):
        assert "paused since" in world.post(path, **body).json()["error"]
    assert world.plan()["started"] == paused["started"]  # the comparison goes on
    world.post("plan/resume", why="back")
    assert world.plan()["paused"] is None
    assert world.post("plan/promote").json()["number"] == 3
    kinds = [each["kind"] for each in world.http.get("/api/timeline").json() if each["kind"] != "verdict"]
    assert kinds[-3:] == ["pause", "resume", "phase"]


def test_a_plan_that_is_not_paused_cannot_be_resumed(world):
    assert world.post("plan/resume").status_code == 400


def test_an_aborted_plan_is_opened_by_a_new_start_alone(world):
    world.at(2).post("plan/abort", why="the vendor withdrew V2")
    assert world.plan()["closed"]
    for path, body in (
        ("plan/promote", {}),
        ("plan/promote", {"force": True, "why": "x"}),
        ("phase", {"number": 1}),
        ("phase", {"number": 1, "force": True, "why": "x"}),
    ):
        assert "was aborted" in world.post(path, **body).json()["error"]
    world.post("phase", number=0)
    world.post("plan/rollback")
    assert world.plan()["closed"]
    opened = world.post("plan/start").json()
    assert (opened["number"], opened["closed"]) == (1, False)


def test_what_was_compared_before_a_rollback_is_kept_with_its_date_until_the_plan_starts_again(world):
    assert world.http.get("/api/plan/comparison").json() == {"at": None, "verdict": None}
    rolled = world.at(1).post("plan/rollback", why="errors").json()
    kept = world.http.get("/api/plan/comparison").json()
    assert (kept["at"], kept["verdict"]["reasons"]) == (rolled["started"], ["errors 12 %"])
    world.said.last = None
    world.post("plan/rollback")
    assert world.http.get("/api/plan/comparison").json() == kept
    world.post("plan/start")
    assert world.http.get("/api/plan/comparison").json()["verdict"] is None


def test_a_judge_that_hangs_does_not_keep_a_rollback_waiting(world, monkeypatch):
    world.at(1)
    hung = threading.Event()
    monkeypatch.setattr("bascule.incidents.moves.KEEP_SECONDS", 0.05)
    monkeypatch.setattr(world.said, "comparison", lambda present: hung.wait(30))
    try:
        assert world.post("plan/rollback").json()["share"] == 0
    finally:
        hung.set()


def test_a_verdict_does_not_move_the_plan_that_moved_meanwhile(world, monkeypatch):
    """Two people promote at once on one verdict: the plan goes one step."""
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(world.said, "against_promotion", lambda present: "" if both.wait() >= 0 else "nobody else")
    world.at(1)
    codes: list[int] = []
    people = [threading.Thread(target=lambda: codes.append(world.post("plan/promote").status_code)) for _ in range(2)]
    for each in people:
        each.start()
    for each in people:
        each.join(20)
    assert sorted(codes) == [200, 400]
    assert world.plan()["number"] == 2


def test_people_are_told_of_every_move_that_was_made_with_its_reason_and_its_verdict(world):
    world.at(1)
    world.said.promotion = "the verdict is hold"
    assert world.post("plan/promote").status_code >= 400
    world.post("plan/pause", why="lunch")
    world.post("plan/resume")
    world.post("phase", number=1, share=0.05)
    world.post("plan/rollback", why="errors")
    assert [told.move for told in world.told] == ["promote", "pause", "resume", "step 1", "rollback"]
    paused, back = world.told[1], world.told[-1]
    assert (paused.who, paused.why, paused.share) == ("ada", "lunch", 0.1)
    assert (back.why, back.share, back.verdict) == ("errors", 0.0, "roll back: errors 12 %")


def test_a_move_is_told_once_to_the_first_of_every_escalation_though_the_process_ended_meanwhile(tmp_path):
    anyone = Receiver(webhook=Webhook(url="http://127.0.0.1:9/"))
    steps = [EscalationStep(after=0.0, to="on-call"), EscalationStep(after=900.0, to="lead")]
    notify = Notify(receivers={"on-call": anyone, "lead": anyone, "chat": anyone}, escalation={"technical": steps})
    spec = load("supersmartmatch").model_copy(update={"notify": notify})
    store, outbox = Store(tmp_path / "incidents.sqlite", now=START), Outbox(tmp_path / "deliveries.sqlite")
    announcer = Announcer(spec, store, Courier(spec.notify.receivers, outbox))
    announcer.resume(START + 1)
    assert outbox.owed() == []  # the beginning of the journal is nobody's move
    phases.change(spec, store, PhaseStep(START + 2, 1, 0.1, "ada", "all quiet", "start"))
    announcer(Moved(START + 2, "start", "ada", "all quiet", 0.1, "promote"))
    owed = outbox.owed()
    assert {each.receiver for each in owed} == {"on-call", "chat"}
    announcer.resume(START + 3)
    assert outbox.owed() == owed
    message = owed[0].message
    assert message.subject == f"[{spec.title}] STARTED by ada: v2 gets 10%"
    for line in ("reason: all quiet", "verdict at that moment: promote", spec.rollback_command):
        assert line in message.text


def test_the_client_makes_every_move(world):
    def answer(request: httpx.Request) -> httpx.Response:
        told = world.http.request(
            request.method, request.url.raw_path.decode(), headers=request.headers.raw, content=request.content
        )
        return httpx.Response(told.status_code, content=told.content, headers=told.headers)

    client = IncidentsClient(world.spec, transport=httpx.MockTransport(answer))
    moves = [PlanMove.START, PlanMove.PAUSE, PlanMove.RESUME, PlanMove.PROMOTE, PlanMove.ROLLBACK, PlanMove.ABORT]
    assert [client.move(move, "ada", "why").number for move in moves] == [1, 1, 1, 2, 0, 0]
    with pytest.raises(UsageError, match="was aborted"):
        client.move(PlanMove.PROMOTE, "ada", "why", force=True)


# ---------------------------------------------------------------- what the judge must have said


STEP = PhaseStep(START, 2, 0.25, "ada", "")


def judged(**changed):
    phase = {"number": 2, "started": "2023-11-14T22:13:20.000Z"}
    return {"migration": "x", "verdict": "promote", "reasons": ["Gate."], "phase": phase, "tick": START + 100} | changed


@pytest.mark.parametrize(
    ("answer", "against"),
    [
        (judged(), ""),
        (judged(verdict="hold"), "the verdict is hold (Gate)"),
        (judged(verdict="roll_back"), "the verdict is roll back (Gate)"),
        (judged(verdict="no_data", reasons=[]), "the verdict is no data (without a reason)"),
        (judged(verdict="nonsense"), "the verdict is no data (Gate)"),
        (judged(phase={"number": 1, "started": START}), "there is no verdict of step 2 yet"),
        (judged(phase={"number": 2, "started": START - 5}), "there is no verdict of step 2 yet"),
        (judged(phase=None), "there is no verdict of step 2 yet"),
        (judged(tick=START + 80), "the last verdict is 21 s old"),
        (judged(tick=None), "there is no verdict yet"),
        ({}, "there is no verdict of step 2 yet"),
    ],
)
def test_only_a_fresh_promote_of_the_very_step_opens_the_way(tmp_path, answer, against):
    witness = HouseWitness(with_state(load("supersmartmatch"), tmp_path), clock=lambda: START + 101)
    (judge,) = witness._judge._judges.servers
    judge._http._client = httpx.Client(
        base_url="http://judge", transport=httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    )
    assert witness.against_promotion(STEP) == against


def test_without_a_judge_and_without_prometheus_nothing_goes_forward(tmp_path, free_port):
    spec = with_state(load("supersmartmatch"), tmp_path)
    ports = spec.stack.ports.model_copy(update={"judge": free_port(), "prometheus": free_port()})
    witness = HouseWitness(spec.model_copy(update={"stack": spec.stack.model_copy(update={"ports": ports})}))
    assert witness.against_promotion(replace(STEP)).startswith("there is no verdict (the judge role")
    assert witness.against_start().startswith("there is no data of v1 (Prometheus at")
    assert witness.comparison(STEP) is None
