"""What went to whom, kept in SQLite: a message that was delivered is never sent again by accident."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from bascule.delivery.database import connect, unusable
from bascule.delivery.message import Delivery, Result

FILE = "deliveries.sqlite"
_WHAT = "record of deliveries"
_SCHEMA = """CREATE TABLE IF NOT EXISTS deliveries (
  key TEXT NOT NULL, receiver TEXT NOT NULL, subject TEXT NOT NULL, result TEXT NOT NULL, attempts INTEGER NOT NULL,
  detail TEXT NOT NULL, started REAL NOT NULL, ended REAL NOT NULL, PRIMARY KEY (key, receiver))"""


class Ledger:
    """One row for each message and receiver; a later attempt replaces it."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._db = connect(path, _WHAT)
        try:
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise unusable(path, _WHAT, error) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def record(self, delivery: Delivery) -> None:
        row = (
            delivery.key, delivery.receiver, delivery.subject, delivery.result.value, delivery.attempts,
            delivery.detail, delivery.started, delivery.ended,
        )  # fmt: skip
        try:
            with self._lock:
                self._db.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise unusable(self._path, _WHAT, error) from error

    def was_delivered(self, key: str, receiver: str) -> bool:
        found = self._rows("WHERE key = ? AND receiver = ? AND result = 'delivered'", (key, receiver))
        return bool(found)

    def all(self) -> list[Delivery]:
        """Every delivery, newest first."""
        return self._rows("ORDER BY ended DESC, receiver", ())

    def _rows(self, where: str, values: tuple[str, ...]) -> list[Delivery]:
        try:
            with self._lock:
                rows = self._db.execute(f"SELECT * FROM deliveries {where}", values).fetchall()
        except sqlite3.Error as error:
            raise unusable(self._path, _WHAT, error) from error
        return [Delivery(r[0], r[1], r[2], Result(r[3]), *r[4:]) for r in rows]
