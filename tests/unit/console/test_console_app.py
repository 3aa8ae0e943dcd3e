"""The page over HTTP: what it shows, what it refuses, what it never lets through."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote_plus

import httpx
import pytest
from fastapi.testclient import TestClient

from bascule.console import FRAGMENTS, NOBODY, Parts, Renderer, build, create_app, for_reading, has_charts
from bascule.spec import load
from bascule.spec.model import Logs, Slas
from bascule.transport import MIB

SPEC = load("supersmartmatch")
HOSTILE = """<img src=x onerror="alert(1)"><script>alert('1')</script>' "--"""


class House:
    """Answers for every part as the network would."""

    def __init__(self) -> None:
        self.prometheus_is_up = True
        self.away: tuple[str, ...] = ()  # roles that do not answer
        self.is_empty = False  # whether Prometheus has no series
        self.search: httpx.Response | None = None
        self.counts: httpx.Response | None = None
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        port, path = request.url.port, request.url.path
        if port == SPEC.stack.ports.prometheus and not self.prometheus_is_up:
            raise httpx.ConnectError("connection refused")
        if any(port == getattr(SPEC.stack.ports, role) for role in self.away):
            raise httpx.ConnectError("connection refused")
        if path == "/api/search" and self.search is not None:
            return self.search
        if path == "/api/counts" and self.counts is not None:
            return self.counts
        answer = (
            self.prometheus(path, parse_qs(request.content.decode()))
            if port == SPEC.stack.ports.prometheus
            else self.role(path)
        )
        return httpx.Response(200, json=answer)

    def prometheus(self, path: str, asked: dict[str, list[str]]) -> Any:
        now = time.time()
        metric = {"__name__": "up", "job": "supersmartmatch-v2", "instance": HOSTILE, SPEC.segments.label: HOSTILE}
        if path.endswith("query_range"):
            start, step = float(asked["start"][0]), float(asked["step"][0])
            series = {"metric": metric, "values": [[start, "0.5"], [start + step, "NaN"]]}
            return {"status": "success", "data": {"resultType": "matrix", "result": [series]}}
        if path.endswith("/query"):
            if self.is_empty:
                return {"status": "success", "data": {"resultType": "vector", "result": []}}
            return {
                "status": "success",
                "data": {"resultType": "vector", "result": [{"metric": metric, "value": [now, "1"]}]},
            }
        return {"status": "success", "data": {"activeTargets": [], "alerts": []}}

    def role(self, path: str) -> Any:
        row = {
            "signal": "errors",
            "segment": HOSTILE,
            "state": "bad",
            "unit": "ratio",
            "baseline": 0.001,
            "candidate": 0.12,
            "effect": 0.119,
            "effect_low": 0.1,
            "effect_high": 0.13,
            "evidence": 12.0,
            "threshold": 8.0,
            "alarm": True,
            "alarm_since": "2026-01-31T08:00:00Z",
            "text": HOSTILE,
        }
        incident = {
            "id": 1,
            "alert": HOSTILE,
            "labels": {"user_segment": HOSTILE},
            "severity": HOSTILE,
            "status": "open",
            "starts": 1_700_000_000,
            "received": 1_700_000_001,
            "summary": HOSTILE,
            "description": HOSTILE,
        }
        return {
            "/api/verdict": {
                "verdict": "roll_back",
                "since": "2026-01-31T08:00:00Z",
                "reasons": [HOSTILE],
                "signals": [row],
                "gates": [{"gate": HOSTILE, "state": "bad", "text": HOSTILE}],
                "rollback": [{"when": HOSTILE, "state": "bad", "text": HOSTILE}],
                "history": {
                    "from": "2026-01-31T07:00:00Z",
                    "forgotten": {"before": "2026-01-31T07:00:00Z", "at": "2026-01-31T07:30:00Z"}
                    | {"who": "ada", "why": f"V1 was broken {HOSTILE}"},
                },
            },
            "/api/incidents": [incident, incident | {"status": "resolved", "resolved": 1_700_000_060}],
            "/api/timeline": [{"at": 1_700_000_000, "kind": "note", "text": HOSTILE, "who": HOSTILE}],
            "/api/phase": {"number": 3, "share": 0.5, "started": time.time() - 60, "who": HOSTILE, "why": HOSTILE},
            "/api/notices": [
                {"key": HOSTILE, "situation": 0, "step": 0, "kind": "step", "receiver": HOSTILE, "at": 1_700_000_000}
                | {"outcome": HOSTILE, "detail": HOSTILE}
            ],
            "/api/owed": [
                {"key": HOSTILE, "receiver": HOSTILE, "channel": HOSTILE, "subject": HOSTILE, "result": "owed"}
                | {"attempts": 3, "detail": HOSTILE, "started": 1_700_000_000, "ended": 1_700_000_000}
            ],
            "/api/v2/alerts": [{"labels": {"alertname": "DeadMansSwitch"}, "updatedAt": "2026-01-31T08:00:00.000Z"}],
            "/api/search": [
                {
                    "timestamp": "2026-01-31T08:00:00Z",
                    "source": HOSTILE,
                    "format": HOSTILE,
                    "status": 503,
                    "level": "ERROR",
                    "message": f"\x1b[2J{HOSTILE}\u202egpj",
                    HOSTILE: HOSTILE,
                }
            ],
            "/api/counts": {
                "start": 1_000_000,
                "end": 1_003_600,
                "step": 60,
                "total": 1_234,
                "buckets": [{"at": 1_000_020, "lines": 40, "bad": 10}, {"at": 1_001_800, "lines": 20}],
                "facets": {
                    "source": [{"value": HOSTILE, "lines": 3}],
                    "endpoint": [{"value": f"/a and {HOSTILE}", "lines": 7, "bad": 2}],
                },
            },
            "/api/stats": {"sources": [{"source": HOSTILE, "formats": {HOSTILE: 3}, "unparsed": 1}]},
        }[path]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    app = create_app(SPEC, parts=Parts(SPEC, httpx.MockTransport(house)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def test_the_page_comes_whole_from_the_server(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for name in FRAGMENTS:
        assert f'id="{name}"' in page.text
    assert "Roll back" in page.text
    assert "12.0\N{NARROW NO-BREAK SPACE}%" in page.text


def test_the_page_says_who_had_the_history_forgotten_and_when(client: TestClient) -> None:
    page = re.sub("<[^>]+>", "", client.get("/").text)
    said = "History before 2026-01-31 07:00:00 UTC is forgotten: ada, on 2026-01-31 07:30:00 UTC: V1 was broken &lt;img"
    assert said in page


def test_names_from_outside_are_inert(client: TestClient) -> None:
    page = client.get("/").text
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert "<script>" not in page


def test_all_incidents_have_a_page_of_their_own(client: TestClient) -> None:
    page = client.get("/incidents").text
    assert page.count('<th scope="row">') == 2
    assert "<img" not in page
    assert "open" in page


@pytest.mark.parametrize("path", ["/", "/incidents", "/logs", "/runbooks/", "/runbooks/sla"])
def test_no_page_has_an_inline_script_style_or_handler(client: TestClient, path: str) -> None:
    page = re.sub(r'"[^"]*"', lambda m: '""' if "&" in m[0] else m[0], client.get(path).text)
    assert not re.search(r"<style", page)
    assert not re.search(r"<[a-z][^>]*\sstyle=", page)
    assert not re.search(r"<[a-z][^>]*\son[a-z]+=", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


@pytest.mark.parametrize("path", ["/", "/logs", "/runbooks/sla", "/static/live.js", "/charts/share", "/health", "/no"])
def test_every_answer_carries_the_strict_policy(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_incidents_renew_themselves_by_their_own_fragment(client: TestClient) -> None:
    page = client.get("/incidents").text
    assert 'data-stream="/stream/incidents"' in page
    assert '<section class="card" id="incidents">' in page


class TestLogs:
    """The page that searches the logs."""

    def test_lines_from_outside_are_inert_and_what_hides_in_them_is_seen(self, client: TestClient) -> None:
        page = client.get("/logs").text
        assert "<img" not in page
        assert "&lt;img src=x" in page
        assert "\\x1b[2J" in page
        assert "\\u202egpj" in page
        assert "\u202e" not in page

    def test_half_a_surrogate_pair_does_not_hide_the_other_lines(self, client: TestClient, house: House) -> None:
        house.search = httpx.Response(200, content=b'[{"message": "\\ud800", "x": "\\udfff"}, {"message": "whole"}]')
        page = client.get("/logs").text
        assert "\\ud800" in page
        assert "whole" in page

    def test_the_form_becomes_the_conditions_that_the_logs_role_understands(
        self, client: TestClient, house: House
    ) -> None:
        asked = {
            "text": "a b",
            "since": "6h",
            "level": "error",
            "status": "500",
            "source": "nginx",
            "where": "version=v2 and endpoint~match",
        }
        client.get("/logs", params=asked)
        query = parse_qs(next(url for url in house.asked if "/api/search" in url).partition("?")[2])
        assert (query["text"], query["since"]) == (["a b"], ["6h"])
        assert query["where"][1:] == ["status>=500", "source=nginx", "version=v2", "endpoint~match"]
        assert re.match(query["where"][0].partition("~")[2], "CRITICAL")

    def test_what_matches_is_counted_by_source_over_time_and_by_facet(self, client: TestClient) -> None:
        page = client.get("/logs/found").text
        assert '<td class="n strong">3</td>' in page
        assert "1\u202f234 match; the latest 1 are shown" in page
        assert 'y="50.0" height="50.0"' in page  # half as many lines as the most
        assert "2 errors" in page

    def test_a_value_of_a_facet_narrows_the_search_whatever_words_it_holds(
        self, client: TestClient, house: House
    ) -> None:
        chosen = f"endpoint=/a and {HOSTILE}"
        assert f"has={quote_plus(chosen)}" in client.get("/logs/found", params={"text": "x"}).text
        page = client.get("/logs/found", params={"has": [chosen, "status=503"], "until": "5m"}).text
        query = parse_qs([url for url in house.asked if "/api/counts" in url][-1].partition("?")[2])
        assert (query["where"], query["until"]) == ([chosen, "status=503"], ["5m"])
        assert 'has=status%3D503" aria-current="true"' in page.replace("&amp;", "&")  # and again takes it away

    def test_lines_are_shown_though_they_cannot_be_counted(self, client: TestClient, house: House) -> None:
        house.counts = httpx.Response(400, json={"error": "busy", "fix": "wait"})
        page = client.get("/logs/found").text
        assert "not counted</span> busy. wait" in page
        assert 'class="lines"' in page

    def test_fields_that_say_nothing_new_are_left_out(self, client: TestClient, house: House) -> None:
        line = {"source": "v1", "service": "v1", "extra": "bytes=84 id=7", "odd": {"deep": [1]}, "partner": None}
        house.search = httpx.Response(200, json=[line])
        page = client.get("/logs").text
        assert "<bdi>bytes=84 id=7</bdi>" in page
        assert "service=" not in page
        assert "partner=" not in page
        assert "odd={" in page

    def test_a_refusal_is_told_in_the_words_of_the_logs_role(self, client: TestClient, house: House) -> None:
        house.search = httpx.Response(400, json={"error": "'x' is not a condition", "fix": "write it like status>=500"})
        page = client.get("/logs", params={"where": "x"})
        assert page.status_code == 400
        assert "is not a condition. write it like status&gt;=500" in page.text
        assert "No line matches" not in page.text

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (httpx.Response(404, json={"detail": "Not Found"}), "not the logs role (status 404)"),
            (httpx.Response(500, text="oh"), "not the logs role (status 500)"),
            (httpx.Response(200, text="<html>"), "not the logs role"),
            (httpx.Response(200, json={"lines": []}), "not the logs role"),
            (httpx.Response(200, content=b" " * (17 * MIB)), "more than"),
        ],
    )
    def test_no_answer_is_not_no_line(
        self, client: TestClient, house: House, answer: httpx.Response, words: str
    ) -> None:
        house.search = answer
        page = client.get("/logs").text
        assert words in page
        assert "No line matches" not in page

    def test_no_line_is_said(self, client: TestClient, house: House) -> None:
        house.search = httpx.Response(200, json=[])
        assert "No line matches" in client.get("/logs").text


def test_a_page_of_another_name_cannot_read_this_one(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_can_be_changed_here(client: TestClient, method: str) -> None:
    assert getattr(client, method)("/").status_code == 405


def test_a_detail_of_a_signal_the_judge_does_not_know_is_refused(client: TestClient) -> None:
    client.get("/")
    assert client.get("/detail", params={"signal": "errors", "segment": "x"}).status_code == 404
    assert client.get("/charts/signal", params={"signal": "errors", "segment": "x"}).status_code == 404


def test_a_detail_shows_the_queries_behind_the_row(client: TestClient) -> None:
    client.get("/")
    detail = client.get("/detail", params={"signal": "errors", "segment": HOSTILE}).text
    assert "bascule_signal_log_evidence" in detail
    assert "<img" not in detail


def test_a_chart_has_gaps_where_there_is_no_number(client: TestClient) -> None:
    client.get("/")
    chart = client.get("/charts/signal", params={"signal": "errors", "segment": HOSTILE}).json()
    assert [line["role"] for line in chart["lines"]] == ["baseline", "candidate"]
    assert all(len(line["values"]) == len(chart["times"]) for line in chart["lines"])
    assert chart["lines"][0]["values"][:3] == [0.5, None, None]


def test_a_window_nobody_offers_is_refused(client: TestClient) -> None:
    assert client.get("/charts/share", params={"window": "10y"}).status_code == 400


def test_a_chart_without_prometheus_says_so_in_words(client: TestClient, house: House) -> None:
    house.prometheus_is_up = False
    answer = client.get("/charts/share")
    assert answer.status_code == 502
    assert "does not answer" in answer.json()["error"]


def test_without_prometheus_the_page_still_comes_and_says_so(client: TestClient, house: House) -> None:
    house.prometheus_is_up = False
    page = client.get("/").text
    assert "No data from Prometheus" in page
    assert "Roll back" in page


PAGES = ("/", "/segments", "/sla", "/executive", "/executive?lang=fr", "/wall", "/logs", "/incidents")
STATED = re.compile(r'<span class="state no_data">.*?</svg>([^<]*)</span>')


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("away", ["nothing", "prometheus", "judge", "incidents", "logs", "sla", "all"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_no_data_never_stands_without_its_cause(
    client: TestClient, house: House, path: str, away: str, is_empty: bool
) -> None:
    roles = ("prometheus", "judge", "incidents", "logs", "sla")
    house.away = {"nothing": (), "all": roles}.get(away, (away,))
    house.is_empty = is_empty
    said = STATED.findall(client.get(path).text)
    assert [each for each in said if not re.fullmatch(r"(no data: |sans données : |none$|NO DATA: ).*", each)] == []
    assert said or (path, away) != ("/", "all")


def test_one_chart_is_asked_of_prometheus_once_for_all_viewers(client: TestClient, house: House) -> None:
    client.get("/")
    house.asked.clear()
    for _ in range(5):
        client.get("/charts/share", params={"window": "7d"})
    assert len([url for url in house.asked if "query_range" in url]) == 3


def test_the_stylesheet_and_scripts_of_every_page_are_small() -> None:
    """What only the dashboards, the logs or the checklist need is loaded there alone."""
    from importlib import resources

    files = resources.files("bascule.console").joinpath("static")
    sizes = {file.name: len(file.read_bytes()) for file in files.iterdir() if file.is_file()}
    apart = {"dashboards.js", "dashboards.css", "logs.css", "proving.css"}
    assert sum(size for name, size in sizes.items() if name not in apart) < 66_000
    assert sum(sizes[name] for name in apart) < 20_000


def test_the_chart_library_is_there_once_it_was_fetched(client: TestClient) -> None:
    page = client.get("/").text
    assert ("uPlot.iife.min.js" in page) == has_charts()


def test_a_fragment_replaces_an_element_of_the_page() -> None:
    parts = Parts(SPEC, httpx.MockTransport(House()))
    for source in parts.all_sources:
        source.refresh()
        assert source.reading.error == "", source.name
    page = build(parts, time.time())
    renderer = Renderer(SPEC)
    whole, fragments = renderer.page(page, NOBODY), for_reading(renderer.fragments(page))
    assert {f"signal-{name}" for name in SPEC.signals} < set(fragments)
    for name, html in fragments.items():
        assert re.match(rf'<\w+[^>]* id="{name}"', html), name
        assert f'id="{name}"' in whole


def test_what_the_spec_does_not_declare_is_none_and_not_missing_data() -> None:
    """Triggers, SLAs and sources of logs; a gate of a phase that is to come is not awaited from the judge yet."""
    bare = SPEC.model_copy(update={"rollback": [], "slas": Slas(), "logs": Logs()})
    fragments = Renderer(bare).fragments(build(Parts(bare, httpx.MockTransport(House())), time.time()))
    for name in ("triggers", "promises", "logs"):
        assert "not_applicable" in fragments[name], name
        assert "no_data" not in fragments[name], name


def test_metrics_tell_how_many_pages_are_open(client: TestClient) -> None:
    assert "bascule_console_viewers 0.0" in client.get("/metrics").text


def test_answers_of_the_wrong_shape_are_no_data(house: House) -> None:
    house.role = lambda path: ["nonsense"]  # type: ignore[method-assign]
    parts = Parts(SPEC, httpx.MockTransport(house))
    for source in (parts.judge, parts.journal, parts.logs):
        source.refresh()
        assert source.reading.value is None
        assert re.search("not the judge role|unexpected response|not the logs role", source.reading.error)
    assert json.dumps(Renderer(SPEC).fragments(build(parts, time.time())))
