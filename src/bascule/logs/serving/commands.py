"""What the command line calls: ingest, search, stats, forget."""

from __future__ import annotations

import fnmatch
import glob
import multiprocessing
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bascule.api import LogsClient
from bascule.errors import AlreadyRunning, UsageError
from bascule.logs.parsing.columns import Chunk
from bascule.logs.parsing.intake import Batch, Intake, intake
from bascule.logs.reading.files import SKIPPED, FileSource, lines_of
from bascule.logs.reading.streams import LogStream
from bascule.logs.storing import query
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.forget import forget_user
from bascule.logs.storing.places import pseudonyms_of, root_of
from bascule.logs.storing.store import LogStore, Writer, open_store
from bascule.spec import Spec
from bascule.spec.model import LogSource

BATCH_ROWS = 100_000
ALL = sys.maxsize


@dataclass(frozen=True)
class Ingested:
    """What an ingestion took in. Lines that the store held already are not counted.

    `expired` of the rows were past `logs.retention` and are not kept.
    """

    rows: int
    unparsed: int
    seconds: float
    expired: int = 0


def ingest(spec: Spec, files: Sequence[str], source: str | None = None, workers: int = 1) -> Ingested:
    """Read files (globs, gzip, `-` for standard input) to their end into the store, each line exactly once.

    `source` names the spec's source whose formats the lines have; by default the one whose files they are, else
    the first. More workers read several files at once.
    """
    paths = _paths(files)
    started = time.monotonic()
    store = open_store(root_of(spec))
    try:
        before = _unparsed(store)
        rows = _ingest_all(spec, store, paths, source, max(1, min(workers, len(paths))))
        _count_users(store)
        store.keep_up(spec.logs.retention)
        return Ingested(rows, _unparsed(store) - before, time.monotonic() - started, store.late_rows)
    finally:
        store.close()


def _count_users(store: LogStore) -> None:
    """Before old rows are dropped: users are counted for longer than rows are kept."""
    consumers = Consumers.load(store.root / "consumers.parquet")
    consumers.follow(store.folder, time.time())
    consumers.save()


def search(
    spec: Spec, text: str = "", since: datetime | str | None = None, where: Sequence[str] = (), limit: int = 100
) -> list[dict[str, Any]]:
    """The latest rows that hold `text` (`/.../` for a regular expression) and meet every condition."""
    start = query.moment(since) if isinstance(since, str) else since
    return query.search(query.LogReader(root_of(spec)), text, start, where, limit)


def stats(spec: Spec) -> dict[str, Any]:
    """What the store holds, by source, format, version and day."""
    return query.summary(query.LogReader(root_of(spec)))


def forget(spec: Spec, user: str) -> int:
    """Take a user's id out of everything stored; how many rows named it. A running logs role does it itself."""
    try:
        store = open_store(root_of(spec))
    except AlreadyRunning:
        return _forget_there(spec, user)
    try:
        consumers = Consumers.load(store.root / "consumers.parquet")
        rows = forget_user(store, consumers, pseudonyms_of(spec), user, time.time())
        consumers.save()
        return rows
    finally:
        store.close()


def _forget_there(spec: Spec, user: str) -> int:
    client = LogsClient(spec)
    try:
        return client.forget(user)
    finally:
        client.close()


# ---------------------------------------------------------------- ingesting


def _paths(files: Sequence[str]) -> list[str]:
    found = [path for name in files for path in ([name] if name == "-" else sorted(glob.glob(name, recursive=True)))]
    missing = [name for name in files if name != "-" and not glob.glob(name, recursive=True)]
    if missing or not found:
        raise UsageError(f"no such file: {', '.join(missing) or 'none given'}", "give files, globs, or - for stdin")
    return list(dict.fromkeys(found))


def _unparsed(store: LogStore) -> int:
    return sum(number for (name, _), number in store.tally.counters.items() if name == "bascule_log_unparsed_total")


def source_for(spec: Spec, path: str, name: str | None) -> tuple[LogSource, str]:
    """The source whose formats a file's lines have, with its name."""
    if not spec.logs.sources:
        raise UsageError("the spec declares no log sources", "add one under logs.sources, with its formats")
    named = spec.logs.named
    if name is not None:
        if name not in named:
            raise UsageError(f"no log source {name!r}", f"there are {', '.join(named)}")
        return named[name], name
    for found, source in named.items():
        if source.stdin if path == "-" else source.files and fnmatch.fnmatch(path, source.files):
            return source, found
    first = next(iter(named))
    return named[first], first


@dataclass
class Task:
    """One worker's share: files, and where it writes."""

    spec: Spec
    paths: list[str]
    source: str | None
    writer: Writer
    known: list[LogStream] = field(default_factory=list)

    def run(self, commit: Callable[[Batch, Sequence[LogStream]], None] | None = None) -> int:
        commit = commit or self.writer.write
        return sum(self._ingest(path, commit) for path in self.paths)

    def _ingest(self, path: str, commit: Callable[[Batch, Sequence[LogStream]], None]) -> int:
        source, name = source_for(self.spec, path, self.source)
        taken = intake(self.spec, source, name)
        taken.change = pseudonyms_of(self.spec).replace
        return _read_stdin(taken, commit) if path == "-" else self._read_file(path, taken, commit)

    def _read_file(self, path: str, taken: Intake, commit: Callable[[Batch, Sequence[LogStream]], None]) -> int:
        known = {stream.id: replace(stream) for stream in self.known if stream.source == taken.name}
        files = FileSource(taken.name, glob.escape(path), known, to_the_end=True, alone=True, problem=_refuse(path))
        rows = 0
        for batch in taken.batches(_all_chunks(files), BATCH_ROWS):
            stream = files.describe(batch.pieces[-1].chunk)
            commit(batch, [stream])
            files.committed(stream)
            rows += len(batch)
        files.close()
        return rows


def _all_chunks(files: FileSource) -> Iterator[Chunk]:
    yield from files.chunks(ALL)


def _refuse(path: str) -> Callable[[str], None]:
    def refuse(reason: str) -> None:
        if reason != SKIPPED:
            raise UsageError(f"{path} is {reason}", "what was read before it is in the store")

    return refuse


def _read_stdin(taken: Intake, commit: Callable[[Batch, Sequence[LogStream]], None]) -> int:
    identity = secrets.token_hex(8)
    rows = 0
    for batch in taken.batches(lines_of(sys.stdin.buffer, taken.name, identity), BATCH_ROWS):
        commit(batch, [LogStream(identity, taken.name, "-", committed=batch.end)])
        rows += len(batch)
    return rows


def _ingest_all(spec: Spec, store: LogStore, paths: list[str], source: str | None, workers: int) -> int:
    pseudonyms_of(spec)  # makes the key once, before several processes would
    known = list(store.known.values())
    if workers == 1:
        return Task(spec, paths, source, store.writer, known).run(store.commit)
    paths = sorted(paths, key=_size, reverse=True)
    tasks = [
        Task(spec, paths[n::workers], source, Writer(store.folder, store.writer.next + n, workers), known)
        for n in range(workers)
    ]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        rows = sum(pool.map(Task.run, tasks))
    store.take_up()
    return rows


def _size(path: str) -> int:
    return 0 if path == "-" else Path(path).stat().st_size
