"""Standard input as a source of the logs role: `shop | bascule serve SPEC --role logs`.

What was read cannot be read again, so a batch that the store refuses is kept and tried until it takes it: meanwhile
nothing is read, and the writer waits. Lines are stored as often as they are given.
"""

from __future__ import annotations

import logging
import secrets
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import FileIO

from bascule.errors import StoreError
from bascule.logs.parsing.intake import Batch, Intake
from bascule.logs.reading.files import lines_of
from bascule.logs.reading.streams import LogStream

WAIT_SECONDS = 0.2
GATHER_SECONDS = 0.3
RETRY_SECONDS = 1.0
BATCH_ROWS = 1  # what is there is stored at once

log = logging.getLogger(__name__)


@dataclass(eq=False)
class StandardInput:
    """Reads until the input ends or it is told to stop. `commit` keeps a batch or raises StoreError."""

    intake: Intake
    commit: Callable[[Batch, Sequence[LogStream]], None]
    problem: Callable[[str], None] = lambda reason: None
    file: FileIO = field(default_factory=lambda: FileIO(0, closefd=False))
    unstored: int = 0
    since: float = 0.0
    wait_seconds: float = WAIT_SECONDS
    gather_seconds: float = GATHER_SECONDS
    retry_seconds: float = RETRY_SECONDS

    def run(self, stop: threading.Event) -> None:
        identity, rows = secrets.token_hex(8), 0
        watched = _Watched(self.file, stop, self.wait_seconds, self.gather_seconds)
        chunks = lines_of(watched, self.intake.name, identity, self.problem)
        for batch in self.intake.batches(chunks, BATCH_ROWS):
            self.unstored, self.since = batch.end - batch.start, time.monotonic()
            self._keep(batch, LogStream(identity, self.intake.name, "-", committed=batch.end), stop)
            self.unstored, rows = 0, rows + len(batch)
        if not stop.is_set():
            log.warning("%s: standard input has ended, rows read: %d", self.intake.name, rows)

    def _keep(self, batch: Batch, stream: LogStream, stop: threading.Event) -> None:
        while True:
            try:
                self.commit(batch, [stream])
                return
            except StoreError as error:
                log.error("%s: %s", self.intake.name, error)
                self.problem("store")
            if stop.wait(self.retry_seconds):
                log.error("%s: %d rows of standard input are not stored", self.intake.name, len(batch))
                return

    def lag(self) -> tuple[int, float]:
        """Bytes read but not in the store, and for how long (seconds)."""
        return (self.unstored, time.monotonic() - self.since) if self.unstored else (0, 0.0)


@dataclass
class _Watched:
    """A file that is at its end when it is told to stop."""

    file: FileIO
    stop: threading.Event
    wait_seconds: float
    gather_seconds: float

    def read(self, size: int) -> bytes:
        """What comes within `gather_seconds` of the first byte: a commit for each write would be too many."""
        while not self._ready(self.wait_seconds):
            if self.stop.is_set():
                return b""
        found, end = self.file.read(size), time.monotonic() + self.gather_seconds
        while found and len(found) < size and self._ready(max(0.0, end - time.monotonic())):
            more = self.file.read(size - len(found))
            if not more:
                break  # the end is read again
            found += more
        return found

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self.file], [], [], seconds)[0])
