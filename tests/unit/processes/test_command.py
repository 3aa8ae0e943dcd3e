"""A command that is run once: it ends in time, with everything that it started, and is never waited for longer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bascule.processes.command import Ended, TimedOut, run_command


def is_running(file: Path) -> bool:
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_its_status_and_its_last_words_are_known() -> None:
    assert run_command(["sh", "-c", "echo fine; echo bad >&2; exit 3"], 10) == Ended(3, "bad")
    assert run_command(["sh", "-c", "read line; echo got $line"], 10, "this\n") == Ended(0, "got this")


def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        run_command(["/nowhere/at-all"], 10)


@pytest.mark.parametrize(
    "command",
    [
        "echo $$ > FILE; exec sleep 60",
        "trap '' TERM INT HUP; echo $$ > FILE; sleep 60; sleep 60",
        "sh -c 'echo $$ > FILE; exec sleep 60' & wait",
        "setsid sh -c 'echo $$ > FILE; exec sleep 60' & wait",
        "(setsid sh -c 'echo $$ > FILE; exec sleep 60' &) ; sleep 60",  # its parent is gone: a daemon
    ],
)
def test_nothing_of_one_that_takes_too_long_is_left(tmp_path: Path, command: str, eventually) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "pid"
    with pytest.raises(TimedOut):
        run_command(["sh", "-c", command.replace("FILE", str(file))], 1.0)
    eventually(lambda: not is_running(file))


def test_what_it_leaves_running_on_purpose_is_neither_waited_for_nor_ended(tmp_path: Path) -> None:
    """A program that makes itself a daemon keeps its starter's output open."""
    file = tmp_path / "pid"
    begun = time.monotonic()
    ended = run_command(["sh", "-c", f"setsid sh -c 'echo $$ > {file}; exec sleep 60' & sleep .2; echo moved"], 30)
    assert (ended.status, ended.said) == (0, "moved")
    assert time.monotonic() - begun < 20
    assert is_running(file)
    os.kill(int(file.read_text()), 9)


def test_one_that_says_very_much_is_read_to_its_end() -> None:
    assert run_command(["sh", "-c", "yes | head -c 5000000; echo end"], 60).said.endswith("end")
