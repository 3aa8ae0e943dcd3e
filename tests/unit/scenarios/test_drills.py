"""What a drill declares, refuses and leaves behind. The drills themselves run on the real stack: `make drill`."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from xml.etree import ElementTree

import pytest

from bascule.api.models.journal import IncidentAnswer
from bascule.errors import ProcessFailed, UsageError
from bascule.scenarios.drills.fault import FaultClass
from bascule.scenarios.drills.once import Drill, Force, drill
from bascule.scenarios.drills.picture import picture
from bascule.scenarios.drills.several import Tried
from bascule.scenarios.drills.staging import OwnFault, drill_staging
from bascule.scenarios.faults import all_faults, fault_named
from bascule.scenarios.house import Stopped
from bascule.scenarios.receiver import Told
from bascule.spec import built_in_text, load


def bascule(*arguments):
    return subprocess.run([sys.executable, "-m", "bascule", *arguments], capture_output=True, text=True, check=False)


def test_every_fault_declares_its_class_its_bound_and_what_finds_it():
    found = all_faults()
    assert len({fault.key for fault in found}) == len(found) >= 20
    for fault in found:
        if fault.kind is FaultClass.QUIET:
            assert not fault.expects, fault.key
        else:
            assert fault.expects, fault.key
            assert fault.evidence, fault.key
            assert fault.bound > 0, fault.key
    assert {fault.kind for fault in found} == set(FaultClass)


def test_an_unknown_fault_is_refused_with_the_names_of_all():
    with pytest.raises(UsageError, match="'meteor' is not a fault"):
        fault_named("meteor")
    with pytest.raises(UsageError) as refused:
        fault_named("meteor")
    assert "error-spike" in str(refused.value)


def test_services_that_are_not_the_labs_are_refused(tmp_path):
    spec = tmp_path / "shop.yaml"
    spec.write_text(built_in_text())
    done = bascule("drill", str(spec), "--fault", "crash")
    assert done.returncode == 2
    assert "--inject CMD and --restore CMD" in done.stderr


class Journal:
    """A stack without incidents, whose user stops it while a fault is in force."""

    spec = load("supersmartmatch")
    incidents_so_far: list[IncidentAnswer] = []  # noqa: RUF012

    def __init__(self, stopped_in=()):
        self.notes = []
        self._stopped_in = stopped_in

    def annotate(self, kind, text):
        self.notes.append(text)

    def incidents(self):
        return list(self.incidents_so_far)

    open_incidents = incidents

    def wait(self, seconds):
        if "wait" in self._stopped_in:
            raise Stopped("stopped")

    def wait_for(self, what, condition, seconds):
        return condition()


class Nobody:
    def __init__(self, *told):
        self.told = told

    def firing(self, since):
        return [each for each in self.told if each.at >= since]


def test_a_drill_that_is_interrupted_removes_its_fault():
    calls = []
    force = Force(lambda: calls.append("in") or time.time(), lambda: calls.append("out"))
    with pytest.raises(Stopped):
        drill(Journal(stopped_in=("wait",)), Nobody(), fault_named("worker-restart"), force)
    assert calls == ["in", "out"]


def test_a_fault_that_breaks_only_half_is_removed_too():
    calls = []

    def inject():
        raise ProcessFailed("half")

    with pytest.raises(ProcessFailed):
        drill(Journal(), Nobody(), fault_named("worker-restart"), Force(inject, lambda: calls.append("out")))
    assert calls == ["out"]


def test_a_notice_during_a_drill_that_must_be_silent_fails_it():
    fault = fault_named("worker-restart")
    silent = drill(Journal(), Nobody(), fault, Force(time.time, lambda: None))
    assert Tried(fault, [silent]).failures == []
    told = Told(time.time() + 60, "CRITICAL: ServiceDown", "", "critical", "firing")
    alarmed = drill(Journal(), Nobody(told), fault, Force(time.time, lambda: None))
    assert Tried(fault, [alarmed]).failures == ["unexpected: CRITICAL: ServiceDown"]


def test_a_hard_fault_is_held_to_its_median_and_to_its_slowest_run():
    fault = fault_named("crash")
    runs = [Drill("crash", delivered=seconds, ended=1.0) for seconds in (4.0, 5.0, 9.0)]
    assert Tried(fault, runs).failures == []
    slow = [Drill("crash", delivered=seconds, ended=1.0) for seconds in (4.0, 5.0, 21.0)]
    assert Tried(fault, slow).failures == ["slowest 21.0 s, bound 20 s"]
    missed = [Drill("crash", delivered=4.0), Drill("crash")]
    assert Tried(fault, missed).failures == ["1 of 2 not delivered"]


def test_the_picture_of_a_drill_is_an_svg_with_its_moments():
    found = Drill("crash", alert=3.0, delivered=4.5, removed=10.0, course=[(-5.0, 0.0), (1.0, 0.0), (2.0, 1.0)])
    tree = ElementTree.fromstring(picture(fault_named("crash"), found))
    assert "delivered 4.5 s" in "".join(tree.itertext())


def test_the_restoring_command_of_a_staging_drill_runs_though_the_breaking_one_failed(tmp_path, monkeypatch):
    """No journal answers here: the drill ends before anything is broken."""
    restored = tmp_path / "restored"
    monkeypatch.setattr("bascule.scenarios.drills.staging.Watched", lambda spec, stop: Journal())
    with pytest.raises(ProcessFailed, match="--inject 'false' ended with status 1"):
        drill_staging(load("supersmartmatch"), "false", f"touch {restored}", threading.Event())
    assert restored.exists()
    assert OwnFault().is_found_by("AnythingThatPages")
