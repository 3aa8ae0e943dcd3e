"""Running somebody else's command to its end."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pytest

from bascule.errors import ProcessFailed
from bascule.processes import command

SECONDS = 30.0
PYTHON = (sys.executable, "-c")


def run(text: str, *arguments: str, seconds: float = SECONDS, given: str = "") -> command.Done:
    return command.run([*PYTHON, text, *arguments], seconds, given)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_command_gets_its_input_and_tells_its_status_and_what_it_printed():
    done = run("import sys; print(sys.stdin.read()); print('no', file=sys.stderr); sys.exit(3)", given="héllo")
    assert (done.status, done.output, done.said) == (3, "héllo\n", "no")


def test_a_daemon_that_it_leaves_behind_keeps_nobody_waiting(tmp_path):
    """A hook that starts a service ends long before the service does, which holds its outputs open."""
    began = time.monotonic()
    sleeper = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    )
    done = run(sleeper)
    try:
        assert (done.status, time.monotonic() - began < SECONDS) == (0, True)
        assert is_alive(int(done.output))
    finally:
        os.kill(int(done.output), 9)


@pytest.mark.parametrize(
    "text",
    [
        "echo $$ > FILE; exec sleep 60",
        "trap '' TERM INT HUP; echo $$ > FILE; sleep 60; sleep 60",
        "sh -c 'echo $$ > FILE; exec sleep 60' & wait",
        "setsid sh -c 'echo $$ > FILE; exec sleep 60' & wait",
        "(setsid sh -c 'echo $$ > FILE; exec sleep 60' &) ; sleep 60",  # its parent is gone: a daemon
    ],
)
def test_nothing_of_one_that_takes_too_long_is_left(tmp_path, text, eventually):
    file = tmp_path / "pid"
    with pytest.raises(command.TooSlow, match=r"timed out after 2 s and was ended with its children"):
        command.run(["sh", "-c", text.replace("FILE", str(file))], 2.0)
    eventually(lambda: not is_alive(int(file.read_text())))


def test_of_an_endless_output_its_end_is_kept():
    done = run("for n in range(100000): print(n)")
    assert len(done.output) < 100_000
    assert done.output.endswith("99999\n")


def test_one_that_cannot_be_started_is_named():
    with pytest.raises(ProcessFailed, match=re.escape("/nowhere/hook cannot be started")):
        command.run(["/nowhere/hook"], SECONDS)
