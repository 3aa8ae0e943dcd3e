"""Files through rotation: nothing twice, nothing left out, also where a new file begins like the one before."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.logs import (
    FileFeed,
    FileSource,
    Intake,
    LogReader,
    LogStore,
    Parser,
    Pipeline,
    VersionFinder,
    built_in,
    open_store,
)
from bascule.spec import load

# A health check every second, without a time: more than the bytes that tell files apart, and the same in each file.
SAME = 'INFO:     127.0.0.1:51412 - "GET /health HTTP/1.1" 200 OK\n' * 40


def line(number: int) -> str:
    return f'INFO:     127.0.0.1:51412 - "GET /n/{number} HTTP/1.1" 200 OK\n'


class House:
    """A log file, and its reader with a store; the reader can be gone for a while."""

    def __init__(self, folder: Path) -> None:
        self.log, self.root = folder / "app.log", folder / "logs"
        self.expected: Counter[str] = Counter()
        self.problems: list[str] = []
        self.start()

    def start(self) -> None:
        self.store: LogStore = open_store(self.root)
        files = FileSource("app", str(self.log), self.store.streams("app"), self.store.since, settling_seconds=0.0)
        intake = Intake("app", Parser((built_in("uvicorn"),)), VersionFinder.of(load("supersmartmatch")))
        self.pipe = Pipeline(self.store, [FileFeed(files, intake)])
        files.problem = self.problems.append

    def stop(self) -> None:
        self.pipe.feeds[0].files.close()
        self.store.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def write(self, text: str, path: Path | None = None) -> None:
        with (path or self.log).open("a") as file:
            file.write(text)
        self.expected.update(text.splitlines())

    def poll(self) -> None:
        for _ in range(4):
            self.pipe.poll()

    def check(self) -> None:
        """Each line is stored as often as it was written."""
        self.poll()
        rows = LogReader(self.root).query("select endpoint, count(*) as n from logs group by endpoint")
        found = {row["endpoint"]: row["n"] for row in rows}
        assert found == {text.split('"')[1].split()[1]: number for text, number in self.expected.items()}


@pytest.fixture
def house(tmp_path: Path):
    made = House(tmp_path)
    yield made
    made.stop()


def renamed(house: House) -> None:
    house.log.rename(house.log.with_name("app.log.1"))


def renamed_and_compressed(house: House) -> None:
    with gzip.open(house.log.with_name("app.log.1.gz"), "wb") as packed:
        packed.write(house.log.read_bytes())
    house.log.unlink()


def copied_and_truncated(house: House) -> None:
    shutil.copyfile(house.log, house.log.with_name("app.log.1"))
    os.truncate(house.log, 0)


ROTATIONS = [renamed, renamed_and_compressed, copied_and_truncated]


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("more", [0, 5])
def test_a_new_file_that_begins_like_the_one_before_is_read_whole(
    house: House, rotate: Callable[[House], None], more: int
):
    """Shorter than the old one or longer, whether or not all of the old one was read."""
    house.write(SAME + line(1))
    house.poll()
    house.write("".join(map(line, range(2, 2 + more))))
    rotate(house)
    house.write(SAME + line(100))
    house.poll()
    house.write("".join(map(line, range(101, 150))))
    house.check()


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_while_the_reader_is_gone_loses_and_doubles_nothing(house: House, rotate: Callable[[House], None]):
    """The old file had more in it than was read; the new one is longer, and begins alike."""
    house.write(SAME + line(1))
    house.poll()
    house.stop()
    house.write(line(2))
    rotate(house)
    house.write(SAME + "".join(map(line, range(100, 150))))
    house.start()
    house.check()
    house.restart()
    house.check()


def test_several_renames_of_files_that_begin_alike_are_each_read(house: House):
    """One after another, between two looks and with the reader gone."""
    for turn in range(4):
        house.write(SAME + line(turn))
        if turn % 2:
            house.poll()
        if turn == 2:
            house.restart()
        for number in (3, 2, 1):
            older = house.log.with_name(f"app.log.{number}")
            if older.exists():
                older.rename(house.log.with_name(f"app.log.{number + 1}"))
        house.log.rename(house.log.with_name("app.log.1"))
    house.write(SAME)
    house.check()


def test_a_writer_without_append_loses_no_line_behind_the_nuls(house: House):
    """After copytruncate it writes on at its old place; the hole before is skipped and told."""
    file = os.open(house.log, os.O_WRONLY | os.O_CREAT)
    os.write(file, (SAME + line(1)).encode())
    house.expected.update((SAME + line(1)).splitlines())
    house.poll()
    copied_and_truncated(house)
    os.write(file, line(2).encode())
    house.expected.update([line(2).strip()])
    house.check()
    os.write(file, line(3).encode())
    house.expected.update([line(3).strip()])
    house.check()
    os.close(file)
    assert house.problems == ["nuls"]
    house.restart()
    house.check()


def test_a_file_of_nuls_that_is_truncated_again_before_its_first_line_is_whole_loses_none(house: House):
    """Its writer writes on at its old place each time."""
    file = os.open(house.log, os.O_WRONLY | os.O_CREAT)
    os.write(file, SAME.encode())
    house.expected.update(SAME.splitlines())
    house.poll()
    copied_and_truncated(house)
    os.write(file, line(1)[:30].encode())
    house.poll()
    house.log.with_name("app.log.1").unlink()
    copied_and_truncated(house)
    os.write(file, (line(1)[30:] + line(2)).encode())
    house.poll()
    os.close(file)
    rows = LogReader(house.root).query(
        "select coalesce(endpoint, message) as what from logs where endpoint <> '/health'"
    )
    rows += LogReader(house.root).query("select message as what from logs where endpoint is null")
    assert [row["what"] for row in rows] == ["/n/2", line(1)[30:].strip()]


def test_a_file_that_a_writer_had_made_before_logrotate_did_is_read(house: House):
    """logrotate gives it a name of its own, and makes an empty one."""
    house.write(SAME + line(1))
    house.poll()
    renamed(house)
    house.write(SAME + line(2))
    house.log.rename(house.log.with_name("app.log-2026013112.backup"))
    house.log.touch()
    house.check()


def test_a_file_that_is_truncated_and_grows_past_its_old_length_between_two_looks_is_read_anew(house: House):
    """It begins as before; the bytes before the place of reading tell."""
    house.write(SAME + line(1))
    house.poll()
    copied_and_truncated(house)
    house.write(SAME + "".join(map(line, range(1000, 1100))))
    house.check()


def test_a_copy_that_is_still_being_made_is_waited_for(house: House):
    """A slow disk: half of the copy is there when the reader comes back."""
    house.write(SAME + "".join(map(line, range(50))))
    house.poll()
    house.stop()
    data = house.log.read_bytes()
    copy = house.log.with_name("app.log.1")
    copy.write_bytes(data[: len(data) // 2])
    house.start()
    house.poll()
    with copy.open("ab") as file:
        file.write(data[len(data) // 2 :])
    os.truncate(house.log, 0)
    house.write(line(99))
    house.check()


def compressed(path: Path) -> Path:
    """As logrotate does: with the time at which it looked at the file, which may still be written to."""
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    before = path.stat().st_mtime - 0.01
    os.utime(packed, (before, before))
    path.unlink()
    return packed


def test_a_file_that_is_read_while_it_is_compressed_is_not_read_again(house: House):
    """Its writer opens its new file late, so the compressed one is older than the one that was read."""
    house.write(SAME + line(1))
    house.poll()
    renamed(house)
    house.write(line(2), house.log.with_name("app.log.1"))
    house.write(SAME + line(3))
    house.poll()
    compressed(house.log.with_name("app.log.1"))
    house.check()
    house.restart()
    house.check()


@pytest.mark.parametrize("compress", [Path, compressed], ids=["plain", "compressed"])
@pytest.mark.parametrize("stops", [False, True])
def test_a_copy_that_is_shorter_than_what_was_read_is_not_read_again(
    house: House, compress: Callable[[Path], Path], stops: bool
):
    """Lines written between the copying and the truncation were read before they were lost."""
    house.write(SAME)
    for number in range(30):
        house.write(line(number))
        house.poll()
    copy = house.log.with_name("app.log.1")
    shutil.copyfile(house.log, copy)
    for number in range(30, 40):
        house.write(line(number))
        house.poll()
    if stops:
        house.stop()
    os.truncate(house.log, 0)
    compress(copy)
    house.write(SAME + line(200))
    if stops:
        house.start()
    house.check()
    house.restart()
    house.check()


def test_a_file_first_seen_under_a_rotated_name_is_not_read_again_when_it_is_compressed(house: House):
    """The reader was gone while it was renamed; a day later it has a higher number."""
    house.stop()
    house.write(SAME + line(1))
    renamed(house)
    house.start()
    house.write(SAME + line(2))
    house.poll()
    older = house.log.with_name("app.log.1").rename(house.log.with_name("app.log.2"))
    renamed(house)
    compressed(older)
    house.write(SAME + line(3))
    house.check()
    house.restart()
    house.check()


def test_hundreds_of_files_with_rotated_ones_beside_them_are_looked_at_in_little_time(tmp_path: Path):
    """Each name is taken apart, not compared with every other."""
    for number in range(600):
        (tmp_path / f"app{number}.log").write_text(line(number))
        (tmp_path / f"app{number}.log.1").write_text(line(1000 + number))
    files = FileSource("app", str(tmp_path / "*.log"), settling_seconds=0.0)
    started = time.process_time()
    assert sum(chunk.data.count(b"\n") for chunk in files.chunks(8)) == 600
    assert not list(files.chunks(8))
    files.close()
    assert time.process_time() - started < 5


def test_files_that_are_alike_to_the_last_byte_are_each_read(house: House):
    """They were renamed while the reader was gone; none is a copy of another."""
    for _ in range(3):
        house.write(SAME)
        house.poll()
        house.stop()
        for number in (2, 1):
            older = house.log.with_name(f"app.log.{number}")
            if older.exists():
                older.rename(house.log.with_name(f"app.log.{number + 1}"))
        renamed(house)
        house.start()
    house.write(SAME)
    house.check()


def test_a_backup_of_a_file_that_is_being_read_is_not_read(house: House):
    """It is a copy, and its original goes on."""
    house.write(SAME + line(1))
    house.poll()
    shutil.copyfile(house.log, house.log.with_name("app.log.1"))
    house.write(line(2))
    house.check()


def test_a_store_of_before_knows_its_streams(house: House):
    """It has no hash of the last bytes: the first ones decide."""
    house.write(SAME + line(1))
    house.poll()
    house.stop()
    checkpoint = house.root / "checkpoint.json"
    text = checkpoint.read_text()
    for stream in house.store.known.values():
        text = text.replace(f', "tail_length": {stream.tail_length}, "tail": "{stream.tail}"', "")
    assert "tail" not in text
    checkpoint.write_text(text)
    renamed(house)
    house.write(SAME + line(2))
    house.start()
    house.check()
