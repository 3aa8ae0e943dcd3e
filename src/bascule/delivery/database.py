"""Opening a SQLite file that must not be lost or silently wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bascule import private
from bascule.errors import StoreError


def connect(path: Path, what: str) -> sqlite3.Connection:
    """A connection to a file that was checked, with a write-ahead log, in autocommit; StoreError names `what` it is."""
    try:
        private.make_folder(path.parent)
        private.make_file(path)
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5.0)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, what, error) from error
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")  # a commit is on disk when it returns
        (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))
    except sqlite3.Error as error:
        database.close()
        raise unusable(path, what, error) from error
    return database


def unusable(path: Path, what: str, error: Exception) -> StoreError:
    """More space does not fix a damaged file, and another file does not fix a full disk."""
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return private.no_room(f"the {what}", path, str(error), _rewritten(path))
    is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    fix = (
        f"it is damaged: move it (and {path.name}-wal, {path.name}-shm) away and start again;"
        f" `sqlite3 {path.name} .recover` may save its content"
        if is_damaged
        else "check the permissions and free space of the state folder"
    )
    return StoreError(f"the {what} {path} cannot be used: {error}", fix)


def _rewritten(path: Path) -> int:
    """Bytes that it takes to write all of it once more, which is the most that one change can need."""
    return private.LEAST_ROOM + (path.stat().st_size if path.exists() else 0)
