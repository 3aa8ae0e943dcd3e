"""The whole house on real parts: the demo's promise, and silence is no recovery."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from bascule.scenarios.house import standing

pytestmark = pytest.mark.integration


def quiet(_text):
    """Nobody reads the progress of a test."""


def processes_with(marker):
    """Pids of processes whose environment carries `marker`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in environment:
                found.append(int(folder.name))
    return found


def demo(out, marker):
    return subprocess.Popen(
        [sys.executable, "-m", "bascule", "demo", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "BASCULE_TEST_MARKER": marker},
        start_new_session=True,
    )


def test_the_demo_finds_the_fault_and_nothing_else(tmp_path):
    marker = f"whole-demo-{os.getpid()}"
    process = demo(tmp_path, marker)
    told, _ = process.communicate(timeout=400)
    assert process.returncode == 0, told
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["alerts_before_fault"] == []
    assert 0 < summary["detection_seconds"] < 30
    assert summary["resolved_at"] > summary["rolled_back_at"] > summary["delivered_at"]
    assert (tmp_path / "sla-report.html").stat().st_size > 5_000
    assert processes_with(marker) == []


def test_ctrl_c_in_the_middle_of_the_demo_leaves_nothing_behind(tmp_path):
    marker = f"stopped-demo-{os.getpid()}"
    process = demo(tmp_path, marker)
    for line in process.stdout:
        if "baseline" in line:
            break
    assert len(processes_with(marker)) > 10
    os.kill(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert processes_with(marker) == []


def test_a_killed_candidate_is_said_within_ten_seconds_and_silence_ends_no_alarm(tmp_path):
    with standing(tmp_path, quiet, threading.Event()) as house:
        house.set_phase(0, "baseline")
        house.wait(20)
        house.set_phase(3, "half of the traffic")
        house.wait(15)
        fault = house.lab.fault("v2", error_rate=0.3)
        house.wait_for("the alarm", lambda: alarms(house, fault), 30)
        crash = house.lab.fault("v2", crash=True)
        house.wait_for("the page to say that V2 is down", lambda: page_says_down(house), 10)
        assert time.time() - crash < 10
        house.wait(30)
        assert {incident.status for incident in alarms(house, fault)} == {"open"}
        assert house.verdict().verdict in ("roll_back", "no_data")


def alarms(house, since):
    return [i for i in house.incidents() if i.alert == "CandidateWorse" and i.received.timestamp() >= since]


def page_says_down(house):
    page = httpx.get(house.spec.stack.url("console"), timeout=5, trust_env=False).text
    return "supersmartmatch-v2" in page and "down" in page.lower()
