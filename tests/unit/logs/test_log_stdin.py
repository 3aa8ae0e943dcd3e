"""Standard input as a source: stored as it comes, kept while the store refuses, and no obstacle to stopping."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from io import FileIO

import pytest

from bascule.errors import StoreError
from bascule.logs import Intake, Parser, StandardInput, VersionFinder, built_in
from bascule.spec import load

LINE = b"2026-01-31T12:00:00Z INFO s API_CALL user_id=u endpoint=/x response_time=0.1 status=200\n"


class Given:
    """A reader at the end of a pipe, and what it has committed."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        intake = Intake("stdin", Parser((built_in("api_call"),)), VersionFinder.of(load("supersmartmatch")))
        self.source = StandardInput(
            intake, self.commit, self.told, FileIO(reading), wait_seconds=0.02, gather_seconds=0.02, retry_seconds=0.02
        )
        self.stop, self.committed, self.problem = threading.Event(), threading.Event(), threading.Event()
        self.refuse = False
        self.rows: list[int] = []
        self.ends: list[int] = []
        self.thread = threading.Thread(target=self.source.run, args=(self.stop,))
        self.thread.start()

    def commit(self, batch, streams) -> None:
        if self.refuse:
            raise StoreError("full")
        self.rows.append(len(batch))
        self.ends.append(streams[0].committed)
        self.committed.set()

    def told(self, reason: str) -> None:
        self.problem.set()

    def write(self, data: bytes) -> None:
        self.committed.clear()
        os.write(self.writing, data)


@pytest.fixture
def given() -> Iterator[Given]:
    made = Given()
    yield made
    made.stop.set()
    made.thread.join(10)
    assert not made.thread.is_alive()


def test_lines_are_stored_as_they_come_and_the_last_one_without_a_newline_at_the_end(given, caplog):
    """Offsets go on; that no more will come is told."""
    given.write(LINE * 2)
    assert given.committed.wait(10)
    given.write(LINE + b"and a rest")
    assert given.committed.wait(10)
    os.close(given.writing)
    given.thread.join(10)
    assert sum(given.rows) == 4
    assert given.ends[-1] == len(LINE) * 3 + len("and a rest")
    assert given.source.lag() == (0, 0.0)
    assert "stdin: standard input has ended, rows read: 4" in caplog.text


def test_what_the_store_refuses_is_kept_until_it_takes_it(given):
    """Meanwhile it is the lag, and a problem is told."""
    given.refuse = True
    given.write(LINE)
    assert given.problem.wait(10)
    assert given.source.lag()[0] == len(LINE)
    given.refuse = False
    assert given.committed.wait(10)
    assert given.rows == [1]


def test_it_stops_while_nothing_is_written(given):
    """The fixture's end waits for it."""
    assert given.rows == []
