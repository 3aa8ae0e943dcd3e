"""Reading files to their end into the store, each line exactly once: by the command itself, or in the running role."""

from __future__ import annotations

import glob
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bascule.errors import UsageError
from bascule.logs.parsing.columns import Chunk
from bascule.logs.parsing.intake import Batch, Intake, intake
from bascule.logs.parsing.present import Present
from bascule.logs.reading.files import SKIPPED, FileSource, lines_of
from bascule.logs.reading.streams import LogStream, is_rotation_of
from bascule.logs.serving.pipeline import Pipeline
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.places import pseudonyms_of
from bascule.logs.storing.store import LogStore, Writer
from bascule.spec import Spec
from bascule.spec.model import LogSource

BATCH_ROWS = 100_000
ALL = sys.maxsize
STDIN = "-"
_UNPARSED = "bascule_log_unparsed_total"
Commit = Callable[[Batch, Sequence[LogStream]], None]


@dataclass(frozen=True)
class Ingested:
    """What an ingestion took in. Lines that the store held already are not counted.

    `expired` of the rows were past `logs.retention` and are not kept. `sources`: file -> the source it was read as.
    """

    rows: int
    unparsed: int
    seconds: float
    expired: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)


def paths_of(files: Sequence[str]) -> list[str]:
    """The files that the names and globs mean, absolute; UsageError where there are none."""
    found = {name: [name] if name == STDIN else sorted(glob.glob(name, recursive=True)) for name in files}
    missing = [name for name, paths in found.items() if not paths]
    if missing or not found:
        raise UsageError(
            f"no such file: {', '.join(missing) or 'none given'}", "give files, globs, or - for standard input"
        )
    every = (path for paths in found.values() for path in paths)
    return list(dict.fromkeys(path if path == STDIN else os.path.abspath(path) for path in every))


def sources_for(spec: Spec, paths: Sequence[str], name: str | None) -> dict[str, str]:
    """For each file the source whose formats its lines have: the named one, else the one whose files they are.

    UsageError where that cannot be told.
    """
    named = spec.logs.named
    if not named:
        raise UsageError("the spec declares no log sources", "add one under logs.sources, with its formats")
    if name is not None and name not in named:
        raise UsageError(f"there is no log source {name!r}", f"log sources are {', '.join(named)}")
    return {path: name or _source_of(named, path) for path in paths}


def _source_of(named: Mapping[str, LogSource], path: str) -> str:
    for name, source in named.items():
        if source.stdin if path == STDIN else source.files and _is_of(source.files, path):
            return name
    if len(named) > 1:
        what = "standard input" if path == STDIN else path
        raise UsageError(f"{what} belongs to no log source of the spec", f"name one with --source: {', '.join(named)}")
    return next(iter(named))


def _is_of(pattern: str, path: str) -> bool:
    """Whether the file is one of the pattern's, by whatever path, or what rotation made of one."""
    real = os.path.realpath(path)
    live = {os.path.realpath(found) for found in glob.glob(pattern, recursive=True)} | {os.path.realpath(pattern)}
    return real in live or any(is_rotation_of(real, original) for original in live)


def ingest_into(store: LogStore, spec: Spec, sources: Mapping[str, str], workers: int = 1) -> Ingested:
    """Read the files into a store that nobody else writes. More workers read several files at once."""
    started, before = time.monotonic(), _unparsed(store)
    rows = _ingest_all(store, spec, sources, max(1, min(workers, len(sources))))
    _count_users(store)
    store.keep_up(spec.logs.retention)
    return Ingested(rows, _unparsed(store) - before, time.monotonic() - started, store.late_rows, sources)


def _count_users(store: LogStore) -> None:
    """Before old rows are dropped: users are counted for longer than rows are kept."""
    consumers = Consumers.load(store.root / "consumers.parquet")
    consumers.follow(store.folder, time.time())
    consumers.save()


def ingest_beside(
    pipeline: Pipeline,
    store: LogStore,
    spec: Spec,
    sources: Mapping[str, str],
    prepare: Callable[[Intake], Intake],
    keep_up: Callable[[], None],
) -> Ingested:
    """Read the files in the role that has the store. Its own reading waits for each file, so no line is read twice.

    `keep_up` is the role's upkeep, which drops what is past the retention.
    """
    started, before, late, rows = time.monotonic(), _unparsed(store), store.late_rows, 0
    feeds = {feed.intake.name: feed for feed in pipeline.feeds}
    for path, name in sources.items():
        with pipeline.reading:
            feed = feeds.get(name)
            taken = feed.intake if feed else prepare(intake(spec, spec.logs.named[name], name))
            known = feed.files.known if feed else store.streams(name)
            rows += _read_file(path, taken, pipeline.commit, known)
            if feed:
                feed.files.catch_up()
    keep_up()
    return Ingested(rows, _unparsed(store) - before, time.monotonic() - started, store.late_rows - late, sources)


def _unparsed(store: LogStore) -> int:
    return sum(number for (name, _), number in list(store.tally.counters.items()) if name == _UNPARSED)


@dataclass
class Task:
    """One worker's share: files with their sources, and where it writes."""

    spec: Spec
    sources: dict[str, str]
    writer: Writer
    known: list[LogStream] = field(default_factory=list)

    def run(self, commit: Commit | None = None) -> int:
        return sum(self._ingest(path, name, commit or self.writer.write) for path, name in self.sources.items())

    def _ingest(self, path: str, name: str, commit: Commit) -> int:
        taken = intake(self.spec, self.spec.logs.named[name], name)
        taken.change = pseudonyms_of(self.spec).replace
        taken.counting.present = Present()
        if path == STDIN:
            return _read_stdin(taken, commit)
        known = {stream.id: replace(stream) for stream in self.known if stream.source == name}
        return _read_file(path, taken, commit, known)


def _read_file(path: str, taken: Intake, commit: Commit, known: dict[str, LogStream]) -> int:
    """`known` learns the file's stream, as far as it is read."""
    files = FileSource(taken.name, glob.escape(path), known, to_the_end=True, alone=True, problem=_refuse(path))
    rows = 0
    try:
        for batch in taken.batches(_all_chunks(files), BATCH_ROWS):
            stream = files.describe(batch.pieces[-1].chunk)
            commit(batch, [stream])
            files.committed(stream)
            rows += len(batch)
    finally:
        files.close()
    return rows


def _all_chunks(files: FileSource) -> Iterator[Chunk]:
    yield from files.chunks(ALL)


def _refuse(path: str) -> Callable[[str], None]:
    def refuse(reason: str) -> None:
        if reason != SKIPPED:
            raise UsageError(f"{path} is {reason}", "repair the file and read it again; the lines before are stored")

    return refuse


def _read_stdin(taken: Intake, commit: Commit) -> int:
    identity = secrets.token_hex(8)
    rows = 0
    for batch in taken.batches(lines_of(sys.stdin.buffer, taken.name, identity), BATCH_ROWS):
        commit(batch, [LogStream(identity, taken.name, STDIN, committed=batch.end)])
        rows += len(batch)
    return rows


def _ingest_all(store: LogStore, spec: Spec, sources: Mapping[str, str], workers: int) -> int:
    pseudonyms_of(spec)  # makes the key once, before several processes would
    known = list(store.known.values())
    if workers == 1:
        return Task(spec, dict(sources), store.writer, known).run(store.commit)
    paths = sorted(sources, key=_size, reverse=True)
    tasks = [
        Task(
            spec,
            {path: sources[path] for path in paths[n::workers]},
            Writer(store.folder, store.writer.next + n, workers),
            known,
        )
        for n in range(workers)
    ]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        rows = sum(pool.map(Task.run, tasks))
    store.take_up()
    return rows


def _size(path: str) -> int:
    return 0 if path == STDIN else Path(path).stat().st_size
