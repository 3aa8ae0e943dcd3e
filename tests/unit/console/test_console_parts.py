"""What the console makes of the journal's, Alertmanager's and the logs' answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from bascule.console import LONGEST, LogSearch, Parts, own_rows, visible
from bascule.conventions import State
from bascule.spec import load

SPEC = load("supersmartmatch")
PHASE = {"number": 0, "share": 0.0, "started": 1_700_000_000}


def parts(answers: dict[str, Any], spec: Any = SPEC) -> Parts:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path])

    return Parts(spec, httpx.MockTransport(answer))


def journal(timeline: list[dict[str, Any]] = [], incidents: list[dict[str, Any]] = []) -> Any:  # noqa: B006
    house = parts({"/api/incidents": incidents, "/api/timeline": timeline, "/api/phase": PHASE})
    house.journal.refresh()
    return house.journal.reading.value


def step(at: float, number: int, who: str = "amélie") -> dict[str, Any]:
    return {"at": at, "kind": "phase", "number": number, "share": 0.0, "who": who}


class TestJournal:
    def test_an_alert_that_always_fires_is_no_incident(self) -> None:
        since = {"id": 1, "starts": 1_700_000_000, "received": 1_700_000_001}
        heartbeat = since | {"alert": "DeadMansSwitch", "severity": "none"}
        found = journal(incidents=[heartbeat, since | {"alert": "ServiceDown", "severity": "critical"}])
        assert [incident.alert for incident in found.incidents] == ["ServiceDown"]

    def test_a_beginning_told_twice_is_told_once_by_who_set_it(self) -> None:
        found = journal(timeline=[step(2, 0), step(1, 0, "bascule"), step(3, 1)])
        assert [(entry.number, entry.who) for entry in found.timeline] == [(0, "amélie"), (1, "amélie")]

    def test_a_roll_back_to_nothing_stays_on_the_timeline(self) -> None:
        found = journal(timeline=[step(1, 0), step(2, 1), step(3, 0), step(4, 0)])
        assert [entry.number for entry in found.timeline] == [0, 1, 0, 0]


class TestHeartbeat:
    def row(self, ago: float | None, spec: Any = SPEC) -> Any:
        now = time.time()
        alerts = [] if ago is None else [self.alert(now - ago, spec)]
        house = parts({"/api/v2/alerts": alerts}, spec)
        house.alerting.refresh()
        return next(row for row in own_rows(house, house.health.reading, now) if row.name == "alerting")

    def alert(self, at: float, spec: Any) -> dict[str, Any]:
        name = spec.alert_prefix + "DeadMansSwitch"
        return {"labels": {"alertname": name}, "updatedAt": datetime.fromtimestamp(at, UTC).isoformat()}

    def test_a_recent_heartbeat_means_that_the_alerting_works(self) -> None:
        row = self.row(ago=6)
        assert (row.state, row.word) == (State.OK, "works")
        assert row.since is not None

    def test_a_heartbeat_that_stopped_is_no_data(self) -> None:
        assert self.row(ago=30).state is State.NO_DATA

    def test_a_heartbeat_never_heard_is_no_data(self) -> None:
        assert self.row(ago=None).state is State.NO_DATA

    def test_a_prometheus_that_is_not_ours_beats_once_a_minute(self) -> None:
        stack = SPEC.stack.model_copy(update={"external": {"prometheus": "http://prometheus.example:9090"}})
        foreign = SPEC.model_copy(update={"stack": stack, "alert_prefix": "acme_"})
        assert self.row(ago=90, spec=foreign).state is State.OK


class TestSearch:
    @pytest.mark.parametrize(
        ("raw", "shown"),
        [
            ("plain text, été, 日本, 🙂", "plain text, été, 日本, 🙂"),
            ("two\n\tlines", "two\n\tlines"),
            ("\x1b[31m\x00\x7f", r"\x1b[31m\x00\x7f"),
            ("a\u202eb\u2066c\u200bd\u2028e\ufeff", r"a\u202eb\u2066c\u200bd\u2028e\ufeff"),
            ("\ud800", r"\ud800"),
        ],
    )
    def test_what_hides_or_turns_text_is_made_visible(self, raw: str, shown: str) -> None:
        assert visible(raw) == shown
        assert visible(raw).encode()

    def test_a_long_line_is_cut_and_says_by_how_much(self) -> None:
        assert visible("x" * (LONGEST + 1234)).endswith("1\u202f234 more characters")

    def test_an_unknown_filter_is_no_condition(self) -> None:
        assert LogSearch(level="loud", status="1 or 1=1").conditions == []
