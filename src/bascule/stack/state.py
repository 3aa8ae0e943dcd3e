"""The state folder: held by one stack at a time, and telling others how that stack stands."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from bascule import private, times
from bascule.errors import AlreadyRunning, StoreError
from bascule.processes.ready import wait_until

__all__ = ["Holder", "held", "holder", "read_status", "write_status"]

LOCK = "lock"
STATUS = "status.json"
WRITING_SECONDS = 2.0
LOOKING_SECONDS = 0.3


@dataclass(frozen=True)
class Holder:
    """Who holds a state folder, since when (RFC 3339), for which spec."""

    pid: int
    since: str
    spec: str

    @property
    def began(self) -> str:
        """`since` for people."""
        return times.dated(times.parse(self.since).timestamp())


@contextmanager
def held(state: Path, spec_path: Path | str) -> Iterator[Holder]:
    """Hold the state folder. Raises AlreadyRunning, naming the holder, when another stack has it.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    try:
        private.make_folder(state)
        file = (state / LOCK).open("a+")
    except OSError as error:
        raise _unusable(state, error) from error
    with file:
        # Another command that only looks who holds the folder has the lock for a moment.
        if not wait_until(lambda: _locked(file), LOOKING_SECONDS):
            raise _refusal(state)
        this = Holder(os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"), str(spec_path))
        _tell(file, this, state)
        try:
            yield this
        finally:
            (state / STATUS).unlink(missing_ok=True)


def _tell(file: IO[str], holder: Holder, state: Path) -> None:
    try:
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), json.dumps(asdict(holder)).encode())  # unbuffered: a full disk is told here
    except OSError as error:
        raise _unusable(state, error) from error


def _unusable(state: Path, error: OSError) -> StoreError:
    fix = "free some space, or give stack.state in the spec another folder"
    return StoreError(f"{state} cannot be used: {error.strerror}", fix)


def holder(state: Path) -> Holder | None:
    """Who holds the state folder now, None when nobody does."""
    try:
        file = (state / LOCK).open("r+")
    except OSError:
        return None
    with file:
        return None if _locked(file) else _written(file, state)


def _written(file: IO[str], state: Path) -> Holder:
    """What the holder wrote about itself, which it may be about to do."""

    def text() -> str:
        file.seek(0)
        return file.read()

    if not wait_until(lambda: text().endswith("}"), WRITING_SECONDS):
        raise StoreError(f"{state / LOCK} is locked by an unknown process", "stop the Bascule that uses this folder")
    return Holder(**json.loads(text()))


def write_status(state: Path, rows: list[dict[str, Any]]) -> None:
    fresh = state / f".{STATUS}.new"
    fresh.write_text(json.dumps(rows, indent=2) + "\n")
    fresh.replace(state / STATUS)


def read_status(state: Path) -> list[dict[str, Any]]:
    """The processes of the running stack; empty when none runs."""
    if holder(state) is None:
        return []
    try:
        rows: list[dict[str, Any]] = json.loads((state / STATUS).read_text())
    except FileNotFoundError:
        return []
    return rows


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(state: Path) -> AlreadyRunning:
    other = holder(state)
    who = f"pid {other.pid}, since {other.began}, for {other.spec}" if other else "it is just ending"
    return AlreadyRunning(
        f"another Bascule holds the state folder {state} ({who})",
        "stop it with Ctrl-C or `bascule down`, or give stack.state in the spec another folder",
    )
