"""Ends the children of a supervisor that died without stopping them (SIGKILL, out of memory).

Run as a script of its own, standard library only. On standard input it is told which process groups live:

    +1234    group 1234 was started
    -1234    group 1234 is gone

The input ends when the supervisor does, however it died. The groups still known are then told to end, and after
GRACE_SECONDS made to. A parent-death signal alone would reach the children only, not the workers they started.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 5.0


def main(lines: Iterable[str]) -> None:
    # Ctrl-C and a polite end are for the supervisor; the guardian outlives it by design.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end(_groups_left(lines))


def _groups_left(lines: Iterable[str]) -> set[int]:
    groups: set[int] = set()
    for line in lines:
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    return groups


def _end(groups: set[int]) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    alive = {group for group in groups if signalled(group, signal.SIGTERM)}
    for group in alive:
        signalled(group, signal.SIGCONT)  # a stopped process does not hear SIGTERM
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = {group for group in alive if signalled(group, 0)}
    for group in alive:
        signalled(group, signal.SIGKILL)


def signalled(group: int, number: int) -> bool:
    """Send a signal to a process group; False when nothing of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main(sys.stdin)
