"""The role's HTTP API, asked through the ASGI interface."""

from __future__ import annotations

import json
import sys

import pytest
import served
from api_caller import operator, with_state

from bascule import times
from bascule.delivery import Message, Outbox
from bascule.incidents.app import create
from bascule.incidents.escalator import Escalator
from bascule.incidents.model import Window
from bascule.incidents.quiet import Quiet
from bascule.incidents.reconcile import Reconciler
from bascule.incidents.silences import Keeper
from bascule.incidents.sources import Snapshot
from bascule.incidents.store import Store
from bascule.prometheus.held import Firing, RuleWord
from bascule.spec import load
from bascule.spec.model import Notify, ShareHook
from bascule.spec.receivers import Receiver, Webhook


class Clock:
    now = 1_700_000_000.1234

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    journal = Store(tmp_path / "incidents.sqlite", now=1_700_000_000.0)
    yield journal
    journal.close()


class Agreeing:
    """A judge and a Prometheus that have nothing against any move."""

    def against_promotion(self, present) -> str:
        return ""

    def against_start(self) -> str:
        return ""

    def comparison(self, present) -> None:
        return None


def client_of(spec, store, clock):
    spec = with_state(spec, store.path.parent)
    outbox = Outbox(store.path.parent / "deliveries.sqlite")
    return operator(create(spec, store, outbox, clock, witness=Agreeing()), spec)


@pytest.fixture
def client(store, clock):
    return client_of(load("supersmartmatch"), store, clock)


def alert(status: str = "firing", **labels: str) -> dict:
    return {
        "status": status,
        "labels": {"alertname": "V2ErrorSpike", "severity": "critical"} | labels,
        "annotations": {"summary": "V2 error rate significantly higher than V1", "description": "12 %"},
        "startsAt": "2023-11-14T22:13:19.5Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2023-11-14T22:14:00Z",
        "fingerprint": "abc",
    }


def webhook(*alerts: dict) -> dict:
    return {"version": "4", "status": "firing", "alerts": list(alerts)}


def metric(client, name: str) -> str:
    lines = client.get("/metrics").text.splitlines()
    return next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(name))


def test_a_webhook_becomes_an_incident_with_the_millisecond_it_came(client):
    assert client.post("/api/webhook", json=webhook(alert())).json() == {"received": 1, "unreadable": 0}
    (incident,) = client.get("/api/incidents").json()
    assert incident["alert"] == "V2ErrorSpike"
    assert incident["received"] == 1_700_000_000.123
    assert incident["starts"] == pytest.approx(1_699_999_999.5)
    assert (incident["status"], incident["resolved"]) == ("open", None)
    assert incident["summary"].startswith("V2 error rate")


def test_the_end_of_an_alert_is_claimed_until_evidence_confirms_it(client, clock):
    client.post("/api/webhook", json=webhook(alert()))
    clock.now += 40
    client.post("/api/webhook", json=webhook(alert("resolved")))
    (incident,) = client.get("/api/incidents").json()
    assert (incident["status"], incident["unknown_since"]) == ("unknown", 1_700_000_040.123)


@pytest.mark.parametrize(
    "body", [[], {}, {"alerts": 3}, webhook({"status": "odd"}), webhook({"status": "firing", "labels": []})]
)
def test_a_body_that_is_no_webhook_is_refused_and_counted(client, body):
    answer = client.post("/api/webhook", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert metric(client, 'bascule_notifications_received_total{status="unreadable"}') == "1.0"


def test_before_the_first_phase_no_segment_has_a_share(client):
    assert metric(client, "bascule_phase ") == "0.0"
    for segment in ("all", "enterprise", "api_partners", "freemium"):
        assert metric(client, f'bascule_planned_share_ratio{{user_segment="{segment}"}}') == "0.0"


def test_a_phase_gives_each_segment_its_planned_share(client):
    body = {"number": 3, "who": "ada", "why": "gates passed"}
    assert client.post("/api/phase", json=body).json()["share"] == 0.5
    assert metric(client, 'bascule_planned_share_ratio{user_segment="all"}') == "0.5"
    assert metric(client, 'bascule_planned_share_ratio{user_segment="freemium"}') == "0.5"
    assert metric(client, 'bascule_planned_share_ratio{user_segment="enterprise"}') == "0.0"
    assert metric(client, "bascule_phase_started_timestamp_seconds") == "1.700000000123e+09"
    shown = client.get("/api/phase").json()
    assert (shown["number"], shown["who"], shown["why"]) == (3, "ada", "gates passed")


@pytest.mark.parametrize(
    "body",
    [
        {"number": 6, "who": "ada"},
        {"number": -1, "who": "ada"},
        {"number": 1, "share": 1.5, "who": "ada"},
        {"number": 1, "who": " "},
        {"number": 1},
        {"number": "one", "who": "ada"},
    ],
)
def test_a_phase_the_plan_does_not_have_is_refused_and_changes_nothing(client, body):
    assert client.post("/api/phase", json=body).status_code == 400
    assert client.get("/api/phase").json()["number"] == 0


def with_hook(*command: str):
    return load("supersmartmatch").model_copy(update={"share_hook": ShareHook(run=list(command), timeout=5)})


def test_the_hook_moves_the_share_with_the_numbers_as_arguments(store, clock, tmp_path):
    said = tmp_path / "said"
    code = "import sys; open(sys.argv[1], 'w').write('|'.join(sys.argv[2:]))"
    spec = with_hook(sys.executable, "-c", code, str(said), "{percent}", "{share}", "{why}; rm -rf /")
    body = {"number": 2, "who": "ada", "why": "$(date) {share}"}
    assert client_of(spec, store, clock).post("/api/phase", json=body).status_code == 200
    assert said.read_text() == "25|0.25|$(date) {share}; rm -rf /"


def test_a_hook_that_fails_leaves_the_phase_as_it_was_and_says_so(store, clock):
    spec = with_hook(sys.executable, "-c", "import sys; sys.exit('no such upstream')")
    client = client_of(spec, store, clock)
    answer = client.post("/api/phase", json={"number": 2, "who": "ada"})
    assert answer.status_code == 502
    assert "no such upstream" in answer.json()["error"]
    assert client.get("/api/phase").json()["number"] == 0
    assert client.get("/api/timeline").json()[-1]["kind"] == "hook_failed"


def test_the_timeline_holds_phases_and_annotations_in_order(client, clock):
    client.post("/api/phase", json={"number": 1, "who": "ada", "why": "start"})
    clock.now += 5
    client.post("/api/annotations", json={"text": "V2 error rate set to 12 %", "kind": "fault", "who": "ada"})
    kinds = [item["kind"] for item in client.get("/api/timeline").json()]
    assert kinds == ["phase", "phase", "verdict", "fault"]


def test_open_incidents_are_counted_by_severity(client):
    assert metric(client, 'bascule_incidents_open{severity="critical"}') == "0.0"
    client.post("/api/webhook", json=webhook(alert()))
    assert metric(client, 'bascule_incidents_open{severity="critical"}') == "1.0"


def test_each_service_says_whether_it_is_in_planned_maintenance(client, clock):
    def planned():
        names = ("supersmartmatch-v1", "supersmartmatch-v2")
        return [metric(client, f'bascule_maintenance_planned{{service="{name}"}}') for name in names]

    asked = {"reason": "upgrade", "who": "ada", "silent": False, "services": ["supersmartmatch-v2"]}
    begins, ends = (times.rfc3339(clock.now + after) for after in (10, 20))
    client.post("/api/maintenance", json=asked | {"starts": begins, "ends": ends}).raise_for_status()
    seen = []
    for _ in range(3):
        seen.append(planned())
        clock.now += 10
    assert seen == [["0.0", "0.0"], ["0.0", "1.0"], ["0.0", "0.0"]]


def test_a_window_is_ended_while_alertmanager_is_away_and_what_still_fires_is_opened_at_once(client, store, clock):
    """Alertmanager delivered nothing in the window, and does not say that it is over."""
    now = clock.now
    store.add_window(Window(0, now - 600, now + 3600, "upgrade", ("redis",), silence="s"))
    down = Firing({"alertname": "ServiceDown", "severity": "critical", "job": "redis"}, now - 300)
    reconciler = Reconciler(store, Quiet(store))

    def see(at):
        name = frozenset({"ServiceDown"})
        reconciler.see(Snapshot(at, None, RuleWord([down], [], name, name, 0.0)))
        return [incident.alert for incident in store.open_incidents()]

    assert see(now) == []
    ended = client.post("/api/maintenance/1/end", json={"who": "ada"})
    assert (ended.status_code, ended.json()["ends"]) == (200, now)
    assert see(now + 1) == ["ServiceDown"]


def test_the_silence_of_a_window_that_was_ended_early_ends_once_alertmanager_is_back(store, clock):
    ended = []
    held = {
        "id": "s",
        "matchers": [{"name": "job", "value": "redis", "isRegex": True, "isEqual": True}],
        "startsAt": times.rfc3339(clock.now - 600),
        "endsAt": times.rfc3339(clock.now + 3600),
        "comment": f"planned maintenance: upgrade [journal {store.identity}]",
        "status": {"state": "active"},
    }

    class Alertmanager(served.Quiet):
        def do_GET(self):
            self.answer(200, json.dumps([held]).encode(), "application/json")

        def do_DELETE(self):
            ended.append(self.path)
            self.answer(200)

    window = store.add_window(Window(0, clock.now - 600, clock.now + 3600, "upgrade", ("redis",), silence="s"))
    store.end_window(window.id, clock.now)
    with served.served(Alertmanager) as address:
        spec = load("supersmartmatch")
        external = spec.stack.model_copy(update={"external": {"alertmanager": f"http://{address}"}})
        keeper = Keeper(spec.model_copy(update={"stack": external}), store, clock)
        keeper.tend()
        clock.now += 15
        keeper.tend()
    assert ended == ["/api/v2/silence/s"]


def test_a_page_of_another_origin_cannot_write_here(client):
    """Browsers send foreign forms as text/plain, and rebound names with their own Host."""
    plain = client.post("/api/phase", content='{"number":1,"who":"x"}', headers={"content-type": "text/plain"})
    rebound = client.post("/api/phase", json={"number": 1, "who": "x"}, headers={"host": "evil.example"})
    assert (plain.status_code, rebound.status_code) == (415, 400)
    assert client.get("/api/phase").json()["number"] == 0


def test_an_acknowledgement_names_who_and_when(client, clock):
    client.post("/api/webhook", json=webhook(alert()))
    clock.now += 60
    (incident,) = client.post("/api/incidents/1/acknowledge", json={"who": "ada"}).json()
    assert (incident["acknowledged_by"], incident["acknowledged"]) == ("ada", clock.now)
    assert client.post("/api/incidents/9/acknowledge", json={"who": "ada"}).status_code == 400


POISON = """
INSERT INTO incidents (situation, fingerprint, alert, labels, severity, kind, summary, description, starts, received)
  VALUES (1, 'p', 'Poison', '{"alertname": 1', 'critical', 'technical', '', '', 9e999, 9e999),
         (1, 'q', 'Poison', '[]', 'critical', 'technical', '', '', 1e300, 1e15),
         (1, 'r', 'Poison', '{}', 'critical', 'technical', '', '', 'soon', 'now');
INSERT INTO entries VALUES (9e999, 'note', 'poison', 'eve', NULL), (1.7e12, 'note', 'poison', 'eve', NULL),
  ('soon', 'note', 'poison', 'eve', NULL);
INSERT INTO windows (starts, ends, reason, services, who, silence)
  VALUES (0, 9e999, 'poison', '[]', '', ''), (0, 2e9, 'poison', '{', '', ''), (0, 2e9, 'poison', 'null', '', '');
INSERT INTO notices VALUES ('k', 1, 0, 'step', 'nobody', 9e999, 'delivered', '', 1, 1, NULL),
  ('l', 1, 0, 'step', 'n', 'x', 'y', '', 1, 1, NULL);
"""


def test_rows_that_nobody_would_write_are_left_out_and_everything_else_goes_on(client, store, clock):
    """What another build, or a hand, has written: readers skip it, the loops of the role do not end at it."""
    for statement in POISON.strip().split(";\n"):
        store._db.execute(statement)
    client.post("/api/webhook", json=webhook(alert()))
    client.post("/api/annotations", json={"text": "true", "who": "ada"})
    paths = ("incidents", "timeline", "maintenance", "notices", "phase")
    answers = {path: client.get(f"/api/{path}") for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert "V2ErrorSpike" in {each["alert"] for each in answers["incidents"].json()}
    assert "true" in {each["text"] for each in answers["timeline"].json()}
    assert client.get("/metrics").status_code == 200
    Reconciler(store, Quiet(store)).see(Snapshot(clock(), [], None, []))
    told = Recorded()
    spec = load("supersmartmatch")
    people = Notify(receivers={"ada": Receiver(webhook=Webhook(url="http://ada.invalid/"))})
    Escalator(spec.model_copy(update={"notify": people}), store, told, Quiet(store), clock).tick()
    assert any("V2ErrorSpike" in subject for subject in told.subjects)


class Recorded:
    """The courier's place."""

    def __init__(self):
        self.subjects = []

    def owe(self, name, message):
        self.subjects.append(message.subject)


def test_a_channel_that_is_owed_a_notice_is_measured_by_its_kind(store, clock):
    """An address is nobody's label; a channel that has everything stands there at zero."""
    spec = load("supersmartmatch")
    mail = {"smtp": "127.0.0.1:1", "sender": "b@example.com", "to": ["ada@example.com"]}
    people = {"ada": Receiver.model_validate({"email": mail, "webhook": {"url": "http://ada.invalid/"}})}
    spec = with_state(spec.model_copy(update={"notify": Notify(receivers=people)}), store.path.parent)
    outbox = Outbox(store.path.parent / "deliveries.sqlite")
    outbox.add(Message("k", "subject", "text"), "ada", ["email ada@example.com"], clock() - 90)
    told = operator(create(spec, store, outbox, clock), spec).get("/metrics").text
    assert 'bascule_notice_owed_seconds{channel="email",receiver="ada"} 90.0' in told
    assert 'bascule_notice_owed_seconds{channel="webhook",receiver="ada"} 0.0' in told
