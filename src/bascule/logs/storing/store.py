"""The durable store: segments, the checkpoint of the counters, recovery, compaction, retention.

What is known after a restart is the checkpoint plus the footers of the segments committed after it, so nothing
has to be written twice at a commit. One process writes at a time, by a lock on the folder; any number read.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bascule import conventions, private
from bascule.errors import AlreadyRunning, StoreError
from bascule.logformat import TIME
from bascule.logs.parsing.intake import Batch
from bascule.logs.parsing.tally import LogTally
from bascule.logs.reading.streams import LogStream
from bascule.logs.storing import segments
from bascule.logs.storing.disk import DISK, Disk
from bascule.logs.storing.segments import Facts, Footer, LogSegment

SMALL_ROWS = 100_000  # segments below this are merged ...
MERGED_ROWS = 400_000  # ... into ones of about this size
CHECKPOINT_SEGMENTS = 200
PROBE, PROBE_BYTES = ".probe", 16_384  # about what a small segment takes
SLACK_SECONDS = 60.0  # from looking at the files to the checkpoint

log = logging.getLogger(__name__)
_FIRST_MOMENT = datetime.min.replace(tzinfo=UTC).timestamp()
_NO_FOOTER = Footer([], LogTally()).to_bytes()


@dataclass
class Writer:
    """Commits batches as segments numbered `next`, `next + step`, ..."""

    folder: Path
    next: int
    step: int = 1
    disk: Disk = DISK

    def write(self, batch: Batch, streams: Sequence[LogStream]) -> None:
        """Write the batch as one commit, a segment for each day its rows are of; StoreError, and nothing is written."""
        arrived = int(time.time() * 1e6)
        (day, rows), *others = segments.by_day(batch.pieces, arrived)
        main = segments.path_of(self.folder, day, self.next, segments.rest_of(batch))
        parts: list[Path] = []
        try:
            for number, (day, share) in enumerate(others, 1):
                path = segments.path_of(self.folder, day, self.next + number * self.step, f"of-{self.next:012d}")
                parts.append(path.with_suffix(segments.PART))
                self.disk.create(parts[-1], segments.serialised(share, _NO_FOOTER))
            self.disk.create(main, segments.serialised(rows, Footer(list(streams), batch.tally).to_bytes()))
        except StoreError:
            for part in parts:
                part.unlink(missing_ok=True)
            raise
        self.next += self.step * (1 + len(parts))
        publish(parts, self.disk)


def publish(parts: Sequence[Path], disk: Disk) -> None:
    """Give the parts of a commit that is there their names. One that cannot be renamed is tried again later."""
    for part in parts:
        try:
            disk.rename(part, part.with_suffix(segments.SUFFIX))
        except OSError as error:
            log.error("the segment %s cannot be renamed yet: %s", part, error)


@dataclass
class LogStore:
    """A journal (`serving.pipeline.BatchJournal`) on disk. Use `open_store` to have one."""

    root: Path
    lock: int
    disk: Disk = DISK
    tally: LogTally = field(default_factory=LogTally)
    known: dict[str, LogStream] = field(default_factory=dict)
    checkpointed: int = 0  # the last commit that the checkpoint holds
    checkpointed_at: float = field(default_factory=time.time)  # when the last checkpoint was written
    set_aside: list[Path] = field(default_factory=list)
    failing: set[Path] = field(default_factory=set)  # segments that the last upkeep failed on, for no foreseen reason
    told: set[Path] = field(default_factory=set)  # those of them that are in the log
    facts: dict[Path, Facts] = field(default_factory=dict)
    late_rows: int = 0  # that came after the store was opened, and were past the retention
    opened_at: int = field(default_factory=lambda: int(time.time() * 1e6))
    small_rows: int = SMALL_ROWS
    checkpoint_segments: int = CHECKPOINT_SEGMENTS
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer(self.folder, 1, disk=self.disk)

    @property
    def folder(self) -> Path:
        return self.root / "segments"

    @property
    def since(self) -> float:
        """Files that were written to after this may hold lines that are not in the store."""
        return self.checkpointed_at - SLACK_SECONDS

    @property
    def last(self) -> int:
        """The number of the last commit."""
        return self.writer.next - self.writer.step

    # ------------------------------------------------------------ the journal

    def streams(self, source: str) -> dict[str, LogStream]:
        return {name: replace(stream) for name, stream in self.known.items() if stream.source == source}

    def commit(self, batch: Batch, streams: Sequence[LogStream]) -> None:
        self.writer.write(batch, streams)
        self._learn(Footer(list(streams), batch.tally))
        if self.last - self.checkpointed >= self.checkpoint_segments:
            self.checkpoint()

    def _learn(self, footer: Footer) -> None:
        self.tally.add(footer.tally)
        for stream in footer.streams:
            known = self.known.get(stream.id)
            if known is None or known.committed <= stream.committed:
                self.known[stream.id] = replace(stream)

    # ------------------------------------------------------------ checkpoint and recovery

    def checkpoint(self) -> None:
        self.checkpointed_at = time.time()
        document = {
            "last": self.last,
            "time": self.checkpointed_at,
            "streams": [stream.to_json() for stream in self.known.values()],
            "tally": self.tally.to_json(),
        }
        self.disk.replace(self.root / "checkpoint.json", json.dumps(document).encode())
        self.checkpointed = self.last

    def recover(self) -> None:
        """Take up what is on disk: the checkpoint, then every later segment's footer."""
        for leftover in self.folder.glob("date=*/*.tmp"):
            leftover.unlink()
        for path in segments.replaced(self.folder):
            path.unlink()
        self._read_checkpoint()
        self._finish_parts()
        self.take_up()

    def _finish_parts(self) -> None:
        """Publish the parts of commits that are there, delete those of commits that came to nothing."""
        committed = {segment.first for segment in segments.listing(self.folder) if segment.first == segment.last}
        for part in sorted(self.folder.glob(f"date=*/*{segments.PART}")):
            commit = segments.commit_of(part)
            if commit <= self.checkpointed or commit in committed:
                publish([part], self.disk)
            else:
                part.unlink()

    def take_up(self) -> None:
        """Add the segments after the last commit known, which may be another process' work."""
        found = [segment for segment in segments.listing(self.folder) if segment.last >= self.writer.next]
        for segment in sorted(found, key=lambda segment: segment.first):
            try:
                self._learn(Footer.read(segment.path))
            except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
                self.put_aside(segment.path, error)
        self.writer.next = max([self.last, *(segment.last for segment in found)]) + 1

    def _read_checkpoint(self) -> None:
        path = self.root / "checkpoint.json"
        if not path.exists():
            self.checkpoint()  # from now on, what is written to a file is ours to read
            return
        try:
            document = json.loads(path.read_text())
            self.tally = LogTally.from_json(document["tally"])
            self.known = {stream["id"]: LogStream(**stream) for stream in document["streams"]}
            self.checkpointed, self.checkpointed_at = document["last"], document["time"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            fix = f"restore it from a backup, or move {self.root} away to start empty"
            raise StoreError(f"the checkpoint {path} cannot be read: {error}", fix) from error
        self.writer.next = self.checkpointed + 1

    def probe(self) -> None:
        """Write where segments are written. Raises StoreError where that cannot be done."""
        path = self.folder / PROBE
        self.disk.create(path, bytes(PROBE_BYTES))
        path.unlink()

    def put_aside(self, path: Path, error: Exception) -> None:
        """Move a corrupt segment out of the way and say so; the rest is served."""
        aside = self.root / "set-aside" / path.name
        aside.parent.mkdir(exist_ok=True)
        os.rename(path, aside)
        self.set_aside.append(aside)
        log.error("the segment %s is corrupt and was set aside as %s: %s", path.name, aside, error)

    # ------------------------------------------------------------ upkeep

    def keep_up(self, retention: float, delivered: int | None = None) -> None:
        """Checkpoint, drop rows past the retention (seconds), merge small segments.

        `delivered`: the last commit that has been sent on. Rows stay for an hour longer at most, or a 24th of the
        retention where that is less: so a segment is rewritten seldom.
        """
        sent = self.last if delivered is None else delivered
        self.failing.clear()
        try:
            if self.last > self.checkpointed:
                self.checkpoint()
        finally:  # on a full disk, too: it makes room
            step = min(3600.0, retention / 24)
            bound = max((time.time() - retention) // step * step, _FIRST_MOMENT)
            self.drop_before(datetime.fromtimestamp(bound, UTC), min(self.checkpointed, sent))
        self.compact(min(self.checkpointed, sent))

    @contextmanager
    def _apart(self, *at_work: LogSegment) -> Iterator[None]:
        """What fails on these segments keeps the others from nothing; it is told once, and tried again."""
        try:
            yield
        except StoreError:  # a full disk is no matter of the segments
            raise
        except Exception:
            paths = {segment.path for segment in at_work}
            if not paths <= self.told:
                names = ", ".join(sorted(path.name for path in paths))
                log.exception("internal error: the log store's %s cannot be kept up; the other segments are", names)
            self.told |= paths
            self.failing |= paths

    def compact(self, until: int) -> int:
        """Merge runs of small segments up to the commit `until`; how many there are fewer."""
        fewer = 0
        by_day: dict[str, list[LogSegment]] = {}
        for segment in segments.listing(self.folder):
            if segment.last <= until:
                by_day.setdefault(segment.day, []).append(segment)
        for day in by_day.values():
            for run in self._runs(day):
                with self._apart(*run):
                    self._merge(run)
                    fewer += len(run) - 1
        return fewer

    def _runs(self, day: list[LogSegment]) -> list[list[LogSegment]]:
        """Neighbours that are small, together at most `MERGED_ROWS`."""
        runs: list[list[LogSegment]] = [[]]
        rows = 0
        for segment in day:
            count = self._rows(segment)
            if count >= self.small_rows or rows + count > MERGED_ROWS:
                runs.append([])
                rows = 0
            if 0 <= count < self.small_rows:
                runs[-1].append(segment)
                rows += count
        return [worth for run in runs if len(worth := self._worth(run)) > 1]

    def _worth(self, run: list[LogSegment]) -> list[LogSegment]:
        """The end of a run in which no segment outweighs the rest: so a row is rewritten only a few times."""
        while run:
            counts = [self._rows(segment) for segment in run]
            if max(counts) <= sum(counts) / 2:
                break
            run = run[counts.index(max(counts)) + 1 :]
        return run

    def _rows(self, segment: LogSegment) -> int:
        """-1 for one that cannot be read, which is set aside. One that fails ends a run, as a large one does: a merged
        segment takes the place of all that is between its ends."""
        facts = self._facts(segment)
        if facts is None:
            return self.small_rows if segment.path in self.failing else -1
        return facts.rows

    def _facts(self, segment: LogSegment) -> Facts | None:
        if segment.path not in self.facts:
            with self._apart(segment):
                try:
                    self.facts[segment.path] = segments.facts_of(segment.path)
                except (pa.ArrowException, OSError) as error:
                    self.put_aside(segment.path, error)
        return self.facts.get(segment.path)

    def _merge(self, run: list[LogSegment]) -> None:
        tables = [table for segment in run if (table := self._read(segment)) is not None]
        if len(tables) < len(run):  # one was set aside, and the others are merged the next time
            return
        merged = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().combine_chunks()
        name = segments.name_of(run[0].first, run[-1].last, segments.MERGED)
        # the parts are behind the checkpoint, so their footers are needed no more
        self.disk.create(run[0].path.parent / name, segments.serialised(merged, _NO_FOOTER))
        for segment in run:
            segment.path.unlink()
            self.facts.pop(segment.path, None)

    def drop_before(self, moment: datetime, until: int) -> int:
        """Drop the rows written before `moment`, of segments up to the commit `until`; how many that were.

        They are counted by source in `bascule_log_expired_rows_total`.
        """
        bound = int(moment.timestamp() * 1e6)
        rewritten: list[tuple[LogSegment, pa.Table, pa.Table]] = []
        dropped = 0
        for segment in segments.listing(self.folder):
            if segment.last > until:
                continue
            with self._apart(segment):
                if not self._is_older(segment, bound) or (table := self._read(segment)) is None:
                    continue
                stays = segments.happened(table) >= bound
                if stays.any():
                    rewritten.append((segment, table.filter(pa.array(stays)), table.filter(pa.array(~stays))))
                else:
                    self._delete(segment)
                    dropped += self._count_dropped(table)
        for segment, kept, expired in rewritten:  # when the others have made room
            with self._apart(segment):
                self._replace(segment, kept)
                dropped += self._count_dropped(expired)
        if dropped:
            log.info("%d rows older than %s were dropped", dropped, f"{moment:%Y-%m-%dT%H:%M:%SZ}")
            self.checkpoint()
        return dropped

    def _is_older(self, segment: LogSegment, bound: int) -> bool:
        """Whether a row of the segment was written before `bound`: found out once, for those that may hold one."""
        facts = self._facts(segment)
        may_be = segment.day <= segments.day_name(bound // segments.DAY_US)
        if facts is None or not (may_be or (facts.earliest is not None and facts.earliest < bound)):
            return False
        if facts.oldest is None and (table := self._read(segment, [TIME, "arrived"])) is not None:
            facts.oldest = int(segments.happened(table).min())
        return facts.oldest is not None and facts.oldest < bound

    def _read(self, segment: LogSegment, columns: list[str] | None = None) -> pa.Table | None:
        """A segment's rows; None for one that cannot be read, which is set aside."""
        try:
            return pq.read_table(segment.path, columns=columns, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            self.put_aside(segment.path, error)
            return None

    def _count_dropped(self, rows: pa.Table) -> int:
        for source, number in Counter(rows["source"].to_pylist()).items():
            self.tally.count(conventions.LOG_EXPIRED, (source,), number)
        arrived = rows["arrived"].cast(pa.int64()).to_numpy()
        self.late_rows += int((arrived >= self.opened_at).sum())
        return int(rows.num_rows)

    def _delete(self, segment: LogSegment) -> None:
        segment.path.unlink()
        self.facts.pop(segment.path, None)
        if not any(segment.path.parent.iterdir()):
            segment.path.parent.rmdir()

    def _replace(self, segment: LogSegment, table: pa.Table) -> None:
        footer = pq.read_schema(segment.path).metadata[segments.FOOTER]
        self.disk.replace(segment.path, segments.serialised(table, footer))
        self.facts.pop(segment.path, None)

    def rewrite(self, change: Callable[[pa.Table], pa.Table | None]) -> list[LogSegment]:
        """Replace each segment by what `change` makes of its rows (None: nothing to change); those changed."""
        changed = []
        for segment in segments.listing(self.folder):
            table = self._read(segment)
            new = None if table is None else change(table)
            if new is not None:
                self._replace(segment, new)
                changed.append(segment)
        return changed

    def close(self) -> None:
        try:
            if self.last > self.checkpointed:
                self.checkpoint()
        finally:
            os.close(self.lock)


def open_store(root: Path, disk: Disk = DISK) -> LogStore:
    """The store in that folder, recovered. AlreadyRunning names the process that has it."""
    try:
        private.make_folder(root)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        fix = "give a folder that can be written as stack.state"
        raise StoreError(f"the log store {root} cannot be opened: {error}", fix) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(lock)
        raise AlreadyRunning(f"the log store {root} is being written by {holder}", "stop it first") from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode(), 0)
        store = LogStore(root, lock, disk)
        store.recover()
    except OSError as error:
        os.close(lock)
        raise StoreError(f"the log store {root} cannot be written: {error.strerror}", "free some space") from error
    except StoreError:
        os.close(lock)
        raise
    return store
