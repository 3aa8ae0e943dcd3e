"""Holes: what a crash or `truncate` leaves as NUL bytes is skipped and counted, and the lines go on behind it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from bascule.logs import FileSource
from bascule.logs.reading import files
from bascule.logs.reading.files import CHUNK_BYTES, HOLE_BYTES, Follow, lines_of
from bascule.logs.reading.streams import LogStream

SPARSE = 1 << 38  # bytes of a hole that no one can read through in a test
WRITTEN = 5 * CHUNK_BYTES + 17  # of one that is on the disk as NULs


class Reader:
    """A source of one file, whose chunks are kept by a store that takes everything."""

    def __init__(self, path: Path, to_the_end: bool = False):
        self.path, self.problems = path, list[str]()
        self.source = FileSource("app", str(path), problem=self.problems.append, to_the_end=to_the_end)
        self.taken = b""
        self.largest = 0

    def lines(self, polls: int = 4) -> list[bytes]:
        for _ in range(polls):
            for chunk in self.source.chunks(8):
                self.taken += chunk.data
                self.largest = max(self.largest, len(chunk.data))
                self.source.committed(self.source.describe(chunk))
        return self.taken.splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def write(log: Path, *pieces: bytes | int) -> None:
    """Text as it is, numbers as sparse holes."""
    with log.open("ab") as file:
        for piece in pieces:
            if isinstance(piece, int):
                file.truncate(file.seek(0, os.SEEK_END) + piece)
                file.seek(0, os.SEEK_END)
            else:
                file.write(piece)


HOLES = {"sparse": SPARSE, "written": bytes(WRITTEN), "small": bytes(HOLE_BYTES)}


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
@pytest.mark.parametrize("torn", [b"", b"torn"])
def test_the_lines_behind_a_hole_are_read_and_the_hole_is_counted(log: Path, hole: bytes | int, torn: bytes):
    write(log, b"one\n", torn, hole, b"two\nthree\n")
    reader = Reader(log)
    assert reader.lines() == [b"one", *([torn] if torn else []), b"two", b"three"]
    assert reader.problems == ["nuls"]
    assert reader.largest < 100
    write(log, hole, b"four\n")
    assert reader.lines()[-1] == b"four"
    assert reader.problems == ["nuls", "nuls"]


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
@pytest.mark.parametrize("before", [b"", b"one\n", b"one\ntorn"])
def test_a_hole_at_the_end_is_waited_at_and_is_no_lag(log: Path, hole: bytes | int, before: bytes):
    """A writer may fill it in, or write on behind it."""
    write(log, before, hole)
    reader = Reader(log)
    whole = before[: before.find(b"\n") + 1].splitlines()
    assert reader.lines(8) == whole
    assert reader.problems == []
    assert reader.source.lag()[0] <= len(b"torn")
    write(log, b"two\n")
    assert reader.lines(8)[-1] == b"two"
    assert reader.problems == ["nuls"]


def test_a_hole_that_its_writer_fills_in_loses_no_line(log: Path):
    write(log, b"one\n", 1 << 20)
    reader = Reader(log)
    assert reader.lines() == [b"one"]
    with log.open("r+b") as file:
        file.seek(4)
        file.write(b"two\nthree\n")
    assert reader.lines() == [b"one", b"two", b"three"]
    assert reader.problems == []


def test_a_long_line_ends_at_a_hole(log: Path):
    write(log, b"x" * (2 * CHUNK_BYTES), SPARSE, b"two\n")
    reader = Reader(log)
    long, last = reader.lines(8)
    assert (set(long), last) == ({ord("x")}, b"two")


def test_a_file_that_is_nothing_but_a_hole_ends(log: Path):
    write(log, SPARSE)
    assert Reader(log, to_the_end=True).lines() == []


def test_a_torn_last_line_before_a_hole_is_read_when_the_file_is_over(log: Path):
    write(log, b"one\ntorn", SPARSE)
    assert Reader(log, to_the_end=True).lines() == [b"one", b"torn"]


def test_a_hole_in_a_compressed_file_is_skipped_too(tmp_path: Path):
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(b"one\n" + bytes(WRITTEN) + b"two\n"))
    reader = Reader(path)
    assert reader.lines() == [b"one", b"two"]
    assert reader.problems == ["nuls"]


def test_a_look_reads_a_bounded_part_of_what_has_no_line(log: Path, monkeypatch: pytest.MonkeyPatch):
    """The other files of the source are read meanwhile; it goes on at the next look."""
    monkeypatch.setattr(files, "SEARCHED_BYTES", 2 * CHUNK_BYTES)
    asked: list[int] = []
    read = Follow.read
    monkeypatch.setattr(Follow, "read", lambda follow, at, size: (asked.append(size), read(follow, at, size))[1])
    write(log, b"one\n", bytes(8 * CHUNK_BYTES), b"two\n")
    reader = Reader(log)
    assert reader.lines(1) == [b"one"]
    assert sum(asked) < 8 * CHUNK_BYTES
    assert reader.lines(8) == [b"one", b"two"]


def test_the_last_bytes_of_a_sparse_file_are_where_a_first_look_begins(log: Path):
    write(log, b"one\n", SPARSE)
    status = log.stat()
    with log.open("rb", buffering=0) as file:
        follow = Follow(LogStream.new("app", str(log), status), log, file)
        follow.skip_to_end(status.st_size)
    assert follow.position <= SPARSE + 4


def test_standard_input_goes_on_behind_a_hole():
    class Pieces:
        def __init__(self) -> None:
            self.left = [b"one\n", *[bytes(1 << 20)] * 5, b"two\ntorn", *[bytes(1 << 20)] * 5, b"three\n", b""]

        def read(self, size: int) -> bytes:
            return self.left.pop(0)

    problems = list[str]()
    read = b"".join(chunk.data for chunk in lines_of(Pieces(), "app", "x", problems.append))
    assert read.splitlines() == [b"one", b"two", b"torn", b"three"]
    assert set(problems) == {"nuls"}
