"""`bascule up` as its user runs it: a process of its own, real programs, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bascule.lab import lab_spec, write_spec
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load
from bascule.stack import down, status

pytestmark = pytest.mark.integration

READY = "all parts run"
HUNG_AFTER = 10.0  # seconds


@dataclass
class Up:
    """A running `bascule up`. `mark` stands in the environment of every process it starts."""

    spec: Spec
    path: Path
    process: subprocess.Popen[str]
    output: Path
    mark: str

    def said(self) -> str:
        return self.output.read_text()

    def left(self) -> list[str]:
        return marked(self.mark)

    def row(self, name: str) -> dict:
        return next((row for row in status(self.spec) if row["process"] == name), {})


def marked(mark: str) -> list[str]:
    """Every process that has the mark in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.fixture(scope="module")
def launch(tmp_path_factory) -> Iterator:
    launched: list[Up] = []

    def start(spec_and_path=None) -> Up:
        folder = tmp_path_factory.mktemp("up")
        spec, path = spec_and_path or written(folder)
        mark = f"mark-{uuid.uuid4()}"
        output = folder / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "bascule", "up", str(path)],
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"BASCULE_TEST": mark, "COLUMNS": "300"},
            )
        launched.append(Up(spec, path, process, output, mark))
        return launched[-1]

    yield start
    for each in launched:
        each.process.terminate()
        each.process.wait(30)


def written(folder: Path) -> tuple[Spec, Path]:
    """The built-in spec on free ports; its services do not run here, which the stack must bear."""
    spec = lab_spec(load("supersmartmatch"), folder)
    stack = spec.stack.model_copy(update={"hung_after": HUNG_AFTER})
    spec = spec.model_copy(update={"stack": stack})
    return spec, write_spec(spec, folder / "spec.yaml")


@pytest.fixture(scope="module")
def running(launch, eventually) -> Up:
    up = launch()
    eventually(lambda: READY in up.said() or up.process.poll() is not None, 90)
    assert READY in up.said(), up.said()
    return up


def test_every_part_runs_and_is_scraped(running, eventually):
    prometheus = Prometheus(running.spec.stack.url("prometheus"))
    for job in ("prometheus", "alertmanager", "bascule-supervisor", "bascule-incidents", "bascule-judge", "hosts"):
        eventually(lambda job=job: prometheus.scalar(f'up{{job="{job}"}}') == 1, 20)
    eventually(lambda: {row["state"] for row in status(running.spec)} == {"running"})
    assert len(status(running.spec)) == 10


def test_a_second_up_on_the_same_state_is_refused_naming_the_first(running, launch):
    second = launch((running.spec, running.path))
    assert second.process.wait(30) == 1
    assert f"(pid {running.process.pid}, since" in second.said()
    assert "Traceback" not in second.said()


def test_a_crashed_prometheus_is_restarted_and_the_restart_is_reported(running, eventually):
    pid = running.row("prometheus")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: running.row("prometheus").get("restarts") == 1 and running.row("prometheus")["pid"])
    assert running.row("prometheus")["pid"] != pid
    assert "prometheus was killed by SIGKILL; starting it again in 0.5 s" in running.said()
    told = httpx.get(f"{running.spec.stack.url('supervisor')}/metrics", trust_env=False).text
    assert 'bascule_process_restarts_total{process="prometheus"} 1.0' in told
    assert 'bascule_process_restarts_total{process="judge"} 0.0' in told


def test_a_part_that_hangs_is_ended_and_started_again(running, eventually):
    """It lives and answers nothing, which no crash tells."""
    pid = running.row("alertmanager")["pid"]
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: running.row("alertmanager").get("restarts") == 1 and running.row("alertmanager")["pid"], 60)
    assert running.row("alertmanager")["pid"] != pid
    assert "alertmanager has not answered for" in running.said()


def test_ctrl_c_leaves_no_process_behind(running):
    assert len(running.left()) > 10
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 0, running.said()
    assert running.left() == []
    assert status(running.spec) == []


def test_down_stops_a_stack_that_is_still_starting(launch, eventually):
    up = launch()
    eventually(lambda: status(up.spec), 30)
    assert down(up.spec) is True
    assert up.process.wait(30) == 0, up.said()
    assert up.left() == []


def test_nothing_is_left_when_up_itself_is_killed(launch, eventually):
    up = launch()
    eventually(lambda: up.row("prometheus").get("state") == "running", 60)
    up.process.kill()
    up.process.wait()
    eventually(lambda: not up.left(), 20)


def test_a_busy_port_is_refused_before_anything_starts(launch, tmp_path_factory, metrics_page):
    spec, path = written(tmp_path_factory.mktemp("busy"))
    page = metrics_page()
    port = int(page.target.rpartition(":")[2])
    ports = spec.stack.ports.model_copy(update={"judge": port})
    spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"ports": ports})})
    up = launch((spec, write_spec(spec, path)))
    assert up.process.wait(30) == 1
    assert f"port {port} on 127.0.0.1, wanted for judge, is taken by" in up.said()
    assert "stack.ports.judge" in up.said()
    assert "Traceback" not in up.said()
