"""The store: what is committed is there after a restart, once; what is corrupt is set aside; days are dropped."""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_disks import DyingDisk, FullDisk, Killed, Unsynced

from bascule.errors import AlreadyRunning, StoreError
from bascule.logformat import LogIndex
from bascule.logs import (
    Consumers,
    Disk,
    FileFeed,
    FileSource,
    IdPseudonyms,
    Intake,
    LogReader,
    Parser,
    Pipeline,
    Sender,
    VersionFinder,
    built_in,
    forget_user,
    listing,
    open_store,
    read_key,
    search_store,
)
from bascule.logs.storing import consumers, engine, segments
from bascule.logs.storing.counts import counts
from bascule.logs.storing.engine import Sent
from bascule.logs.storing.query import summary, usage
from bascule.logs.storing.segments import identities
from bascule.logs.storing.store import LogStore
from bascule.spec import load

SPEC = load("supersmartmatch")
PSEUDONYMS = IdPseudonyms(b"a key of 16 bytes", ("user_id", "candidate_id", "job_id"))
REQUESTS = "bascule_log_requests_total"
EXPIRED = "bascule_log_expired_rows_total"


def call(number: int, day: int = 31, hour: int = 12) -> str:
    return (
        f"2026-01-{day:02d}T{hour:02d}:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u{number}"
        f" endpoint=/match/{number % 3} response_time=0.{number % 90 + 10} status=200 version=v{number % 2 + 1}\n"
    )


def pipeline(root: Path, log: Path, disk: Disk | None = None) -> Pipeline:
    store = open_store(root, disk or Disk())
    intake = Intake(
        "app",
        Parser((built_in("api_call"), built_in("match_result"))),
        VersionFinder.of(SPEC),
        change=PSEUDONYMS.replace,
    )
    return Pipeline(store, [FileFeed(FileSource("app", str(log), store.streams("app")), intake)])


def rows(root: Path) -> Counter[tuple[object, ...]]:
    found = LogReader(root).query(
        'select stream, "offset", user_id, endpoint, response_time, version, status from logs'
    )
    return Counter(tuple(row.values()) for row in found)


def counted(pipe: Pipeline, metric: str) -> int:
    return counted_in(pipe.journal, metric)


def counted_in(store: LogStore, metric: str) -> int:
    return sum(number for (name, _), number in store.tally.counters.items() if name == metric)


def requests(pipe: Pipeline) -> int:
    return counted(pipe, REQUESTS)


def test_what_is_committed_is_there_after_a_restart_and_counters_go_on(tmp_path: Path):
    """Without a checkpoint, as after kill -9: the footers hold what is missing."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(map(call, range(100))))
    first = pipeline(root, log)
    first.poll()
    tally = first.journal.tally.to_json()
    os.close(first.journal.lock)  # the process is gone: nothing was closed in order
    with log.open("a") as file:
        file.writelines(map(call, range(100, 150)))
    second = pipeline(root, log)
    assert second.journal.tally.to_json() == tally
    second.poll()
    assert requests(second) == 150
    assert sum(rows(root).values()) == len(rows(root)) == 150
    second.journal.close()
    third = pipeline(root, log)
    assert (requests(third), third.poll()) == (150, 0)
    third.journal.close()


def test_ids_are_stored_as_pseudonyms_and_nowhere_else(tmp_path: Path):
    """In id columns, in paths, in lines that no format has, in what is known of the files."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text(
        call(1).replace("/match/1", "/match?user_id=secret")
        + "oops user_id=secret failed\n"
        + call(7).replace("u7", "secret")
    )
    pipe = pipeline(root, log)
    pipe.poll()
    pipe.journal.close()
    stored = str(LogReader(root).query("select * from logs"))
    assert "secret" not in stored
    assert stored.count(PSEUDONYMS.of("secret")) == 3
    assert not any(b"secret" in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_compaction_changes_no_row_and_no_counter(tmp_path: Path):
    """Whether it ends or stops before the parts are deleted."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    pipe = pipeline(root, log)
    for start in range(0, 100, 5):
        with log.open("a") as file:
            file.writelines(map(call, range(start, start + 5)))
        pipe.poll()
    before, tally = rows(root), pipe.journal.tally.to_json()
    pipe.journal.checkpoint()
    parts = {segment.path: segment.path.read_bytes() for segment in listing(pipe.journal.folder)}
    assert pipe.journal.compact(pipe.journal.last) == 19
    assert rows(root) == before
    for path, data in parts.items():  # as if the process had died before it deleted them
        path.write_bytes(data)
    assert rows(root) == before
    pipe.journal.close()
    again = open_store(root)
    assert len(list(again.folder.glob("date=*/*.parquet"))) == 1
    assert rows(root) == before
    assert again.tally.to_json() == tally
    again.close()


def test_rows_lie_in_the_folder_of_their_day_and_old_days_are_dropped(tmp_path: Path):
    """Like the source document's daily index."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    pipe = pipeline(root, log)
    for day in (1, 15, 31):
        with log.open("a") as file:
            file.write(call(day, day))
        pipe.poll()
    store = pipe.journal
    assert [segment.day for segment in listing(store.folder)] == ["2026-01-01", "2026-01-15", "2026-01-31"]
    assert store.drop_before(datetime(2026, 1, 15, tzinfo=UTC), until=store.last) == 1
    assert [segment.day for segment in listing(store.folder)] == ["2026-01-15", "2026-01-31"]
    store.close()


DAY_SECONDS = 86_400


def aged(number: int, days: float | None) -> str:
    """A line that is so many days old; one without a time of its own for None."""
    if days is None:
        return f"a line without a time {number}\n"
    moment = datetime.now(UTC) - timedelta(days=days)
    return call(number).replace("2026-01-31T12:00:00.123Z", f"{moment:%Y-%m-%dT%H:%M:%S.000Z}")


ages = st.none() | st.sampled_from([-400.0, -0.5, 0.0]) | st.floats(0, 100)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ages, max_size=12), min_size=1, max_size=4), st.floats(0.5, 90))
def test_of_any_mix_of_days_exactly_the_rows_within_the_retention_stay(batches, retention):
    """Whatever came in one batch, and however often the store is kept up; what is dropped is counted by source."""
    kept = sum(1 for batch in batches for days in batch if days is None or days <= retention)
    near = sum(1 for batch in batches for days in batch if days is not None and 0 < days - retention <= 1.1 / 24)
    total = sum(map(len, batches))
    with TemporaryDirectory() as folder:
        log, root = Path(folder) / "app.log", Path(folder) / "logs"
        pipe = pipeline(root, log, Unsynced())
        for batch in batches:
            with log.open("a") as file:
                file.writelines(aged(number, days) for number, days in enumerate(batch))
            assert pipe.poll() == len(batch)
            assert sum(rows(root).values()) - len(batch) <= kept + near, "the batches before are kept up"
            pipe.journal.keep_up(retention * DAY_SECONDS)
        left = sum(rows(root).values())
        assert kept <= left <= kept + near
        assert (
            sum(number for (name, _), number in pipe.journal.tally.counters.items() if name == EXPIRED) == total - left
        )
        pipe.journal.close()
        again = open_store(root)
        assert sum(rows(root).values()) == left
        again.close()


def test_a_day_of_rows_in_one_batch_is_a_segment_of_its_own(tmp_path: Path):
    """A young row does not go with the old ones, an old one does not stay with the young."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text(aged(1, 40) + aged(2, 40) + aged(3, 0.05) + aged(4, 400) + aged(5, None))
    pipe = pipeline(root, log)
    assert pipe.poll() == 5
    pipe.journal.keep_up(30 * DAY_SECONDS)
    found = LogReader(root).query("select user_id, message from logs order by user_id")
    assert [row["user_id"] for row in found] == [PSEUDONYMS.of("u3"), None]
    pipe.journal.close()


def test_a_batch_of_very_many_days_is_not_as_many_files(tmp_path: Path):
    """The oldest days share one; no row is lost."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(aged(number, number) for number in range(300)))
    pipe = pipeline(root, log)
    pipe.poll()
    assert len(listing(root / "segments")) == 64
    assert sum(rows(root).values()) == 300
    pipe.journal.keep_up(250.5 * DAY_SECONDS)
    assert sum(rows(root).values()) == 251
    pipe.journal.close()


@pytest.mark.parametrize("steps", range(6))
def test_rows_of_several_days_are_one_commit_wherever_the_process_ends(tmp_path: Path, steps):
    """All of them or none, once: after a restart the rest is read."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(call(n, day=29 + n % 3) for n in range(30)))
    pipeline(root, log).journal.close()
    dying = pipeline(root, log, DyingDisk([steps]))
    with contextlib.suppress(Killed):
        dying.poll()
    os.close(dying.journal.lock)
    again = pipeline(root, log)
    again.poll()
    assert sum(rows(root).values()) == len(rows(root)) == requests(again) == 30
    assert [segment.day for segment in listing(root / "segments")] == ["2026-01-29", "2026-01-30", "2026-01-31"]
    assert not list(root.rglob("*.part"))
    again.journal.close()


def test_a_corrupt_segment_is_set_aside_named_and_the_rest_served(tmp_path: Path):
    """And what it held is read again when its source still has it."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(map(call, range(10))))
    pipe = pipeline(root, log)
    pipe.poll()
    with log.open("a") as file:
        file.writelines(map(call, range(10, 20)))
    pipe.poll()
    os.close(pipe.journal.lock)
    last = listing(pipe.journal.folder)[-1].path
    last.write_bytes(last.read_bytes()[:-20])
    assert sum(rows(root).values()) == 10, "a reader leaves it out"
    again = pipeline(root, log)
    assert [path.name for path in again.journal.set_aside] == [last.name]
    again.poll()
    assert sum(rows(root).values()) == len(rows(root)) == 20
    assert requests(again) == 20
    again.journal.close()


def test_a_second_writer_is_refused_naming_the_first(tmp_path: Path):
    """One process writes."""
    store = open_store(tmp_path)
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


@pytest.mark.parametrize("step", ["write_synced", "sync_folder"])
def test_a_full_disk_loses_nothing_once_there_is_space(tmp_path: Path, step):
    """The segment that could not be written is not found, and its lines are read again."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(map(call, range(10))))
    disk = FullDisk()
    pipe = pipeline(root, log, disk)
    disk.fails.add(step)
    assert pipe.poll() == 0
    disk.fails.clear()
    assert pipe.problems.counters == {("bascule_log_problems_total", ("app", "store")): 1}
    assert requests(pipe) == 0
    assert pipe.poll() == 10
    assert sum(rows(root).values()) == requests(pipe) == 10
    pipe.journal.close()


def test_what_several_files_have_is_one_commit_and_nothing_of_it_is_lost_on_a_full_disk(tmp_path: Path):
    """Each file goes on where the store has it; rows of another day are a segment of their own."""
    root = tmp_path / "logs"
    for number in range(4):
        (tmp_path / f"{number}.log").write_text("".join(call(n, day=30 + number // 3) for n in range(10)))
    disk = FullDisk()
    pipe = pipeline(root, tmp_path / "*.log", disk)
    disk.fails.add("write_synced")
    assert pipe.poll() == 0
    disk.fails.clear()
    assert pipe.poll() == 40
    assert [segment.day for segment in listing(root / "segments")] == ["2026-01-30", "2026-01-31"]
    os.close(pipe.journal.lock)
    again = pipeline(root, tmp_path / "*.log")
    assert again.poll() == 0
    assert sum(rows(root).values()) == len(rows(root)) == requests(again) == 40
    again.journal.close()


def test_search_finds_what_came_late_in_the_segment_of_another_day(tmp_path: Path):
    """A segment's day is that of most of its rows; others may be younger than the time asked for."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(call(n, day=30) for n in range(10)) + call(77, day=31))
    pipe = pipeline(root, log)
    pipe.poll()
    found = search_store(LogReader(root), since=datetime(2026, 1, 31, tzinfo=UTC))
    assert [row["timestamp"][:10] for row in found] == ["2026-01-31"]
    pipe.journal.close()


def test_a_forgotten_user_is_in_no_row_and_no_sketch(tmp_path: Path):
    """The rows stay, without the id."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(map(call, range(10))) + "failed for user_id=u3 again\n")
    pipe = pipeline(root, log)
    pipe.poll()
    store = pipe.journal
    now = datetime(2026, 1, 31, 12, 1, tzinfo=UTC).timestamp()
    consumers = Consumers(root / "consumers.parquet")
    consumers.follow(store.folder, now)
    assert {(v, w): n for v, w, n in consumers.counts(now)}["v2", "1h"] == 5
    assert forget_user(store, consumers, PSEUDONYMS, "u3", now) == 2
    assert {(v, w): n for v, w, n in consumers.counts(now)}["v2", "1h"] == 4
    assert PSEUDONYMS.of("u3") not in str(LogReader(root).query("select * from logs"))
    assert sum(rows(root).values()) == 11
    assert search_store(LogReader(root), "forgotten")[0]["message"] == "failed for user_id=forgotten again"
    store.close()
    again = open_store(root)
    assert sum(again.tally.counters.values()) == sum(store.tally.counters.values())
    again.close()


def test_forgetting_on_a_full_disk_loses_no_row(tmp_path: Path):
    """A segment that cannot be rewritten stays as it is."""
    log, root, disk = tmp_path / "app.log", tmp_path / "logs", FullDisk()
    log.write_text("".join(map(call, range(10))))
    pipe = pipeline(root, log, disk)
    pipe.poll()
    before = rows(root)
    disk.fails.add("write_synced")
    with pytest.raises(StoreError):
        forget_user(pipe.journal, Consumers(root / "consumers.parquet"), PSEUDONYMS, "u3", 0.0)
    assert rows(root) == before
    disk.fails.clear()
    pipe.journal.close()


def test_search_finds_text_expressions_and_conditions(tmp_path: Path):
    """The latest first."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    log.write_text("".join(call(n, hour=n) for n in range(20)) + "2026-01-31T23:00:00Z ERROR it broke badly\n")
    pipe = pipeline(root, log)
    pipe.poll()
    pipe.journal.close()
    reader = LogReader(root)
    assert [row["format"] for row in search_store(reader, "broke")] == ["text"]
    found = search_store(reader, "/endpoint=.match.[12]/", where=["response_time>=0.2", "version=v1"], limit=3)
    assert [row["timestamp"][11:13] for row in found] == ["16", "14", "10"]
    assert len(search_store(reader, since=datetime(2026, 1, 31, 18, tzinfo=UTC))) == 3
    assert search_store(LogReader(tmp_path / "none"), "x") == []


def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path):
    """A short one is refused."""
    path = tmp_path / "key"
    assert read_key(path) == read_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    with pytest.raises(StoreError, match="too short"):
        read_key(path)


def test_a_stack_trace_that_is_being_written_stays_whole(tmp_path: Path):
    """Its first half is not taken until the rest is there, or a second has passed."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    pipe = pipeline(root, log)
    log.write_text(call(1) + 'Traceback (most recent call last):\n  File "a.py", line 1\n')
    assert pipe.poll() == 1
    with log.open("a") as file:
        file.write("    raise ValueError\nValueError: x\n")
    assert pipe.poll() == 1
    (row,) = LogReader(root).query("select message from logs where format = 'trace'")
    assert row["message"].count("\n") == 3
    pipe.journal.close()


def test_a_compressed_file_is_known_again_after_a_restart(tmp_path: Path):
    """It is let go of only when the store holds all of it, with what tells it from others."""
    root = tmp_path / "logs"
    for number in range(3):
        with gzip.open(tmp_path / f"app.log.{number}.gz", "wt") as packed:
            packed.writelines(map(call, range(number * 10, number * 10 + 10)))
    for expected in (30, 0, 0):
        pipe = pipeline(root, tmp_path / "app.log.*.gz")
        pipe.feeds[0].files.alone = True
        assert sum(pipe.poll() for _ in range(3)) == expected
        assert not pipe.feeds[0].files.follows
        os.close(pipe.journal.lock)
    assert sum(rows(root).values()) == len(rows(root)) == 30


def test_a_compressed_file_is_read_again_when_it_could_not_be_stored(tmp_path: Path):
    """Though it was read to its end."""
    root = tmp_path / "logs"
    with gzip.open(tmp_path / "app.log.1.gz", "wt") as packed:
        packed.writelines(map(call, range(10)))
    disk = FullDisk()
    pipe = pipeline(root, tmp_path / "app.log.1.gz", disk)
    pipe.feeds[0].files.alone = True
    disk.fails.add("write_synced")
    assert [pipe.poll(), pipe.poll()] == [0, 0]
    disk.fails.clear()
    assert sum(pipe.poll() for _ in range(3)) == 10
    pipe.journal.close()


class _Taking:
    """An engine that takes everything."""

    def __init__(self) -> None:
        self.index, self.taken = LogIndex("Shop", "", 86_400.0), 0

    def prepare(self) -> None:
        pass

    def send(self, lines):
        self.taken += len(lines)
        return Sent(created=len(lines)), []


@pytest.fixture
def holed(tmp_path: Path):
    """A store of four segments, of which the second has a hole at its beginning, as after a crash of the machine."""
    log, root = tmp_path / "app.log", tmp_path / "logs"
    pipe = pipeline(root, log)
    for first in range(0, 200, 50):
        with log.open("a") as file:
            file.writelines(map(call, range(first, first + 50)))
        pipe.poll()
    with listing(pipe.journal.folder)[1].path.open("r+b") as file:
        file.seek(4)
        file.write(bytes(2500))
    yield pipe.journal
    pipe.journal.close()


def test_a_segment_with_a_hole_keeps_no_other_from_being_read(holed):
    assert sum(rows(holed.root).values()) == 150
    assert identities(holed.folder, 10) == []


def test_a_segment_with_a_hole_keeps_no_user_from_being_forgotten_elsewhere(holed):
    seen = []
    holed.rewrite(lambda table: seen.append(table.num_rows))
    assert (seen, len(holed.set_aside)) == ([50, 50, 50], 1)


def test_a_segment_with_a_hole_keeps_the_others_from_being_merged_once(holed):
    holed.compact(100)
    holed.compact(100)
    assert len(holed.set_aside) == 1
    assert len(listing(holed.folder)) == 1
    assert sum(rows(holed.root).values()) == 150


def test_a_segment_with_a_hole_keeps_no_row_behind_it_from_the_engine(holed, caplog):
    engine = _Taking()
    (holed.root / "sent.json").write_bytes(bytes(20))
    sender = Sender.load(engine, holed.root)
    while sender.send_next(threading.Event()):
        pass
    assert (engine.taken, sender.waiting()) == (150, [])
    assert "is corrupt" in caplog.text


OUTSIDE = (-62_135_600_400_000_000, 253_402_383_600_000_000)  # an hour before the year 1; a day after the year 9999
ENDS = (-62_135_596_800_000_000, 253_402_300_799_999_999)


def polled(root: Path, log: Path, lines: int, segments: int = 1) -> Pipeline:
    """A store of so many segments of so many lines each."""
    pipe = pipeline(root, log)
    for _ in range(segments):
        with log.open("a") as file:
            file.writelines(map(call, range(lines)))
        pipe.poll()
    return pipe


@pytest.fixture(params=[OUTSIDE, ENDS], ids=["outside", "ends"])
def strayed(tmp_path: Path, request):
    """A store in which two rows of a segment have times outside the calendar, as older stores may."""

    def stray(table: pa.Table) -> pa.Table:
        times = table["timestamp"].cast(pa.int64()).to_pylist()
        moved = pa.array([*request.param, *times[2:]], pa.timestamp("us", "UTC"))
        return table.set_column(table.column_names.index("timestamp"), "timestamp", moved)

    store = polled(tmp_path / "logs", tmp_path / "app.log", 10).journal
    store.rewrite(stray)
    yield store
    store.close()


def test_a_time_outside_the_calendar_breaks_no_search_and_no_figure(strayed):
    reader = LogReader(strayed.root)
    assert len(search_store(reader)) == 10
    assert sum(group["rows"] for group in summary(reader)["groups"]) == 10
    assert counts(reader)["total"] == 10
    assert sum(row["requests"] for row in usage(reader)) == 10
    assert reader.query("select count(*) as n from logs where timestamp is null")[0]["n"] in (0, 2)


def test_a_time_outside_the_calendar_keeps_no_row_from_being_dropped(strayed):
    """The one before it is past any retention; one of the future is as old as its arrival."""
    strayed.checkpoint()
    strayed.keep_up(20 * 365 * 86_400.0)
    assert (sum(rows(strayed.root).values()), strayed.failing) == (9, set())


def test_a_time_outside_the_calendar_keeps_no_row_from_the_engine(strayed):
    taking = _Taking()
    assert Sender.load(taking, strayed.root).send_next(threading.Event())
    assert taking.taken == 10


def failing_once(target, name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function fail as nobody foresaw, for that file."""
    real = getattr(target, name)

    def fails(given, *others):
        if getattr(given, "path", given) == path:
            raise OverflowError("date value out of range")
        return real(given, *others)

    monkeypatch.setattr(target, name, fails)


def test_a_segment_that_upkeep_fails_on_keeps_no_other_from_it(tmp_path: Path, monkeypatch, caplog):
    """It is told once, and stays: what is merged around it must not take its place."""
    store = polled(tmp_path / "logs", tmp_path / "app.log", 10, segments=5).journal
    failing = listing(store.folder)[2]
    failing_once(segments, "facts_of", failing.path, monkeypatch)
    for _ in range(2):
        store.keep_up(20 * 365 * 86_400.0)
    left = listing(store.folder)
    assert [(segment.first, segment.last) for segment in left] == [(1, 2), (3, 3), (4, 5)]
    assert (store.failing, store.set_aside) == ({failing.path}, [])
    assert [failing.path.name in record.getMessage() for record in caplog.records] == [True]
    store.close()
    assert sum(rows(tmp_path / "logs").values()) == 50


def test_old_rows_are_dropped_beside_a_segment_that_upkeep_fails_on(tmp_path: Path, monkeypatch):
    store = polled(tmp_path / "logs", tmp_path / "app.log", 10, segments=3).journal
    failing = listing(store.folder)[0]
    failing_once(segments, "facts_of", failing.path, monkeypatch)
    store.keep_up(3600.0)
    assert listing(store.folder) == [failing]
    assert counted_in(store, EXPIRED) == 20
    store.close()


def test_a_segment_whose_users_cannot_be_counted_keeps_no_other_from_it(tmp_path: Path, monkeypatch, caplog):
    store = polled(tmp_path / "logs", tmp_path / "app.log", 10, segments=3).journal
    failing_once(consumers, "_users", listing(store.folder)[1].path, monkeypatch)
    counting = Consumers(tmp_path / "consumers")
    for _ in range(2):
        counting.follow(store.folder, datetime(2026, 1, 31, 13, tzinfo=UTC).timestamp())
    assert counting.last == 3
    assert [listing(store.folder)[1].path.name in record.getMessage() for record in caplog.records] == [True]
    store.close()


def test_a_segment_that_cannot_be_forwarded_keeps_no_other_from_it(tmp_path: Path, monkeypatch, caplog):
    store = polled(tmp_path / "logs", tmp_path / "app.log", 10, segments=3).journal
    failing_once(engine, "_batches", listing(store.folder)[1].path, monkeypatch)
    taking = _Taking()
    sender = Sender.load(taking, store.root)
    while sender.send_next(threading.Event()):
        pass
    assert (taking.taken, sender.waiting()) == (20, [])
    assert [listing(store.folder)[1].path.name in record.getMessage() for record in caplog.records] == [True]
    store.close()


def test_a_failure_that_nobody_foresaw_ends_no_sending_and_loses_no_row(tmp_path: Path, monkeypatch, caplog):
    """It is tried again, and told once."""
    store = polled(tmp_path / "logs", tmp_path / "app.log", 10).journal
    taking, stop, tries = _Taking(), threading.Event(), []
    sender = Sender.load(taking, store.root)
    sender.first_pause = 0.01

    def fails_twice(lines):
        tries.append(len(lines))
        if len(tries) < 3:
            raise RuntimeError("no reason")
        stop.set()
        return Sent(created=len(lines)), []

    monkeypatch.setattr(taking, "send", fails_twice)
    sender.run(stop)
    assert (tries, sender.waiting()) == ([10, 10, 10], [])
    assert sum("not forwarded" in record.getMessage() for record in caplog.records) == 1
    store.close()
