"""Which faults are drilled at the same time: those that break different parts, each once, and none that is left in."""

from __future__ import annotations

import random
import threading
from types import SimpleNamespace

import pytest
from drilled import Nobody, Told, Watched, incident
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import ProcessFailed
from bascule.scenarios.drills.fault import Declared, FaultClass, HousePart
from bascule.scenarios.drills.in_force import noted
from bascule.scenarios.drills.once import Force, drill
from bascule.scenarios.drills.several import ProvingGround, Results, Tried, WantedDrills
from bascule.scenarios.drills.side_by_side import Company, in_turn, side_by_side
from bascule.scenarios.faults import all_faults, fault_named
from bascule.scenarios.faults.disk_filling import DiskFilling
from bascule.scenarios.house import Stopped
from bascule.scenarios.tls import GOOD_DAYS, LAST_DAYS

PATIENCE_SECONDS = 30.0


def declared(parts=(), bound=10.0, **more):
    """A fault that exists in this test alone."""
    return type("Made", (Declared,), {"breaks": frozenset(parts), "bound": bound, "kind": FaultClass.TIMED, **more})()


faults_of_any_kind = st.lists(
    st.builds(declared, st.sets(st.sampled_from(HousePart), max_size=2), st.sampled_from([10.0, 100.0, 600.0])),
    min_size=1,
    max_size=12,
)


class Trials:
    """Faults that are in until they are released; notes what was in with what."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.changed = threading.Condition()
        self.force: list[Declared] = []
        self.tried: list[Declared] = []
        self.released: set[Declared] = set()
        self.clashes: list[tuple[Declared, Declared]] = []

    def attempt(self, fault: Declared) -> None:
        with self.changed:
            self.clashes += [(fault, other) for other in self.force if fault.excludes(other)]
            self.force.append(fault)
            self.tried.append(fault)
            self.changed.notify_all()
            try:
                self.changed.wait_for(lambda: fault in self.released or self.stop.is_set(), PATIENCE_SECONDS)
                if self.stop.is_set():
                    raise Stopped("stopped")
            finally:
                self.force.remove(fault)
                self.changed.notify_all()

    def startable(self, faults) -> list[Declared]:
        """What waits although nothing that is in excludes it."""
        waiting = [fault for fault in faults if fault not in self.tried]
        return [fault for fault in waiting if not any(fault.excludes(other) for other in self.force)]

    def until(self, condition) -> None:
        """Wait; the caller holds `changed`."""
        assert self.changed.wait_for(condition, PATIENCE_SECONDS), "nothing more is tried"

    def end(self) -> None:
        with self.changed:
            self.stop.set()
            self.changed.notify_all()


def running(faults, trials):
    """The trials on a thread of their own, and whether the user stopped them."""
    raised = []

    def run():
        try:
            side_by_side(faults, trials.attempt, trials.stop)
        except Stopped as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


@settings(max_examples=40, deadline=None)
@given(faults_of_any_kind, st.builds(random.Random, st.integers(0, 1000)))
def test_all_faults_are_tried_once_each_as_soon_as_none_that_excludes_it_is_in(faults, luck: random.Random):
    trials = Trials(threading.Event())
    thread, raised = running(faults, trials)
    try:
        for _ in faults:
            with trials.changed:
                trials.until(lambda: trials.force and not trials.startable(faults))
                trials.released.add(luck.choice([fault for fault in faults if fault in trials.force]))
                trials.changed.notify_all()
                trials.until(lambda: not trials.released.intersection(trials.force))
    finally:
        if len(trials.released) < len(faults):
            trials.end()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert (raised, trials.clashes, trials.force) == ([], [], [])
    assert sorted(map(id, trials.tried)) == sorted(map(id, faults))
    whole = [fault for fault in faults if not fault.breaks]
    assert trials.tried[: len(whole)] == whole


@settings(max_examples=20, deadline=None)
@given(faults_of_any_kind)
def test_a_stop_leaves_no_fault_in_and_tries_no_other(faults):
    trials = Trials(threading.Event())
    thread, raised = running(faults, trials)
    with trials.changed:
        trials.until(lambda: trials.force and not trials.startable(faults))
        tried = list(trials.tried)
    trials.end()
    thread.join(PATIENCE_SECONDS)
    assert [type(error) for error in raised] == [Stopped]
    assert trials.force == []
    assert trials.tried == tried


def test_a_drill_that_breaks_stops_the_others_and_its_error_is_told():
    stop, begun, ended = threading.Event(), threading.Event(), []
    beside, breaks = declared({HousePart.DISK}), declared({HousePart.LOGS})

    def attempt(fault):
        if fault is breaks:
            begun.wait(PATIENCE_SECONDS)
            raise ProcessFailed("no port is free")
        begun.set()
        ended.append(stop.wait(PATIENCE_SECONDS))
        raise Stopped("stopped")

    with pytest.raises(ProcessFailed, match="no port is free"):
        side_by_side([beside, breaks], attempt, stop)
    assert ended == [True]


def test_a_stop_removes_every_real_fault_and_its_word(tmp_path):
    stop, inside, calls = threading.Event(), threading.Semaphore(0), []
    faults = [fault_named(key) for key in ("disk-filling", "error-partner", "log-format")]
    house = Watched(stop=stop, verdicts=["hold"])

    def attempt(fault):
        def inject():
            calls.append(("in", fault.key))
            inside.release()
            return 0.0

        force = Force(inject, lambda: calls.append(("out", fault.key)))
        drill(house, Nobody(), fault, noted(force, tmp_path, fault.key))

    def stopped():
        for _ in faults:
            inside.acquire(timeout=PATIENCE_SECONDS)
        assert len(list(tmp_path.iterdir())) == len(faults)
        stop.set()

    user = threading.Thread(target=stopped)
    user.start()
    with pytest.raises(Stopped):
        side_by_side(faults, attempt, stop)
    user.join()
    assert sorted(calls) == sorted((way, fault.key) for way in ("in", "out") for fault in faults)
    assert list(tmp_path.iterdir()) == []


def test_whole_house_faults_come_first_as_given_and_then_those_that_may_take_longest():
    order = [fault.key for fault in in_turn(all_faults())]
    whole = [fault.key for fault in all_faults() if not fault.breaks and not fault.needs_history]
    assert order[: len(whole)] == whole
    assert order[len(whole) : len(whole) + 2] == ["disk-filling", "redis-evicting"]
    assert whole[-1] == "receiver-down"


def test_what_is_found_sooner_after_a_long_history_is_tried_last():
    order = in_turn(all_faults())
    last = [fault for fault in order if fault.needs_history]
    assert order[-len(last) :] == last
    assert {fault.kind for fault in last if fault.key != "error-spike"} == {FaultClass.STATISTICAL}


def test_only_timed_faults_are_in_beside_others_and_no_alert_finds_two_of_them():
    together = [fault for fault in all_faults() if fault.breaks]
    assert {fault.kind for fault in together} == {FaultClass.TIMED}
    for one in together:
        for other in together:
            if one is not other and not one.excludes(other):
                assert not set(one.expects).intersection(other.expects), (one.key, other.key)


def test_drills_that_overlap_know_of_each_other_and_those_that_follow_do_not():
    company = Company()
    first, second, third = declared(), declared(), declared()
    with company.of(first) as of_first:
        with company.of(second) as of_second:
            pass
        with company.of(third) as of_third:
            pass
    assert (of_first, of_second, of_third) == ([second, third], [first], [first])


def test_results_stand_in_the_order_of_the_faults_whichever_came_first():
    faults, written = all_faults()[:3], []
    results = Results(faults, lambda tried: written.append([each.fault.key for each in tried]))
    for fault in reversed(faults):
        results.keep(Tried(fault))
    assert written == [[each.key for each in faults[first:]] for first in (2, 1, 0)]
    assert [each.fault for each in results.tried] == faults


def test_each_line_of_faults_that_are_tried_together_names_its_fault_and_no_run_is_lost(tmp_path, monkeypatch):
    """The certificate is renewed by the fault itself; a disk cannot be mounted here."""
    monkeypatch.setattr(DiskFilling, "unable", "mounting a disk needs root")
    days, told, stop = [], [], threading.Event()
    house = Watched(stop=stop, verdicts=["hold", "no_data"])
    house.lab, house.forget = SimpleNamespace(folder=tmp_path), lambda seconds: 0.0
    house.traffic = SimpleNamespace(is_running=True)

    def renew(number):
        days.append(number)
        house.known = [incident(1, "CertificateExpires", after=60.0, severity="warning", status="open")]

    house.door, house.wait_for = SimpleNamespace(renew=renew), lambda *_: True
    faults = [fault_named("disk-filling"), fault_named("certificate")]
    results = Results(faults, lambda tried: None)
    theirs = SimpleNamespace(fired=lambda since, until: {"as written: Slow": 3.0})
    ground = ProvingGround(WantedDrills(faults, 1, 0.0, tmp_path), house, Told(house), theirs, results, told.append)
    side_by_side(faults, ground.attempt, stop)
    skipped, done = results.tried
    assert (skipped.skipped, skipped.runs) == ("mounting a disk needs root", ())
    assert (done.runs[0].delivered_alert, done.runs[0].source) == ("CertificateExpires", {"as written: Slow": 3.0})
    assert days == [LAST_DAYS, GOOD_DAYS]
    assert len(told) == 3
    assert all(line.startswith(("disk-filling", "certificate")) for line in told)


def test_without_traffic_nothing_is_drilled(tmp_path):
    house = Watched(stop=threading.Event())
    house.traffic = SimpleNamespace(is_running=False)
    results = Results([fault_named("crash")], lambda tried: None)
    ground = ProvingGround(WantedDrills([], 1, 0.0, tmp_path), house, Told(house), None, results, lambda line: None)
    with pytest.raises(ProcessFailed, match="traffic has ended"):
        ground.attempt(fault_named("crash"))
    assert results.tried == []
