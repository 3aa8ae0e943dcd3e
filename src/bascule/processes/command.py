"""Running one command of somebody else to its end: without a shell, bounded in time, leaving nothing when late.

What it prints goes to files, not pipes: a daemon that it starts keeps a pipe open, and nobody waits for a daemon.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from bascule.errors import ProcessFailed

_SHOWN = 65536  # bytes of each output that are kept: its end


class TooSlow(ProcessFailed):
    """It did not end in time, and was ended with everything that it had started."""


@dataclass(frozen=True)
class Done:
    """How a command ended, and the end of what it printed."""

    status: int
    output: str
    complaint: str

    @property
    def said(self) -> str:
        """What it printed of its failure, else whatever it printed."""
        return (self.complaint or self.output).strip()


def run(argv: Sequence[str], seconds: float, given: str = "", env: Mapping[str, str] | None = None) -> Done:
    """Run it with `given` on its standard input. Raises TooSlow, and ProcessFailed where it cannot be started."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaint, tempfile.TemporaryFile() as told:
        told.write(given.encode())
        told.seek(0)
        try:
            process = subprocess.Popen(argv, stdin=told, stdout=out, stderr=complaint, env=env, start_new_session=True)
        except (OSError, ValueError) as error:
            raise ProcessFailed(f"{argv[0]} cannot be started: {error}", "check that it exists and may run") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            _end_group(process)
            what = f"{argv[0]} timed out after {seconds:g} s and was ended with its children"
            raise TooSlow(what, "run it by hand to see what it waits for") from error
        except BaseException:  # Ctrl-C
            _end_group(process)
            raise
        return Done(status, _end_of(out), _end_of(complaint))


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _SHOWN))
    return file.read().decode("utf-8", "replace")
