"""Sending rows on to Elasticsearch or OpenSearch: a follower of the store, which so is the spool.

Each committed segment is sent as bulk `create` requests whose `_id` comes from the stream and the offset: what is
there already (409) counts as sent, so sending a segment again after a crash doubles nothing. What was sent is
written down per segment; an engine that is away is tried again with growing pauses while segments wait on disk.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bascule import times
from bascule.errors import BasculeError, QueryRejected, StoreError
from bascule.logformat import LogIndex
from bascule.logs.storing import segments
from bascule.logs.storing.disk import DISK, Disk
from bascule.logs.storing.segments import IDENTITY, LogSegment
from bascule.spec.model import SearchEngine
from bascule.transport import MIB, Http, HttpAnswer

BULK_ROWS, BULK_BYTES = 2_000, 8 * MIB  # of one request, whichever comes first; engines refuse more than 100 MiB
SECONDS = 60.0  # for one request, from its first byte to the last one of the answer
LARGEST = 16 * MIB  # of an answer: each document of a bulk request that is refused brings some kilobytes
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
BUSY = (429, 502, 503, 504)
POLL_SECONDS = 1.0
STUCK_SECONDS = 60.0  # in which an engine that is started again is there

log = logging.getLogger(__name__)


@dataclass
class Sent:
    """Documents by the result of them."""

    created: int = 0
    present: int = 0
    refused: int = 0


@dataclass(eq=False)
class SearchClient:
    """One engine: its templates, and bulk requests to it. `index` are the daily indices that rows go into."""

    settings: SearchEngine
    index: LogIndex
    http: Http = field(init=False)

    def __post_init__(self) -> None:
        self.http = Http(
            "the search engine",
            self.settings.url,
            seconds=SECONDS,
            fix="check the server; until it answers, rows wait in the store",
            largest=LARGEST,
            credentials=self.settings.credentials,
        )

    def prepare(self) -> None:
        """Put the policy that drops old indices (ILM or ISM) and the index template in place.

        A policy that is there is left as it is, and so is a template of this version or a later one. Those that
        `bascule generate` writes for the shippers are the same.
        """
        engine = self.settings.engine
        if self._ask("GET", self.index.policy_path(engine)).status != 200:
            self._put(self.index.policy_path(engine), self.index.policy(engine))
        template = self.index.template(engine)
        if self._version_there() < template["version"]:
            self._put(self.index.template_path, template)

    def _version_there(self) -> int:
        """The version of the template in the engine; 0 where there is none, or one of before versions."""
        answer = self._ask("GET", self.index.template_path)
        if answer.status != 200:
            return 0
        try:
            found = answer.json().get("index_templates")
            return int(found[0]["index_template"].get("version") or 0) if found else 0
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._strange() from error

    def _put(self, path: str, document: dict[str, Any]) -> None:
        answer = self._ask("PUT", path, json.dumps(document).encode(), "application/json")
        if answer.status >= 400:
            log.warning("%s was refused by %s: %s", path, self.settings.url, answer.text[:300])

    def send(self, lines: Sequence[tuple[str, str, str]]) -> tuple[Sent, list[tuple[str, str, str]]]:
        """Documents as (index, id, JSON); the result of them, and those to send again because the engine is busy."""
        body = "".join(_action(index, name) + document + "\n" for index, name, document in lines)
        answer = self._ask("POST", "/_bulk", body.encode(), "application/x-ndjson")
        if answer.status in BUSY:
            return Sent(), list(lines)
        if answer.status != 200:
            raise QueryRejected(
                f"{self.settings.url} refused a bulk request: {answer.text[:300]}", "see that server's log"
            )
        try:
            return self._results(lines, answer.json()["items"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._strange() from error

    def _results(
        self, lines: Sequence[tuple[str, str, str]], items: Sequence[Any]
    ) -> tuple[Sent, list[tuple[str, str, str]]]:
        sent, again = Sent(), []
        for line, item in zip(lines, items, strict=True):
            status = item["create"]["status"]
            if status in BUSY:
                again.append(line)
            elif status == 409:
                sent.present += 1
            elif status < 300:
                sent.created += 1
            else:
                sent.refused += 1
                log.error("a document was refused by %s: %s", self.settings.url, str(item)[:300])
        return sent, again

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> HttpAnswer:
        return self.http.ask(method, path, content=body, headers={"Content-Type": kind} if kind else {})

    def _strange(self) -> QueryRejected:
        what = f"{self.settings.url} gave an unexpected response"
        return QueryRejected(what, "check that this is the address of an Elasticsearch or OpenSearch")


def _action(index: str, name: str) -> str:
    return json.dumps({"create": {"_index": index, "_id": name}}) + "\n"


# ---------------------------------------------------------------- following the store


@dataclass(eq=False)
class Sender:
    """Sends what the store commits. `last` is the last commit that is sent, written down in `path`."""

    engine: SearchClient
    folder: Path
    path: Path
    last: int = 0
    sent: Sent = field(default_factory=Sent)
    prepared: bool = False
    failing: str = ""  # why nothing is sent; empty while it is
    failing_since: float = 0.0  # monotonic
    first_pause: float = FIRST_PAUSE  # seconds
    poll_seconds: float = POLL_SECONDS
    disk: Disk = DISK

    @classmethod
    def load(cls, engine: SearchClient, root: Path) -> Sender:
        path = root / "sent.json"
        return cls(engine, root / "segments", path, _last_sent(path))

    def run(self, stop: threading.Event) -> None:
        pause = self.first_pause
        while not stop.is_set():
            try:
                is_sent = self.send_next(stop)
            except BasculeError as error:  # also a secret that cannot be read: it may be written again
                log.warning("%s", error)
                self._note(error.what)
            except Exception as error:  # a defect of ours must not end the sending for good
                why = f"{type(error).__name__}: {error}"
                if why != self.failing:
                    log.exception("internal error: rows are not forwarded; it is tried again")
                self._note(why)
            else:
                self.failing = ""
                if is_sent:
                    pause = self.first_pause
                else:
                    stop.wait(self.poll_seconds)
                continue
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _note(self, why: str) -> None:
        if not self.failing:
            self.failing_since = time.monotonic()
        self.failing = why

    def stuck(self) -> str:
        """That nothing is sent, once that lasts; empty while it does not."""
        lasts = time.monotonic() - self.failing_since
        return (
            f"no log line was sent on for {lasts:.0f} s: {self.failing}"
            if self.failing and lasts > STUCK_SECONDS
            else ""
        )

    def waiting(self) -> list[LogSegment]:
        """Segments not yet sent, in the order of their commits."""
        found = segments.listing(self.folder) if self.folder.is_dir() else []
        return sorted((segment for segment in found if segment.last > self.last), key=lambda segment: segment.last)

    def send_next(self, stop: threading.Event) -> bool:
        """Send the next segment; whether there was one."""
        waiting = self.waiting()
        if not waiting:
            return False
        if not self.prepared:
            self.engine.prepare()
            self.prepared = True
        for lines in self._readable(waiting[0]):
            if not self._send(lines, stop):
                return False
        self.last = waiting[0].last
        self.disk.replace(self.path, json.dumps({"last": self.last}).encode())
        return True

    def _readable(self, segment: LogSegment) -> Iterator[list[tuple[str, str, str]]]:
        """The segment's documents, as far as they can be made: the segments behind it must not wait for it."""
        try:
            yield from _batches(segment, self.engine.index.prefix)
        except (OSError, pa.ArrowException) as error:
            self._leave_out(segment, error)
        except Exception:
            name = segment.path.name
            log.exception("internal error: the rest of the log store's %s is not forwarded; what follows it is", name)

    def _leave_out(self, segment: LogSegment, error: Exception) -> None:
        """Go on behind a corrupt segment, as one with a hole. Raises StoreError where the disk fails."""
        if not segment.path.exists() or getattr(error, "errno", None):
            what = f"the log store's file {segment.path} cannot be forwarded: {error}"
            raise StoreError(what, "no action needed: it is tried again") from error
        log.error("the log store's file %s is corrupt: the rest of it is not forwarded: %s", segment.path, error)

    def _send(self, lines: list[tuple[str, str, str]], stop: threading.Event) -> bool:
        """Send until the engine has taken all; False when told to stop."""
        pause = self.first_pause
        while lines:
            sent, lines = self.engine.send(lines)
            self.sent.created += sent.created
            self.sent.present += sent.present
            self.sent.refused += sent.refused
            if lines:
                self._note(f"{self.engine.settings.url} is busy")
            if lines and stop.wait(pause):
                return False
            pause = min(pause * 2, LONGEST_PAUSE)
        return True


def _batches(segment: LogSegment, prefix: str) -> Iterator[list[tuple[str, str, str]]]:
    found, size = [], 0
    for batch in pq.ParquetFile(segment.path).iter_batches(BULK_ROWS):
        for row in segments.within_calendar(batch).to_pylist():
            found.append(_document(row, prefix))
            size += len(found[-1][2])
            if len(found) == BULK_ROWS or size >= BULK_BYTES:
                yield found
                found, size = [], 0
    if found:
        yield found


def _document(row: dict[str, Any], prefix: str) -> tuple[str, str, str]:
    """A row's daily index, id and JSON."""
    moment: datetime = row.pop("timestamp") or row["arrived"]
    identity = row.pop(IDENTITY, None)
    name = f"{row['stream']}-{row['offset']}" + (f"-{identity & (1 << 64) - 1:x}" if identity else "")
    arrived = row.pop("arrived")
    fields = {key: value for key, value in row.items() if value is not None}
    fields |= {
        "@timestamp": times.rfc3339(moment.timestamp(), "milliseconds"),
        "ingested": times.rfc3339(arrived.timestamp(), "milliseconds"),
    }
    return f"{prefix}-{moment:%Y.%m.%d}", name, json.dumps(fields, ensure_ascii=False)


def _last_sent(path: Path) -> int:
    """0 where nothing was sent, or the note of it is lost: what is sent again is there already."""
    try:
        return int(json.loads(path.read_text("utf-8"))["last"])
    except FileNotFoundError:
        return 0
    except (OSError, KeyError, TypeError, ValueError) as error:
        log.warning("%s cannot be read, so all rows are sent again: %s", path, error)
        return 0
