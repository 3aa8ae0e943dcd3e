"""One attempt by Apprise, in a process of its own that can be ended whatever the library waits for.

Run as a script, with Apprise and the standard library alone. The first line of standard input is the job: JSON with
`url`, `title`, `body` and `seconds`. The process ends when it has told its result by its status, after `seconds`, or
when its input ends, which it does when the sender ends, however that died.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
from enum import IntEnum

MEMORY = 1 << 29  # bytes of addresses; Apprise takes two fifths of it, and reads whatever a receiver answers


class AppriseResult(IntEnum):
    """The status of the process, by what came of the attempt; others are of a crash or a signal."""

    DELIVERED = 0
    NOT_DELIVERED = 40
    NO_ADDRESS = 41
    NOT_INSTALLED = 42


def main() -> int:
    job = json.loads(sys.stdin.readline())
    signal.setitimer(signal.ITIMER_REAL, job["seconds"])  # its signal ends the process, if the sender is stopped too
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    threading.Thread(target=_end_with_the_sender, daemon=True).start()
    return _attempt(job["url"], job["title"], job["body"])


def _end_with_the_sender() -> None:
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)  # with what the library has started: the sender made it a group of its own


def _attempt(url: str, title: str, body: str) -> AppriseResult:
    try:
        import apprise
    except ImportError:
        return AppriseResult.NOT_INSTALLED
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which hold secrets
    sender = apprise.Apprise()
    if not sender.add(url):
        return AppriseResult.NO_ADDRESS
    return AppriseResult.DELIVERED if sender.notify(title=title, body=body) else AppriseResult.NOT_DELIVERED


if __name__ == "__main__":
    status = main()
    os._exit(status)  # nothing that the library left behind is waited for
