"""Holding the state folder, and telling others how the stack stands."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from bascule.errors import AlreadyRunning, StoreError
from bascule.processes.holding import locked
from bascule.spec import load
from bascule.stack import down, status
from bascule.stack.state import held, holder, read_status, write_status

HOLD = """
import sys, time
from pathlib import Path
from bascule.stack.state import held
with held(Path(sys.argv[1]), "theirs.yaml"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_holder_is_refused_with_the_firsts_pid_time_and_spec(tmp_path):
    with held(tmp_path, "ours.yaml") as first, pytest.raises(AlreadyRunning) as refusal, held(tmp_path, "x.yaml"):
        pass
    assert f"(pid {os.getpid()}, since {first.began}, for ours.yaml)" in refusal.value.what
    assert "bascule down" in refusal.value.fix


def test_the_folder_is_free_again_afterwards(tmp_path):
    with held(tmp_path, "a.yaml"):
        assert holder(tmp_path).spec == "a.yaml"
    assert holder(tmp_path) is None
    with held(tmp_path, "b.yaml"):
        assert holder(tmp_path).spec == "b.yaml"


def test_a_holder_that_was_killed_holds_nothing(tmp_path, eventually):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert holder(tmp_path).pid == process.pid
        process.kill()
        process.wait()
        assert holder(tmp_path) is None


def test_a_holder_that_does_not_say_who_it_is_is_never_guessed(tmp_path, monkeypatch):
    monkeypatch.setattr("bascule.processes.holding.WRITING_SECONDS", 0.05)
    with held(tmp_path, "a.yaml"):
        (tmp_path / "lock").write_text("")
        with pytest.raises(StoreError, match="is locked by an unknown process"):
            holder(tmp_path)


def test_the_status_is_that_of_a_running_stack_only(tmp_path):
    rows = [{"process": "judge", "pid": 1}]
    with held(tmp_path, "a.yaml"):
        assert read_status(tmp_path) == []
        write_status(tmp_path, rows)
        assert read_status(tmp_path) == rows
    assert read_status(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"), held(tmp_path / "file" / "state", "a.yaml"):
        pass


def test_down_and_status_of_a_stack_that_does_not_run_do_nothing(tmp_path):
    spec = load("supersmartmatch")
    idle = spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": tmp_path / "state"})})
    assert status(idle) == []
    assert down(idle) is False


def test_a_full_disk_is_told_and_not_thrown(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left") as told, held(tmp_path, "a.yaml"):
        pass
    assert "stack.state" in told.value.fix


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"pid": 1}',
        b'{"pid": -1, "since": "2026-01-01T00:00:00Z", "spec": "s"}',
        b'{"pid": 1, "since": "yesterday", "spec": "s"}',
        b'{"pid": 1, "since": "2026-01-01T00:00:00Z", "spec": "s", "more": {}',
        b"\xff\x00}",
    ],
)
def test_a_lock_that_says_nothing_we_know_is_an_unknown_process(tmp_path, text):
    """The folder beside ours may be another program's, or another user's."""
    with (tmp_path / "lock").open("wb+") as file:
        assert locked(file)
        file.write(text)
        file.flush()
        with pytest.raises(StoreError, match="locked by an unknown process"):
            holder(tmp_path)
