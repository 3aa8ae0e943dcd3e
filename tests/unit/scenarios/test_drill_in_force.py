"""A drill that is interrupted or killed, at any moment: its fault is removed, at the latest by the next drill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from drilled import Told, Watched, incident

from bascule.errors import AlreadyRunning, ProcessFailed, UsageError
from bascule.scenarios.drills.in_force import alone_in, noted, word_of
from bascule.scenarios.drills.once import Force, drill
from bascule.scenarios.faults import all_faults, fault_named
from bascule.scenarios.house import Stopped


@pytest.fixture
def calls():
    return []


def force(calls, out, restore=()):
    return noted(Force(lambda: calls.append("in") or time.time(), lambda: calls.append("out")), out, "crash", restore)


def test_word_of_a_fault_stands_from_before_its_injection_until_after_its_removal(tmp_path, calls):
    seen = []

    def look() -> float:
        seen.append(word_of(tmp_path, "crash").exists())
        return 1.0

    kept = noted(Force(look, look), tmp_path, "crash", ["make it well"])
    kept.inject()
    assert "make it well" in json.loads(word_of(tmp_path, "crash").read_text())["how"]
    kept.remove()
    assert seen == [True, True]
    assert not word_of(tmp_path, "crash").exists()


def test_what_a_killed_drill_left_is_restored_by_the_next_one(tmp_path, calls):
    restored = tmp_path / "restored"
    force(calls, tmp_path, [f"touch {restored}"]).inject()
    told = []
    with alone_in(tmp_path, told.append):
        assert restored.exists()
        assert not word_of(tmp_path, "crash").exists()
    assert "'crash' was in force" in told[0]


def test_of_several_faults_that_were_in_force_each_is_restored(tmp_path, calls):
    for key in ("crash", "hang"):
        noted(Force(time.time, lambda: None), tmp_path, key, [f"touch {tmp_path / key}"]).inject()
    told = []
    with alone_in(tmp_path, told.append):
        assert (tmp_path / "crash").exists()
        assert (tmp_path / "hang").exists()
    assert [each.partition(" was in force")[0].rpartition(" ")[2] for each in told] == ["'crash'", "'hang'"]
    assert list(tmp_path.glob("in-force*")) == []


def test_a_restoring_command_that_fails_keeps_the_word_and_drills_nothing(tmp_path, calls):
    force(calls, tmp_path, ["false"]).inject()
    with pytest.raises(ProcessFailed, match="restore 'false' ended with status 1"), alone_in(tmp_path, print):
        pytest.fail("drilled on a broken staging")
    assert word_of(tmp_path, "crash").exists()


def test_a_word_that_cannot_be_read_is_refused(tmp_path):
    word_of(tmp_path, "crash").write_text("{")
    with pytest.raises(UsageError, match="is not readable"), alone_in(tmp_path, print):
        pytest.fail("drilled")


def test_two_drills_do_not_write_to_one_folder(tmp_path):
    refused = pytest.raises(AlreadyRunning, match="another drill writes to")
    with alone_in(tmp_path, print), refused, alone_in(tmp_path, print):
        pytest.fail("drilled twice")


@pytest.mark.parametrize("stage", ["annotate", "inject", "find", "after", "end"])
def test_a_stop_in_every_stage_removes_the_fault(tmp_path, calls, stage):
    house = Watched(stops_at=stage, verdicts=["hold", "no_data"])

    def inject():
        calls.append("in")
        house.known = [incident(1, "ServiceDown", after=60.0)]  # found at once
        house.reach("inject")
        return time.time()

    kept = noted(Force(inject, lambda: calls.append("out")), tmp_path, "crash")
    with pytest.raises(Stopped):
        drill(house, Told(house), fault_named("crash"), kept)
    assert calls == ([] if stage == "annotate" else ["in", "out"])
    assert not word_of(tmp_path, "crash").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_a_command_breaks_the_staging_restores_it(tmp_path, number):
    """The real signal, in a process of its own."""
    broken, out = tmp_path / "broken", tmp_path / "out"
    program = f"""
import signal
from pathlib import Path
from bascule.cli.output import stopping
from bascule.scenarios.drills import staging
from bascule.scenarios.drills.in_force import alone_in
from bascule.spec import load
from drilled import Watched
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
with stopping() as stop, alone_in(Path({str(out)!r}), print):
    staging.Watched = lambda spec, stop: Watched(stop=stop)
    spec = load("supersmartmatch")
    staging.drill_staging(spec, "touch {broken}", "rm {broken}", stop, Path({str(out)!r}))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", program], env=env, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not broken.exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.kill(process.pid, number)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert not broken.exists()
    assert not word_of(out, "own").exists()


def test_a_fault_that_cannot_be_made_here_says_why():
    for fault in all_faults():
        assert isinstance(fault.unable, str), fault.key
