"""What does not suit a migration about a Prometheus: its clock, its memory, jobs that it does not scrape."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from bascule.discover import compare, unseen
from bascule.discover.server import clock_off, retention
from bascule.prometheus import Prometheus
from bascule.spec import parse, starter_text

SLAS = 'slas: {availability: {objective: 99.9%, window: 30d}, error_rate: {objective: "< 1%", window: 24h}}\n'
SPEC = parse(starter_text() + SLAS)


def server(
    ahead: float = 0.0, flags: dict[str, str] | None = None, targets: list[dict[str, Any]] | None = None
) -> Prometheus:
    """One without series; `ahead`: seconds of its clock; `flags`: None where it does not tell them."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/")
        if path == "status/flags" and flags is None:
            return httpx.Response(404, json={"status": "error", "error": "not here"})
        asked = request.content.decode()
        data: Any = {
            "status/flags": flags,
            "targets": {"activeTargets": targets or []},
            "query": {"resultType": "vector", "result": []},
        }.get(path, [])
        if "time%28%29" in asked and "sum" not in asked:
            data = {"resultType": "scalar", "result": [0, str(time.time() + ahead)]}
        return httpx.Response(200, json={"status": "success", "data": data})

    return Prometheus("http://127.0.0.1:9090", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(("ahead", "seen"), [(0.0, 0), (3.0, 0), (3600.0, 3600), (-90.0, -90)])
def test_a_clock_that_is_off_by_more_than_an_answer_takes_is_told(ahead: float, seen: float) -> None:
    assert clock_off(server(ahead)) == pytest.approx(seen, abs=1)


def test_check_names_the_clock_with_what_to_do() -> None:
    told = {each.key: str(each) for each in compare(SPEC, server(3600.0)).differences}
    assert "its clock is 1 h ahead of this machine's" in told["clock"]
    assert "time server" in told["clock"]


@pytest.mark.parametrize(
    ("flags", "days"),
    [
        ({"storage.tsdb.retention.time": "0s"}, 15),
        ({"storage.tsdb.retention.time": "90d"}, 90),
        ({}, None),
        (None, None),
    ],
)
def test_how_long_samples_are_kept(flags: dict[str, str] | None, days: float | None) -> None:
    """Without a word it is 15 days; a server that does not tell is not blamed."""
    assert retention(server(flags=flags)) == (None if days is None else days * 86400.0)


def test_only_an_sla_that_looks_back_further_is_named() -> None:
    found = compare(SPEC, server(flags={"storage.tsdb.retention.time": "15d"})).differences
    told = [str(each) for each in found if each.key.startswith("slas")]
    assert len(told) == 1
    assert "slas.availability.window: it keeps samples for 15d, and 30d are needed" in told[0]
    assert "--storage.tsdb.retention.time=30d" in told[0]


def target(job: str, health: str = "up", error: str = "") -> dict[str, Any]:
    return {"labels": {"job": job, "instance": "a:1"}, "health": health, "lastError": error}


def test_what_is_not_seen_yet_is_told_with_its_reason() -> None:
    """Jobs that are missing or fail, signals without series."""
    roles = [target(job) for job in SPEC.role_jobs if job != "bascule-judge"]
    found = {
        each.key: each.what for each in unseen(SPEC, server(targets=[*roles, target("shop-v1", "down", "no\nroute")]))
    }
    assert found["job shop-v1"] == "a:1: no route"
    assert "does not scrape it" in found["job shop-v2"]
    assert "does not scrape it" in found["job bascule-judge"]
    assert "job bascule-logs" not in found
    assert {"signal errors of v1", "signal errors of v2"} <= set(found)
