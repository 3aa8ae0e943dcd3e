"""Sending rows on to a search engine: osmem-server stands in for OpenSearch, a stub for one that is busy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from osmem_server import OsmemServer

from bascule.errors import Unreachable
from bascule.generate import generate
from bascule.logformat import LogIndex
from bascule.logs import (
    FileFeed,
    FileSource,
    Intake,
    Parser,
    Pipeline,
    SearchClient,
    Sender,
    VersionFinder,
    built_in,
    open_store,
)
from bascule.processes import ports
from bascule.spec import load
from bascule.spec.log_patterns import log_index
from bascule.spec.model import SearchEngine

pytestmark = pytest.mark.integration
SPEC = load("supersmartmatch")
LINE = (
    "2026-01-{:02d}T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/n"
    " response_time=0.02 status=200\n"
)
INDEX = log_index(SPEC)
NEVER = threading.Event()


@pytest.fixture
def engine() -> Iterator[str]:
    with OsmemServer.start() as server:
        yield server.url


def stored(folder: Path, lines: int) -> Path:
    """A store with a segment for each of three polls; days 30 and 31."""
    log, root = folder / "app.log", folder / "logs"
    store = open_store(root)
    intake = Intake("app", Parser((built_in("api_call"),)), VersionFinder.of(SPEC))
    pipe = Pipeline(store, [FileFeed(FileSource("app", str(log), store.streams("app")), intake)])
    for start in range(0, lines, lines // 3):
        with log.open("a") as file:
            file.writelines(LINE.format(30 + n % 2, n) for n in range(start, start + lines // 3))
        pipe.poll()
    store.close()
    return root


def send_all(sender: Sender) -> None:
    while sender.send_next(NEVER):
        pass


def count(url: str, index: str = "supersmartmatch-*") -> int:
    httpx.post(f"{url}/{index}/_refresh").raise_for_status()
    return int(httpx.get(f"{url}/{index}/_count").json()["count"])


def test_every_row_arrives_once_in_the_index_of_its_day(engine: str, tmp_path: Path):
    """Sent again after a crash they are present already: 409 is success."""
    root = stored(tmp_path, 3000)
    sender = Sender.load(SearchClient(SearchEngine(url=engine), INDEX), root)
    send_all(sender)
    assert (sender.sent.created, sender.sent.present, sender.sent.refused) == (3000, 0, 0)
    assert count(engine) == 3000
    assert count(engine, "supersmartmatch-2026.01.30") == 1500
    (root / "sent.json").unlink()
    again = Sender.load(SearchClient(SearchEngine(url=engine), INDEX), root)
    send_all(again)
    assert (again.sent.created, again.sent.present) == (0, 3000)
    assert count(engine) == 3000
    found = httpx.post(f"{engine}/supersmartmatch-*/_search", json={"size": 1}).json()["hits"]["hits"][0]["_source"]
    assert found["response_time"] == 0.02
    assert found["@timestamp"].endswith("T12:00:00.123Z")


def test_an_engine_that_is_away_loses_nothing(tmp_path: Path):
    """Rows wait in the store; after a restart the sender goes on where it was."""
    root = stored(tmp_path, 300)
    port = ports.free()
    settings = SearchEngine(url=f"http://127.0.0.1:{port}")
    sender = Sender.load(SearchClient(settings, INDEX), root)
    with pytest.raises(Unreachable):
        sender.send_next(NEVER)
    waiting = len(sender.waiting())  # a segment for each batch and day
    assert waiting >= 3
    with OsmemServer.start(addr=f"127.0.0.1:{port}") as server:
        assert sender.send_next(NEVER)
        again = Sender.load(SearchClient(settings, INDEX), root)
        assert len(again.waiting()) == waiting - 1
        send_all(again)
        assert count(server.url) == 300


def put_by_the_script(url: str) -> None:
    """As `opensearch/setup.sh` of `bascule generate` does."""
    template = generate(SPEC)["opensearch/index-template.json"]
    path = f"{url}{INDEX.template_path}"
    httpx.put(path, content=template, headers={"Content-Type": "application/json"}).raise_for_status()


def put_by_the_role(url: str) -> None:
    SearchClient(SearchEngine(url=url), INDEX).prepare()


FOUND_BY = [
    {"term": {"endpoint": "/n"}},
    {"term": {"stream": "some stream"}},
    {"term": {"log.file.path": "/var/log/app.log"}},
    {"range": {"offset": {"gte": 5}}},
    {"range": {"response_time": {"gt": 0.01}}},
    {"match": {"message": "broke"}},
    {"match": {"extra": "trace"}},
    {"term": {"a_field_that_a_line_brought": "x"}},
]


def answers(url: str) -> list[int]:
    """How many documents each of the searches finds."""
    document = {
        "@timestamp": "2026-01-31T12:00:00Z", "endpoint": "/n", "stream": "some stream", "offset": 7,
        "log": {"file": {"path": "/var/log/app.log"}}, "response_time": 0.02, "message": "it broke badly",
        "extra": "trace id", "a_field_that_a_line_brought": "x",
    }  # fmt: skip
    index = f"{url}/{INDEX.prefix}-2026.01.31"
    httpx.put(f"{index}/_create/1", params={"refresh": "true"}, json=document).raise_for_status()
    found = [httpx.post(f"{index}/_search", json={"query": query}).json() for query in FOUND_BY]
    return [answer["hits"]["total"]["value"] for answer in found]


@pytest.mark.parametrize("order", [(put_by_the_script, put_by_the_role), (put_by_the_role, put_by_the_script)])
def test_who_comes_first_does_not_decide_what_is_searchable(engine: str, order):
    """The scripts of `bascule generate` and the logs role put the same template: all but stray fields is found."""
    for put in order:
        put(engine)
    assert answers(engine) == [1] * (len(FOUND_BY) - 1) + [0]


def test_a_template_of_this_version_is_left_as_it_is_and_an_older_one_is_replaced(engine: str):
    """An operator's own changes stay; a template of before knows fewer fields."""
    path = f"{engine}{INDEX.template_path}"
    template = INDEX.template("opensearch")
    for version, stays in ((template["version"], True), (template["version"] - 1, False)):
        theirs = template | {"version": version, "priority": 300}
        httpx.put(path, json=theirs).raise_for_status()
        put_by_the_role(engine)
        found = httpx.get(path).json()["index_templates"][0]["index_template"]
        assert (found["priority"] == 300) == stays


class Busy(BaseHTTPRequestHandler):
    """Answers the first bulk request with 503, the second with 429 for half of the documents."""

    requests = 0

    def do_GET(self) -> None:
        self._answer(404, b"{}")

    def do_PUT(self) -> None:
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        import json

        lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()[::2]
        Busy.requests += 1
        if Busy.requests == 1:
            self._answer(503, b"busy")
            return
        statuses = [429 if Busy.requests == 2 and n % 2 else 201 for n in range(len(lines))]
        self._answer(200, json.dumps({"items": [{"create": {"status": status}} for status in statuses]}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.rfile.read(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_busy_engine_is_asked_again_for_what_it_did_not_take(tmp_path: Path):
    """503 for a request, 429 for some of its documents."""
    root = stored(tmp_path, 30)
    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sender = Sender.load(SearchClient(SearchEngine(url=f"http://127.0.0.1:{server.server_port}"), INDEX), root)
    sender.first_pause = 0.01
    send_all(sender)
    server.shutdown()
    assert sender.sent.created == 30
    assert sender.sent.refused == 0


def test_each_engine_has_its_own_retention_policy():
    """ILM for Elasticsearch, ISM for OpenSearch; indices end with the spec's retention."""
    index = LogIndex("SuperSmartMatch", "", 30 * 86_400.0)
    assert index.policy_path("elasticsearch") == "/_ilm/policy/supersmartmatch-logs"
    assert index.policy("elasticsearch")["policy"]["phases"]["delete"]["min_age"] == "30d"
    assert index.policy_path("opensearch") == "/_plugins/_ism/policies/supersmartmatch-logs"
    states = {state["name"]: state for state in index.policy("opensearch")["policy"]["states"]}
    assert states["warm"]["transitions"][0]["conditions"] == {"min_index_age": "30d"}
    assert index.template("opensearch")["index_patterns"] == ["supersmartmatch-*"]
