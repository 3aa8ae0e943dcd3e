"""The whole house on real parts: the demo keeps its promise and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
