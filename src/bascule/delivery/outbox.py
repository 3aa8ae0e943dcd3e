"""What is owed to whom, kept in SQLite: a message is owed to each channel of a receiver until that channel has it.

    owed ──delivered──▶ delivered        settled: never tried again
      └───too old─────▶ expired          settled, and told

What is owed is in memory and on disk. A disk that cannot be written keeps nobody from being told: the change is
written later, and after a restart the message may be sent a second time (with the same key).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bascule.delivery.database import connect, unusable
from bascule.delivery.message import Attachment, Delivery, Message, Result

FILE = "deliveries.sqlite"
_WHAT = "record of deliveries"
_SCHEMA = """CREATE TABLE IF NOT EXISTS owed (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL, receiver TEXT NOT NULL, channel TEXT NOT NULL, subject TEXT NOT NULL,
  message TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, attempts INTEGER NOT NULL, due REAL NOT NULL,
  result TEXT NOT NULL, detail TEXT NOT NULL, ended REAL NOT NULL, UNIQUE (key, receiver, channel))"""
_OPEN = "CREATE INDEX IF NOT EXISTS owed_open ON owed (result) WHERE result = 'owed'"
log = logging.getLogger(__name__)
Address = tuple[str, str, str]  # key, receiver, channel


@dataclass(frozen=True)
class Owed:
    """A message that one channel of a receiver does not have yet. Times are Unix seconds; `due`: the next attempt."""

    message: Message
    receiver: str
    channel: str
    created: float
    expires: float
    due: float
    attempts: int = 0
    detail: str = ""
    result: Result = Result.OWED
    ended: float = 0.0

    @property
    def address(self) -> Address:
        return self.message.key, self.receiver, self.channel

    def delivery(self) -> Delivery:
        return Delivery(
            self.message.key,
            self.receiver,
            self.channel,
            self.message.subject,
            self.result,
            self.attempts,
            self.detail,
            self.created,
            self.ended or self.due,
        )


class Outbox:
    """Every message that is owed, and the results of those before. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._db = connect(path, _WHAT)
        self._owed: dict[Address, Owed] = {}  # in the order they were added
        self._settled: dict[Address, Owed] = {}  # by this process, while the disk does not have it
        self._unwritten: dict[Address, Owed] = {}
        self._problem = ""
        self._aside: set[Address] = set()  # refused for what they say: their thread goes on without them
        try:
            self._db.execute(_SCHEMA)
            self._db.execute(_OPEN)
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM owed WHERE result = 'owed' ORDER BY number").fetchall()
        except sqlite3.Error as error:
            raise unusable(path, _WHAT, error) from error
        for row in rows:
            self._take(_owed_of(row))

    def _take(self, owed: Owed | None) -> None:
        if owed is not None:
            self._owed[owed.address] = owed

    def close(self) -> None:
        with self._lock:
            self._write_rest()
            self._db.close()

    # ---------------------------------------------------------------- changes

    def add(self, message: Message, receiver: str, channels: Iterable[str], now: float) -> list[Owed]:
        """Owe a message to channels; those that had it, or are owed it already, are left out."""
        with self._lock:
            new = [Owed(message, receiver, channel, now, now + message.lives, now) for channel in channels]
            new = [owed for owed in new if not self._is_known(owed.address)]
            for owed in new:
                self._hasten(owed)
                self._owed[owed.address] = owed
            self._keep(*new)
            return new

    def _hasten(self, new: Owed) -> None:
        """What is owed of the same thread comes first, and is tried again at once."""
        for address, owed in self._owed.items():
            if (owed.receiver, owed.channel, owed.message.thread) == (new.receiver, new.channel, new.message.thread):
                self._owed[address] = replace(owed, due=min(owed.due, new.created))

    def _is_known(self, address: Address) -> bool:
        if address in self._owed or address in self._settled:
            return True
        try:
            return bool(self._stored(address)) or self._is_in_old_table(address)
        except sqlite3.Error as error:
            log.error("%s: sent, possibly for the second time: %s", address[1], error)
            return False

    def _stored(self, address: Address) -> list[tuple[str]]:
        query = "SELECT result FROM owed WHERE key = ? AND receiver = ? AND channel = ?"
        return self._db.execute(query, address).fetchall()

    def _is_in_old_table(self, address: Address) -> bool:
        """Deliveries of a Bascule that kept one row per receiver."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'deliveries'").fetchone():
            return False
        query = "SELECT 1 FROM deliveries WHERE key = ? AND receiver = ? AND result = 'delivered'"
        return self._db.execute(query, address[:2]).fetchone() is not None

    def postpone(self, owed: Owed, detail: str, due: float) -> Owed:
        """An attempt failed; the next one is at `due`."""
        with self._lock:
            later = replace(owed, attempts=owed.attempts + 1, detail=detail, due=due)
            self._owed[owed.address] = later
            self._keep(later)
            return later

    def set_aside(self, owed: Owed) -> None:
        """The receiver does not take this message: those after it do not wait for it."""
        with self._lock:
            self._aside.add(owed.address)

    def settle(self, owed: Owed, result: Result, detail: str, now: float) -> Owed:
        """Delivered (the receiver is there again: all that waits for it is due now), or given up."""
        with self._lock:
            tried = owed.attempts + (result is Result.DELIVERED)
            done = replace(owed, result=result, attempts=tried, detail=detail, ended=now)
            self._owed.pop(owed.address, None)
            self._aside.discard(owed.address)
            self._settled[owed.address] = done
            self._keep(done)
            if result is Result.DELIVERED:
                self._wake(owed, now)
            return done

    def _wake(self, served: Owed, now: float) -> None:
        for address, owed in self._owed.items():
            if (owed.receiver, owed.channel) == (served.receiver, served.channel):
                self._owed[address] = replace(owed, due=min(owed.due, now))

    def _keep(self, *changed: Owed) -> None:
        self._unwritten |= {owed.address: owed for owed in changed}
        self._write_rest()

    def is_kept(self, key: str) -> bool:
        """Whether all that is known of a message is on disk; what is not is tried again."""
        with self._lock:
            self._write_rest()
            return not any(address[0] == key for address in self._unwritten)

    @property
    def problem(self) -> str:
        """Why what is owed is in memory alone, where the disk does not take it now; empty while it is on disk."""
        with self._lock:
            self._write_rest()
            return self._problem

    def _write_rest(self) -> None:
        """Write what the disk does not have yet, all of it or nothing: a message that is owed to several channels must
        not be recorded for one of them alone. On failure it stays for the next time."""
        if not self._unwritten:
            return
        try:
            self._write(map(_row_of, self._unwritten.values()))
        except sqlite3.Error as error:
            names = ", ".join({owed.receiver for owed in self._unwritten.values()})
            log.error("the notices owed to %s are not stored yet: %s", names, error)
            self._problem = f"notices are kept in memory only: {unusable(self._path, _WHAT, error).what}"
            return
        self._problem = ""
        for address in self._unwritten:
            self._settled.pop(address, None)
        self._unwritten.clear()

    def _write(self, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_UPSERT, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # ---------------------------------------------------------------- questions

    def next_for(self, receiver: str, channel: str) -> Owed | None:
        """What that channel is to be tried with next, by the time it is due: of each thread the oldest first."""
        with self._lock:
            heads: dict[tuple[str, ...], Owed] = {}
            for address, owed in self._owed.items():
                if (owed.receiver, owed.channel) == (receiver, channel):
                    thread = (owed.message.thread,) if owed.message.thread and address not in self._aside else address
                    heads.setdefault(thread, owed)
            return min(heads.values(), key=lambda owed: owed.due, default=None)

    def owed(self) -> list[Owed]:
        """Everything that is owed, the oldest first."""
        with self._lock:
            return list(self._owed.values())

    def lanes(self) -> set[tuple[str, str]]:
        """The receivers and channels that something is owed to."""
        with self._lock:
            return {(owed.receiver, owed.channel) for owed in self._owed.values()}

    def record(self, delivery: Delivery) -> None:
        """Keep the result of a message that was sent outside the queue; StoreError when it cannot be written."""
        message = Message(delivery.key, delivery.subject, "")
        with self._lock:
            row = _row_of(
                Owed(
                    message,
                    delivery.receiver,
                    delivery.channel,
                    delivery.started,
                    delivery.ended,
                    delivery.ended,
                    delivery.attempts,
                    delivery.detail,
                    delivery.result,
                    delivery.ended,
                )
            )
            try:
                self._db.execute(_UPSERT, row)
            except sqlite3.Error as error:
                raise unusable(self._path, _WHAT, error) from error

    def was_delivered(self, key: str, receiver: str) -> bool:
        """Whether any channel of the receiver has the message."""
        delivered = [each for each in self.all(key) if each.receiver == receiver and each.result is Result.DELIVERED]
        return bool(delivered) or self._is_in_old_table((key, receiver, ""))

    def all(self, key: str | None = None) -> list[Delivery]:
        """The result of every message, or of those with one key; the newest first. Raises StoreError."""
        try:
            with self._lock:
                query = f"SELECT {_COLUMNS} FROM owed" + (" WHERE key = ?" if key is not None else "")
                rows = self._db.execute(query, (key,) if key is not None else ()).fetchall()
                known = {owed.address: owed for owed in map(_owed_of, rows) if owed is not None}
                known |= {a: o for a, o in (self._unwritten | self._owed).items() if key in (None, a[0])}
        except sqlite3.Error as error:
            raise unusable(self._path, _WHAT, error) from error
        return sorted((owed.delivery() for owed in known.values()), key=lambda each: (-each.ended, each.receiver))


_COLUMNS = "message, receiver, channel, created, expires, due, attempts, detail, result, ended"
_UPSERT = (
    "INSERT INTO owed (key, subject, message, receiver, channel, created, expires, due, attempts, detail, result,"
    " ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, receiver, channel) DO UPDATE SET"
    " message = excluded.message, due = excluded.due, attempts = excluded.attempts, detail = excluded.detail,"
    " result = excluded.result, ended = excluded.ended"
)


def _row_of(owed: Owed) -> tuple[object, ...]:
    """A settled message keeps its key and subject alone."""
    message = owed.message if owed.result is Result.OWED else Message(owed.message.key, owed.message.subject, "")
    return (
        message.key,
        message.subject,
        _written(message),
        owed.receiver,
        owed.channel,
        owed.created,
        owed.expires,
        owed.due,
        owed.attempts,
        owed.detail,
        owed.result.value,
        owed.ended,
    )


def _written(message: Message) -> str:
    files = [asdict(each) | {"content": b64encode(each.content).decode()} for each in message.attachments]
    return json.dumps(asdict(message) | {"attachments": files})


def _owed_of(row: tuple[str, str, str, float, float, float, int, str, str, float]) -> Owed | None:
    """A row as it was kept; one that cannot be read is left out and told, so that it stops nobody else's."""
    try:
        given = json.loads(row[0])
        files = tuple(Attachment(e["name"], b64decode(e["content"]), e["media_type"]) for e in given["attachments"])
        return Owed(Message(**(given | {"attachments": files})), *row[1:8], result=Result(row[8]), ended=row[9])
    except (ValueError, KeyError, TypeError) as error:
        log.error("a row of the record of deliveries cannot be read: %s", error)
        return None
