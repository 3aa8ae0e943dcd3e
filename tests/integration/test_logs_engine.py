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
from bascule.logs.engine import Engine, Sender, documents
from bascule.logs.files import FileSource
from bascule.logs.formats import BUILT_IN
from bascule.logs.intake import Intake
from bascule.logs.parse import Parser
from bascule.logs.pipeline import Feed, Pipeline
from bascule.logs.store import open_store
from bascule.logs.versions import Versions
from bascule.processes import ports
from bascule.spec import load
from bascule.spec.model import SearchEngine

pytestmark = pytest.mark.integration
SPEC = load("supersmartmatch")
LINE = (
    "2026-01-{:02d}T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/n"
    " response_time=0.02 status=200\n"
)
NAME = "supersmartmatch"
NEVER = threading.Event()


@pytest.fixture
def engine() -> Iterator[str]:
    with OsmemServer.start() as server:
        yield server.url


def stored(folder: Path, lines: int) -> Path:
    """A store with a segment for each of three polls; days 30 and 31."""
    log, root = folder / "app.log", folder / "logs"
    store = open_store(root)
    intake = Intake("app", Parser((BUILT_IN["api_call"],)), Versions.of(SPEC, None))
    pipe = Pipeline(store, [Feed(FileSource("app", str(log), store.streams("app")), intake)])
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
    sender = Sender.load(Engine(SearchEngine(url=engine), 86_400 * 30, NAME), root)
    send_all(sender)
    assert (sender.sent.created, sender.sent.present, sender.sent.refused) == (3000, 0, 0)
    assert count(engine) == 3000
    assert count(engine, "supersmartmatch-2026.01.30") == 1500
    (root / "sent.json").unlink()
    again = Sender.load(Engine(SearchEngine(url=engine), 86_400 * 30, NAME), root)
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
    sender = Sender.load(Engine(settings, 86_400, NAME), root)
    with pytest.raises(Unreachable):
        sender.send_next(NEVER)
    assert len(sender.waiting()) == 3
    with OsmemServer.start(addr=f"127.0.0.1:{port}") as server:
        assert sender.send_next(NEVER)
        again = Sender.load(Engine(settings, 86_400, NAME), root)
        assert len(again.waiting()) == 2
        send_all(again)
        assert count(server.url) == 300


def test_a_template_that_is_there_already_is_left_as_it_is(engine: str, tmp_path: Path):
    """`bascule generate` writes one of the same name for the shippers: one spec, one name, and no quarrel."""
    theirs = generate(SPEC)["opensearch/index-template.json"]
    path = f"{engine}/_index_template/supersmartmatch-logs"
    httpx.put(path, content=theirs, headers={"Content-Type": "application/json"}).raise_for_status()
    before = httpx.get(path).json()
    Engine(SearchEngine(url=engine), 86_400, NAME).prepare()
    assert httpx.get(path).json() == before
    httpx.delete(path).raise_for_status()
    Engine(SearchEngine(url=engine), 86_400, NAME).prepare()
    assert httpx.get(path).json() != before


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


def test_a_busy_engine_is_asked_again_for_what_it_did_not_take(tmp_path: Path, monkeypatch):
    """503 for a request, 429 for some of its documents."""
    monkeypatch.setattr("bascule.logs.engine.FIRST_PAUSE", 0.01)
    root = stored(tmp_path, 30)
    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sender = Sender.load(Engine(SearchEngine(url=f"http://127.0.0.1:{server.server_port}"), 86_400, NAME), root)
    send_all(sender)
    server.shutdown()
    assert sender.sent.created == 30
    assert sender.sent.refused == 0


def test_each_engine_has_its_own_retention_policy():
    """ILM for Elasticsearch, ISM for OpenSearch."""
    assert "/_ilm/policy/supersmartmatch-logs" in documents("elasticsearch", 30, "SuperSmartMatch")
    opensearch = documents("opensearch", 30, "SuperSmartMatch")
    policy = opensearch["/_plugins/_ism/policies/supersmartmatch-logs"]["policy"]
    assert policy["states"][0]["transitions"][0]["conditions"] == {"min_index_age": "30d"}
    assert opensearch["/_index_template/supersmartmatch-logs"]["index_patterns"] == ["supersmartmatch-*"]
