"""Teams, ntfy, Telegram and some hundred more, by Apprise, whose waits have no end in all: a process an attempt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from bascule.delivery.apprise_child import AppriseResult
from bascule.delivery.line import Line
from bascule.delivery.message import Message
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.processes.guardian import signalled
from bascule.spec.receivers import AppriseUrl

_CHILD = str(Path(__file__).with_name("apprise_child.py"))


def send_by_apprise(target: AppriseUrl, message: Message, line: Line) -> None:
    """One attempt. Apprise answers yes or no, so every no is tried again."""
    job = {"url": read_secret(target.url_file), "title": message.subject, "body": message.text, "seconds": line.limit}
    failed = _failure(_status_of(json.dumps(job).encode() + b"\n", line), target)
    if failed is not None:
        raise failed


def _failure(status: int, target: AppriseUrl) -> DeliveryFailed | None:
    match status:
        case AppriseResult.DELIVERED:
            return None
        case AppriseResult.NOT_INSTALLED:
            return DeliveryFailed("Apprise is not installed", "pip install apprise", can_retry=False)
        case AppriseResult.NO_ADDRESS:
            what = f"{target.url_file} has no URL that Apprise knows"
            return DeliveryFailed(what, "see Apprise's list of URLs", can_retry=False)
        case AppriseResult.NOT_DELIVERED:
            return DeliveryFailed("Apprise could not deliver it", "check the address", can_retry=True)
        case _:
            what = f"the process of Apprise ended with status {status}"
            return DeliveryFailed(what, "check the address", can_retry=True)


def _status_of(job: bytes, line: Line) -> int:
    """The status of a process that does the job. Its input stays open meanwhile: it ends with it, and so with us."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise DeliveryFailed(f"no process for Apprise: {error}", "free some memory", can_retry=True) from error
    line.holds(child.kill)
    assert child.stdin is not None
    with suppress(OSError):  # it has ended already, and its status says why
        child.stdin.write(job)
        child.stdin.flush()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    signalled(child.pid, signal.SIGKILL)  # what it left behind: until it is waited for, the group's number is its own
    with suppress(OSError):
        child.stdin.close()
    return child.wait()
