"""The running pipeline: every source read, each batch committed, then counted into what Prometheus scrapes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric

from bascule import conventions
from bascule.errors import StoreError
from bascule.logs.parsing.intake import Batch, Intake
from bascule.logs.parsing.tally import Key, LogTally, families
from bascule.logs.reading.files import FileSource
from bascule.logs.reading.streams import LogStream

POLL_SECONDS = 0.5
BATCH_ROWS = 100_000
SMALL_ROWS = 10_000  # batches below this share a commit, which costs much the same whatever it holds
LONGEST_POLL = 60.0  # seconds; a reader that takes longer is stuck, or waits for an ingestion
SHOWN_WITHIN = 0.3  # seconds that a scrape waits for the journal
CHUNKS_A_POLL = 8  # of one file, so that a large one does not keep the others waiting

log = logging.getLogger(__name__)


class BatchJournal(Protocol):
    """Where batches are kept, with the counters that belong to them."""

    @property
    def tally(self) -> LogTally: ...

    def streams(self, source: str) -> dict[str, LogStream]: ...

    def commit(self, batch: Batch, streams: Sequence[LogStream]) -> None:
        """Keep the batch, its streams' new ends and its counts, all or nothing; StoreError when it cannot."""


@dataclass
class Counted:
    """A journal that keeps the counts alone."""

    tally: LogTally = field(default_factory=LogTally)

    def streams(self, source: str) -> dict[str, LogStream]:
        return {}

    def commit(self, batch: Batch, streams: Sequence[LogStream]) -> None:
        self.tally.add(batch.tally)


class LineSource(Protocol):
    """Anything that lines come from."""

    @property
    def intake(self) -> Intake: ...

    def lag(self) -> tuple[int, float]:
        """Bytes that are there but not in the store, and for how long the oldest of them has waited (seconds)."""


@dataclass
class FileFeed:
    """A source of files with its intake."""

    files: FileSource
    intake: Intake

    def lag(self) -> tuple[int, float]:
        return self.files.lag()


@dataclass(frozen=True)
class Read:
    """A batch that a feed has read, and its stream up to the batch's end."""

    feed: FileFeed
    batch: Batch
    stream: LogStream


@dataclass(eq=False)  # prometheus_client keeps collectors in a set
class Pipeline:
    """Polls the feeds. Counters are those of the journal, so they never tell of what is not stored."""

    journal: BatchJournal
    feeds: list[FileFeed]
    others: list[LineSource] = field(default_factory=list)  # that are not files and run by themselves
    lock: threading.Lock = field(default_factory=threading.Lock)
    reading: threading.Lock = field(default_factory=threading.Lock)  # held by the reader of files, one at a time
    problems: LogTally = field(default_factory=LogTally)
    refused: str = field(default="", init=False)  # why the last batch was not kept; empty when it was
    read_at: float = field(default_factory=time.monotonic, init=False)  # when the reader had last looked at all files
    _shown: LogTally | None = field(default=None, init=False)  # when the journal was last looked at

    def __post_init__(self) -> None:
        for feed in self.feeds:
            feed.files.problem = lambda reason, name=feed.intake.name: self.problem(name, reason)  # type: ignore[misc]
            feed.intake.problem = feed.files.problem

    def problem(self, source: str, reason: str) -> None:
        with self.lock:
            self.problems.count(conventions.LOG_PROBLEMS, (source, reason))

    def left_out(self, source: str, number: int) -> None:
        with self.lock:
            self.problems.count(conventions.LOG_EVENTS_DUPLICATE, (source,), number)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            with self.reading:
                rows = self.poll()
            self.read_at = time.monotonic()
            if not rows:
                stop.wait(POLL_SECONDS)
        for feed in self.feeds:
            feed.files.close()

    def poll(self) -> int:
        """Read and commit what is new; how many rows it was. What little several files have is one commit."""
        rows, small = 0, list[Read]()
        for read in self._read():
            if len(read.batch) < SMALL_ROWS:
                small.append(read)
            else:
                rows += self._keep([read])
        return rows + (self._keep(small) if small else 0)

    def _read(self) -> Iterator[Read]:
        for feed in self.feeds:
            for batch in feed.intake.batches(feed.files.chunks(CHUNKS_A_POLL), BATCH_ROWS):
                stream = feed.files.describe(batch.pieces[-1].chunk)
                yield Read(feed, batch, stream)

    def _keep(self, reads: Sequence[Read]) -> int:
        """Commit what was read, all of it or nothing; how many rows it was. What is not kept is read again."""
        try:
            self.commit(Batch.joined([read.batch for read in reads]), [read.stream for read in reads])
        except StoreError as error:
            log.error("%s", error)
            for read in reads:
                self.problem(read.feed.intake.name, "store")
                read.feed.files.rewind(read.stream.id)
            return 0
        for read in reads:
            read.feed.files.committed(read.stream)
        return sum(len(read.batch) for read in reads)

    def commit(self, batch: Batch, streams: Sequence[LogStream] = ()) -> None:
        with self.lock:
            try:
                self.journal.commit(batch, streams)
            except StoreError as error:
                self.refused = f"log lines are not stored: {error.what}"
                raise
            self.refused = ""

    def obstacles(self) -> Iterator[str]:
        """What keeps lines from being read and stored, in sentences."""
        if self.refused:
            yield self.refused
        silent = time.monotonic() - self.read_at
        if self.feeds and silent > LONGEST_POLL:
            yield f"log files were last read {silent:.0f} s ago"

    # ------------------------------------------------------------ what Prometheus and the console see

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client at each scrape."""
        shown = self._counts()
        for source in self._sources():
            shown.add(source.intake.zero())
        yield from families(shown)
        size = GaugeMetricFamily(conventions.LOG_LAG_BYTES.name, conventions.LOG_LAG_BYTES.help, labels=("source",))
        age = GaugeMetricFamily(conventions.LOG_LAG_SECONDS.name, conventions.LOG_LAG_SECONDS.help, labels=("source",))
        for source in self._sources():
            unread, waited = source.lag()
            size.add_metric((source.intake.name,), unread)
            age.add_metric((source.intake.name,), waited)
        yield from (size, age)

    def _counts(self) -> LogTally:
        """What is counted; what was, while the journal is at work for longer than a scrape waits, as when it forgets a
        user in every row."""
        if self.lock.acquire(timeout=-1 if self._shown is None else SHOWN_WITHIN):
            try:
                self._shown = _sum(self.journal.tally, self.problems)
            finally:
                self.lock.release()
        return _sum(self._shown or LogTally())

    def _sources(self) -> list[LineSource]:
        return [*self.feeds, *self.others]

    def stats(self) -> dict[str, Any]:
        """Lines by source and format, what could not be parsed, how far behind: for the console."""
        counters = self._counts().counters
        files = [_counted(feed, counters) | {"files": _files(feed)} for feed in self.feeds]
        return {"sources": files + [_counted(source, counters) for source in self.others]}


def _sum(*tallies: LogTally) -> LogTally:
    total = LogTally()
    for each in tallies:
        total.add(each)
    return total


def _counted(source: LineSource, counters: dict[Key, int]) -> dict[str, Any]:
    name, lines = source.intake.name, conventions.LOG_LINES.name
    unread, waited = source.lag()
    return {
        "source": name,
        "formats": {key[1][1]: n for key, n in counters.items() if key[0] == lines and key[1][0] == name},
        "unparsed": counters.get((conventions.LOG_UNPARSED.name, (name,)), 0),
        "lag_bytes": unread,
        "lag_seconds": round(waited, 3),
    }


def _files(feed: FileFeed) -> list[str]:
    return sorted(str(follow.path) for follow in list(feed.files.follows.values()))
