"""Running one command of somebody else to its end: without a shell, bounded in time, leaving nothing when late.

What it prints goes to files, not pipes: a daemon that it starts keeps a pipe open, and nobody waits for a daemon.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bascule.errors import ProcessFailed
from bascule.processes.guardian import signalled

_MARK = "BASCULE_COMMAND"  # a variable that all of a command's processes inherit, wherever they hide
_SHOWN = 65536  # bytes of each output that are kept: its end
_ROUNDS = 50  # of looking for processes that were started while others were ended


class TooSlow(ProcessFailed):
    """It did not end in time, and was ended with everything that it had started."""


@dataclass(frozen=True)
class FinishedCommand:
    """How a command ended, and the end of what it printed. `status`: negative for a signal."""

    status: int
    output: str
    complaint: str

    @property
    def said(self) -> str:
        """What it printed of its failure, else whatever it printed."""
        return (self.complaint or self.output).strip()


def run(argv: Sequence[str], seconds: float, given: str = "", env: Mapping[str, str] | None = None) -> FinishedCommand:
    """Run it with `given` on its standard input. It has ended when its own process has: what it leaves running on
    purpose goes on. Raises TooSlow, and ProcessFailed where it cannot be started."""
    mark = uuid.uuid4().hex
    around = {**(os.environ if env is None else env), _MARK: mark}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint, tempfile.TemporaryFile() as told:
        told.write(given.encode())
        told.seek(0)
        try:
            process = subprocess.Popen(
                argv, stdin=told, stdout=out, stderr=complaint, env=around, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise ProcessFailed(f"{argv[0]} cannot be started: {error}", "check that it exists and may run") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            _end(process, mark)
            what = f"{argv[0]} timed out after {seconds:g} s and was ended with its children"
            raise TooSlow(what, "run it by hand to see what it waits for") from error
        except BaseException:  # Ctrl-C
            _end(process, mark)
            raise
        return FinishedCommand(status, _end_of(out), _end_of(complaint))


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


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _SHOWN))
    return file.read().decode("utf-8", "replace")
