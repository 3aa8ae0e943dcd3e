"""Who holds a state folder: a stack writes itself into the folder's lock, and the lock ends with the process."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from bascule import times
from bascule.errors import StoreError
from bascule.processes.ready import wait_until

LOCK = "lock"
WRITING_SECONDS = 2.0


def _a_time(text: str) -> str:
    times.parse(text)
    return text


@dataclass(frozen=True)
class Holder:
    """Who holds a state folder, since when (RFC 3339), for which spec."""

    pid: Annotated[int, Field(gt=0)]
    since: Annotated[str, AfterValidator(_a_time)]
    spec: str

    @property
    def began(self) -> str:
        """`since` for people."""
        return times.dated(times.parse(self.since).timestamp())


_holder = TypeAdapter(Holder)


def holder(state: Path) -> Holder | None:
    """Who holds the state folder now, None when nobody does."""
    try:
        file = (state / LOCK).open("r+", encoding="utf-8", errors="replace")
    except OSError:
        return None
    with file:
        return None if locked(file) else _written(file, state)


def _written(file: IO[str], state: Path) -> Holder:
    """What the holder wrote about itself, which it may be about to do."""

    def text() -> str:
        file.seek(0)
        return file.read()

    if not wait_until(lambda: text().endswith("}"), WRITING_SECONDS):
        raise _unknown(state)
    try:
        return _holder.validate_json(text())
    except ValidationError as error:
        raise _unknown(state) from error


def _unknown(state: Path) -> StoreError:
    return StoreError(f"{state / LOCK} is locked by an unknown process", "stop the Bascule that uses this folder")


def locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
