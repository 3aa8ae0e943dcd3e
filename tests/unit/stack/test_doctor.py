"""What the doctor finds on a machine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from bascule import incidents
from bascule.api import Tokens
from bascule.api.tokens import WEBHOOK, write_private
from bascule.errors import ProgramMissing
from bascule.processes import programs
from bascule.processes.ready import answers
from bascule.spec import load
from bascule.spec.model import LogSource
from bascule.stack import doctor, told
from bascule.stack.state import held


@pytest.fixture
def spec(tmp_path, free_port):
    spec = load("supersmartmatch")
    ports = spec.stack.ports.model_copy(update={part: free_port() for part in type(spec.stack.ports).model_fields})
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": tmp_path, "ports": ports})})


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with the programs that a test adds: name -> version."""
    present: dict[str, str] = dict.fromkeys(programs.KNOWN, "99.0.0")

    def find(name: str) -> Path:
        if name not in present:
            raise ProgramMissing(f"the program {name} is not on this machine", programs.how_to_get(name))
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{name}, version {present[name]} (branch: x)'\n")
        path.chmod(0o755)
        return path

    monkeypatch.setattr(programs, "find", find)
    return present


def checks_of(spec):
    return {check.subject: check for check in doctor(spec)}


def test_a_machine_that_has_everything_passes(spec, machine):
    checks = checks_of(spec)
    assert all(check.ok for check in checks.values()), [str(check) for check in checks.values() if not check.ok]
    assert "99.0.0 at" in checks["prometheus"].found


def test_a_missing_program_that_the_spec_needs_fails_with_the_way_to_get_it(spec, machine):
    del machine["prometheus"]
    check = checks_of(spec)["prometheus"]
    assert not check.ok
    for way in ("Debian", "macOS", "elsewhere"):
        assert way in str(check)


def test_a_missing_program_that_only_the_demo_needs_is_told_and_passes(spec, machine):
    del machine["chromium"]
    check = checks_of(spec)["chromium"]
    assert check.ok
    assert check.state == "optional"


def test_an_exporter_the_spec_does_not_need_is_not_looked_for(spec, machine):
    del machine["prometheus-blackbox-exporter"]
    assert "prometheus-blackbox-exporter" not in checks_of(spec.model_copy(update={"probes": {}}))


def test_an_older_prometheus_than_the_tested_one_is_told(spec, machine):
    machine["prometheus"] = "2.31.2"
    check = checks_of(spec)["prometheus"]
    assert check.state == "optional"
    assert "tested with 2.42" in check.fix


def test_a_log_source_that_no_part_of_the_stack_could_read_fails(spec, machine):
    """`up` would refuse it."""
    assert "standard input" not in checks_of(spec)
    sources = [*spec.logs.sources, LogSource(name="pipe", stdin=True, formats=["python"])]
    piped = spec.model_copy(update={"logs": spec.logs.model_copy(update={"sources": sources})})
    check = checks_of(piped)["standard input"]
    assert not check.ok
    assert "'pipe'" in check.found


def test_a_log_file_that_is_not_there_is_told_and_passes(spec, machine):
    """It comes with its service."""
    source = LogSource(name="app", files="/nowhere/app.log", formats=["api_call"])
    logs = spec.logs.model_copy(update={"sources": [source]})
    check = checks_of(spec.model_copy(update={"logs": logs}))["log source app"]
    assert (check.state, check.found) == ("optional", "no file matches /nowhere/app.log")


def test_a_busy_port_fails_with_its_holder(spec, machine):
    port = spec.stack.ports.judge
    with socket.create_server(("127.0.0.1", port)):
        check = checks_of(spec)["port of judge"]
    assert not check.ok
    assert "stack.ports.judge" in check.fix


def test_the_ports_of_a_running_stack_are_its_own(spec, machine):
    with held(spec.stack.state, "a.yaml"):
        checks = checks_of(spec)
    assert checks["ports"].ok
    assert "does not answer" in checks["alert delivery"].found
    assert not any(subject.startswith("port ") for subject in checks)


@pytest.fixture
def journal(spec, eventually):
    """The incidents role of a running stack."""
    stop = threading.Event()
    thread = threading.Thread(target=incidents.run, args=(spec, stop))
    with held(spec.stack.state, "a.yaml"):
        thread.start()
        eventually(answers(spec.stack.url("incidents") + "/healthz"))
        yield
        stop.set()
        thread.join(10)


def test_alerts_that_would_not_be_taken_in_are_found(spec, machine, journal):
    """The credential is the one that Alertmanager's configuration names."""
    credential = spec.stack.state / "config" / "secrets" / WEBHOOK
    write_private(credential, Tokens(spec.stack.state).webhook)
    assert checks_of(spec)["alert delivery"].state == "ok"
    write_private(credential, "another")
    check = checks_of(spec)["alert delivery"]
    assert not check.ok
    assert "answered 401" in check.found
    assert str(credential) in check.found
    assert "alert delivery" not in checks_of(spec.model_copy(update={"stack": elsewhere(spec)}))


def elsewhere(spec):
    return spec.stack.model_copy(update={"state": spec.stack.state / "no-stack-here"})


def test_how_to_get_what_is_missing_stands_once_for_all_programs(spec, machine):
    del machine["prometheus"], machine["nginx"]
    lines = told(doctor(spec))
    assert "missing   prometheus: the program prometheus is not on this machine" in lines
    assert [line for line in lines if "--no-install-recommends" in line] == [lines[-1]]
    assert "--no-install-recommends prometheus nginx-light (" in lines[-1]


def test_a_state_folder_that_others_can_enter_is_told_with_the_way_to_close_it(spec, machine):
    spec.stack.state.chmod(0o755)
    check = checks_of(spec)["state folder"]
    assert (check.state, check.fix) == ("optional", f"chmod 700 {spec.stack.state}")
    spec.stack.state.chmod(0o700)
    assert checks_of(spec)["state folder"].state == "ok"
