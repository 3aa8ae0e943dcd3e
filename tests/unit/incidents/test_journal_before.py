"""A journal written by the build before opens, and what was allowed into it then hides nothing now."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import httpx
import pytest
from api_caller import operator, with_state

from bascule.console.parts import Parts
from bascule.delivery import Outbox
from bascule.incidents.app import create
from bascule.incidents.store import Store
from bascule.sla.journal import read_journal
from bascule.spec import load

DUMPS = Path(__file__).parents[2] / "fixtures/state_before"
START = 1_767_225_600.0


@pytest.fixture
def spec(tmp_path):
    for dump in DUMPS.glob("*.sql"):
        with sqlite3.connect(tmp_path / f"{dump.stem}.sqlite") as database:
            database.executescript(dump.read_text("utf-8"))
    return with_state(load("supersmartmatch"), tmp_path)


@pytest.fixture
def client(spec):
    store = Store(spec.stack.state / "incidents.sqlite", time.time())
    outbox = Outbox(spec.stack.state / "deliveries.sqlite")
    yield operator(create(spec, store, outbox), spec)
    outbox.close()
    store.close()


def network(client) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        told = client.request(request.method, str(request.url), headers=request.headers.raw)
        return httpx.Response(told.status_code, content=told.content, headers=told.headers)

    return httpx.MockTransport(answer)


def test_it_opens_and_goes_on(client, spec):
    """Incident, acknowledgement and phase are there, and the next step is written after them."""
    (incident,) = client.get("/api/incidents").json()
    assert (incident["alert"], incident["acknowledged_by"], incident["received"]) == (
        "V2ErrorSpike",
        "ada",
        START + 0.125,
    )
    assert client.get("/api/phase").json()["number"] == 2
    assert client.post("/api/phase", json={"number": 0, "who": "ada", "why": "rolled back"}).status_code == 200
    assert [step["number"] for step in client.get("/api/timeline").json() if step["kind"] == "phase"] == [0, 2, 0]
    ledger = Outbox(spec.stack.state / "deliveries.sqlite")
    assert ledger.was_delivered("shop-1", "on-call")
    ledger.close()


def test_rows_that_cannot_be_read_are_left_out_and_told(client, caplog):
    """An annotation in milliseconds, one at no time, a window without an end: the build before took them all."""
    assert [entry["text"] for entry in client.get("/api/timeline").json() if entry["kind"] != "phase"] == [
        "on it",
        "deployed",
    ]
    assert [window["reason"] for window in client.get("/api/maintenance").json()] == ["upgrade"]
    assert sum("left out" in record.getMessage() for record in caplog.records) == 3
    assert client.get("/readyz").status_code == 200


def test_the_console_and_the_report_read_it(client, spec, monkeypatch):
    """Such rows hid everything from the console, and ended the report."""
    parts = Parts(spec, network(client))
    parts.journal.refresh()
    assert parts.journal.reading.error == ""
    assert [incident.alert for incident in parts.journal.reading.value.incidents] == ["V2ErrorSpike"]
    monkeypatch.setattr("bascule.transport._Transport", lambda certificates, prove: network(client))
    known = read_journal(spec, START - 1, START + 7200)
    assert known.reached
    assert [planned.reason for planned in known.maintenance] == ["upgrade"]
    assert [mark.text for mark in known.marks][-1] == "deployed"


POISON = [
    ("/api/annotations", {"text": "x", "who": "ada", "at": START * 1000}),
    ("/api/annotations", {"text": "x", "who": "ada", "at": -1}),
    ("/api/annotations", {"text": "x", "who": "ada", "at": 1e300}),
    ("/api/annotations", {"text": "x"}),
    ("/api/annotations", {"text": "x\x00", "who": "ada"}),
    ("/api/annotations", {"text": "x" * 2001, "who": "ada"}),
    ("/api/annotations", {"text": "x", "who": "ada", "kind": "Fault!"}),
    ("/api/annotations", {"text": "x", "who": "ada", "when": 1}),
    ("/api/maintenance", {"starts": START, "ends": START + 400 * 86400, "reason": "x", "who": "ada"}),
    ("/api/maintenance", {"starts": START, "ends": START, "reason": "x", "who": "ada"}),
    ("/api/maintenance", {"starts": START, "ends": START + 60, "reason": "x"}),
    ("/api/maintenance", {"starts": START, "ends": START + 60, "reason": "two\nlines", "who": "ada"}),
    ("/api/maintenance", {"starts": START, "ends": START + 60, "reason": "x", "who": "ada", "services": ["no-such"]}),
    ("/api/phase", {"number": 10**30, "who": "ada"}),
    ("/api/phase", {"number": 1, "share": -0.1, "who": "ada"}),
    (f"/api/incidents/{2**63}/acknowledge", {"who": "ada"}),
    ("/api/incidents/1/notes", {"text": "x"}),
    ("/api/incidents/1/acknowledge", {"who": "a\x1b[2Jda"}),
]


@pytest.mark.parametrize(("path", "body"), POISON)
def test_nothing_of_the_kind_comes_in_any_more(client, path, body):
    """Refused as malformed, and nothing is stored."""
    before = client.get("/api/timeline").json()
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.get("/api/timeline").json() == before


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", '"\\ud800"'])
def test_numbers_that_json_does_not_have_are_refused(client, token):
    content = f'{{"text": "x", "who": "ada", "at": {token}}}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/annotations", content=content, headers=headers).status_code == 400
    window = f'{{"starts": {START}, "ends": {token}, "reason": "x", "who": "ada"}}'
    assert client.post("/api/maintenance", content=window, headers=headers).status_code == 400


@pytest.mark.parametrize("query", ["since=nan", "since=inf", "until=-1", "since=x", "since=1e999"])
def test_a_span_that_is_none_is_refused(client, query):
    for path in ("/api/incidents", "/api/timeline", "/api/maintenance"):
        assert client.get(f"{path}?{query}").status_code == 400


def test_a_bad_alert_of_a_webhook_does_not_hide_the_others(client):
    """Alertmanager never sends again what is answered with 4xx."""
    good = {"status": "firing", "labels": {"alertname": "ServiceDown"}, "startsAt": "2026-01-01T00:00:00.123456789Z"}
    bad = [good | {"labels": {"alertname": 7}}, good | {"labels": None}, good | {"status": "odd"}, "text"]
    answer = client.post("/api/webhook", json={"version": "4", "alerts": [*bad, good]})
    assert answer.json() == {"received": 1, "unreadable": 4}
    assert "ServiceDown" in [incident["alert"] for incident in client.get("/api/incidents").json()]
    assert client.post("/api/webhook", json={"version": "4", "alerts": bad}).status_code == 400


@pytest.mark.parametrize(
    "starts",
    ["yesterday", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "", None, 1e300, []],
)
def test_an_alert_with_a_time_that_is_none_begins_when_it_came(client, starts):
    """Its time is not worth more than that somebody hears of it."""
    alert = {"status": "firing", "labels": {"alertname": "ServiceDown"}, "startsAt": starts}
    assert client.post("/api/webhook", json={"version": "4", "alerts": [alert]}).json()["received"] == 1
    known = next(each for each in client.get("/api/incidents").json() if each["alert"] == "ServiceDown")
    assert known["starts"] == known["received"]
