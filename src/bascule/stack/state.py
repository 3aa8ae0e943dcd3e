"""The state folder: held by one stack at a time, and telling others the state of that stack."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from bascule import private
from bascule.errors import AlreadyRunning, StoreError
from bascule.processes.holding import LOCK, Holder, holder, locked
from bascule.processes.ready import wait_until

__all__ = ["Holder", "held", "holder", "read_status", "write_status"]

STATUS = "status.json"
LOOKING_SECONDS = 0.3


@contextmanager
def held(state: Path, spec_path: Path | str) -> Iterator[Holder]:
    """Hold the state folder. Raises AlreadyRunning, naming the holder, when another stack has it.

    The lock is the kernel's: it ends with the process, however that ends.
    """
    try:
        private.make_folder(state)
        file = private.opened(state / LOCK, "a+")
    except OSError as error:
        raise _unusable(state, error) from error
    with file:
        # Another command that only looks who holds the folder has the lock for a moment.
        if not wait_until(lambda: locked(file), LOOKING_SECONDS):
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


def write_status(state: Path, rows: list[dict[str, Any]]) -> None:
    """Raises OSError."""
    private.replace(state / STATUS, json.dumps(rows, indent=2) + "\n")


def read_status(state: Path) -> list[dict[str, Any]]:
    """The processes of the running stack; empty when none runs."""
    if holder(state) is None:
        return []
    try:
        rows: list[dict[str, Any]] = json.loads((state / STATUS).read_text())
    except FileNotFoundError:
        return []
    return rows


def _refusal(state: Path) -> AlreadyRunning:
    other = holder(state)
    who = f"pid {other.pid}, since {other.began}, for {other.spec}" if other else "it is just ending"
    return AlreadyRunning(
        f"another Bascule uses the state folder {state} ({who})",
        "stop it with Ctrl-C or `bascule down`, or give stack.state in the spec another folder",
    )
