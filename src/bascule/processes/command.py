"""A command that is run once and must end in time, with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bascule.processes.guardian import signalled

_MARK = "BASCULE_COMMAND"  # a variable that all of a command's processes inherit, wherever they hide
_KEPT = 2000  # characters of its output, the last ones
_DRAIN_SECONDS = 0.5  # after its end, in which what it said is read
_ROUNDS = 50  # of looking for processes that were started while others were ended


class TimedOut(Exception):
    """It was ended with everything that it started."""


@dataclass(frozen=True)
class Ended:
    """Its exit status, negative for a signal; the end of what it said, on standard error if it said anything there."""

    status: int
    said: str


def run_command(argv: Sequence[str], seconds: float, given: str = "") -> Ended:
    """Run without a shell, `given` on its standard input. It has ended when its own process has: what it leaves running
    on purpose goes on, and is not waited for. Raises OSError where it cannot be started, TimedOut."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, _MARK: mark},
    )
    said = [_Tail(stream) for stream in (process.stderr, process.stdout) if stream is not None]
    threading.Thread(target=_give, args=(process, given.encode()), daemon=True).start()
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        _end(process, mark)
        raise TimedOut from error
    return Ended(status, next((text for text in (tail.text() for tail in said) if text), ""))


class _Tail:
    """The last characters of a stream, read on a thread: a process that is left behind may keep it open for ever."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while piece := os.read(self._stream.fileno(), 65536):
                self._kept = (self._kept + piece)[-_KEPT:]

    def text(self) -> str:
        self._thread.join(_DRAIN_SECONDS)
        return self._kept.decode("utf-8", "replace").strip()


def _give(process: subprocess.Popen[bytes], given: bytes) -> None:
    """It may not want to read."""
    if process.stdin is not None:
        with suppress(OSError), process.stdin:
            process.stdin.write(given)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """What it started must not go on later, also where that made itself a session of its own."""
    for _ in range(_ROUNDS):
        signalled(process.pid, signal.SIGKILL)
        family = list(_marked(mark))
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not family:
            break
    process.wait()


def _marked(mark: str) -> Iterator[int]:
    """Processes of this user that inherited the mark. Only Linux tells; elsewhere the process group is all there is."""
    wanted = f"{_MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


__all__ = ["Ended", "TimedOut", "run_command"]
