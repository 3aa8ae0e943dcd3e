"""A log reader that answers and cannot do its work says so, in `/readyz` and in the metric of RoleNotReady."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from unittest.mock import ANY

import pytest
from api_caller import operator, with_state
from log_disks import FullDisk

from bascule.logs.serving import pipeline as pipelines
from bascule.logs.serving.role import Upkeep, build, pages
from bascule.logs.storing import engine, segments
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.places import root_of
from bascule.logs.storing.store import open_store
from bascule.processes.ports import free
from bascule.spec import parse
from bascule.spec.log_patterns import log_index
from bascule.spec.model import SearchEngine

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:8001"], version: v1}}
  shop-v2: {{targets: ["127.0.0.1:8002"], version: v2}}
signals: {{errors: {{kind: ratio, bad: 'r_total{{s="5"}}', total: r_total, better: lower}}}}
phases: [{{share: 100%, hold: 1d}}]
logs:
  sources: [{{name: app, files: "{log}", formats: [api_call]}}]
"""
LINE = "2026-01-31T12:00:00.123Z INFO shop API_CALL user_id=u endpoint=/m response_time=0.1 status=200\n"


class House:
    """The role's parts without its threads."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "app.log"
        self.log.touch()
        spec = with_state(parse(SPEC.format(log=self.log)), folder / "state")
        self.disk = FullDisk()
        self.store = open_store(root_of(spec), self.disk)
        self.pipeline = build(spec, self.store)
        self.upkeep = Upkeep(self.pipeline, self.store, 86_400.0, Consumers.load(self.store.root / "c.parquet"))
        self.spec = spec
        self.client = operator(pages(spec, self.pipeline, self.upkeep), spec)

    def says(self) -> list[str]:
        """What it is not ready for; the metric and the status agree with it, and the process lives."""
        answer = self.client.get("/readyz")
        problems: list[str] = answer.json()["problems"]
        assert answer.status_code == (503 if problems else 200)
        assert f"\nbascule_role_ready {float(not problems)}\n" in self.client.get("/metrics").text
        assert self.client.get("/healthz").status_code == 200
        return problems


@pytest.fixture
def house(tmp_path: Path):
    made = House(tmp_path)
    yield made
    made.disk.fails.clear()
    made.store.close()


def test_a_reader_that_reads_and_stores_is_ready(house: House) -> None:
    house.log.write_text(LINE)
    assert house.pipeline.poll() == 1
    house.upkeep.once()
    assert house.says() == []


def test_lines_that_are_not_stored_are_told_until_they_are(house: House) -> None:
    house.log.write_text(LINE)
    house.disk.fails.add("write_synced")
    assert house.pipeline.poll() == 0
    (problem,) = house.says()
    assert problem.startswith("log lines are not stored: ")
    assert problem.endswith("No space left on device")
    house.disk.fails.clear()
    assert house.pipeline.poll() == 1
    assert house.says() == []


def test_a_folder_of_segments_that_cannot_be_written_is_told_before_a_line_comes(house: House) -> None:
    house.disk.fails.add("write_synced")
    house.upkeep.once()
    (problem,) = house.says()
    assert "segments/.probe cannot be written" in problem
    house.disk.fails.clear()
    house.upkeep.once()
    assert house.says() == []
    assert [path.name for path in house.store.folder.iterdir()] == []


def test_a_reader_that_looks_at_its_files_no_longer_is_told(house: House, monkeypatch) -> None:
    house.pipeline.read_at = time.monotonic() - 2 * pipelines.LONGEST_POLL
    assert [text.split(" were last read ")[0] for text in house.says()] == ["log files"]
    stop = threading.Event()
    monkeypatch.setattr(house.pipeline, "poll", lambda: stop.set() or 0)
    house.pipeline.run(stop)
    assert house.says() == []


def test_a_search_engine_that_takes_nothing_is_told_once_that_lasts(house: House, monkeypatch) -> None:
    settings = SearchEngine(url=f"http://127.0.0.1:{free()}")
    sender = engine.Sender.load(engine.SearchClient(settings, log_index(house.spec)), house.store.root)
    house.upkeep.sender = sender
    house.log.write_text(LINE)
    assert house.pipeline.poll() == 1
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda seconds: stop.set())  # one try
    sender.run(stop)
    assert house.says() == []
    sender.failing_since -= 2 * engine.STUCK_SECONDS
    (problem,) = house.says()
    assert problem.startswith("no log line was sent on for 12")
    assert settings.url in problem
    stop.clear()
    monkeypatch.setattr(sender.engine, "prepare", lambda: None)
    monkeypatch.setattr(sender.engine, "send", lambda lines: (engine.Sent(created=len(lines)), []))
    sender.run(stop)
    assert house.says() == []


def test_an_engine_that_is_busy_for_long_takes_nothing_either(house: House, monkeypatch) -> None:
    settings = SearchEngine(url=f"http://127.0.0.1:{free()}")
    sender = engine.Sender.load(engine.SearchClient(settings, log_index(house.spec)), house.store.root)
    house.upkeep.sender = sender
    monkeypatch.setattr(sender.engine, "send", lambda lines: (engine.Sent(), lines))
    stop = threading.Event()
    stop.set()
    assert not sender._send([("index", "1", "{}")], stop)
    sender.failing_since -= 2 * engine.STUCK_SECONDS
    assert [text.split(": ", 1)[1] for text in house.says()] == [f"{settings.url} is busy"]


def test_an_upkeep_that_fails_as_nobody_foresaw_is_told_and_tried_again(house: House, monkeypatch, caplog) -> None:
    """The trace is in the log once."""
    monkeypatch.setattr(house.upkeep.consumers, "follow", lambda *given: 1 / 0)
    for _ in range(2):
        house.upkeep.once()
    (problem,) = house.says()
    assert problem == "the log store is not kept up: ZeroDivisionError"
    assert sum(record.exc_info is not None for record in caplog.records) == 1
    monkeypatch.undo()
    house.upkeep.once()
    assert house.says() == []


def test_a_segment_that_cannot_be_kept_up_is_told_until_it_is(house: House, monkeypatch) -> None:
    house.log.write_text(LINE)
    assert house.pipeline.poll() == 1
    house.upkeep.retention = 20 * 365 * 86_400.0
    monkeypatch.setattr(segments, "facts_of", lambda path: 1 / 0)
    house.upkeep.once()
    (problem,) = house.says()
    assert problem.endswith(".parquet cannot be kept up; the log says why")
    monkeypatch.undo()
    house.upkeep.once()
    assert house.says() == []


@pytest.mark.parametrize("path", ["/api/search", "/api/counts", "/api/usage"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:00:00-23:00", "0001-01-01T00:00:00%2B01:00"])
def test_a_span_from_outside_the_calendar_is_refused_with_words(house: House, path: str, moment: str) -> None:
    answer = house.client.get(f"{path}?since={moment}")
    assert answer.status_code == 400
    assert "is not a time" in answer.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_a_span_to_the_ends_of_the_calendar_is_searched_or_refused(house: House, moment: str) -> None:
    house.log.write_text(LINE)
    assert house.pipeline.poll() == 1
    assert house.client.get(f"/api/search?since={moment}").status_code == (200 if moment < "2" else 400)
    assert house.client.get(f"/api/search?until={moment}").json() == ([] if moment < "2" else [ANY])
