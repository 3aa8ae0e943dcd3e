"""Hours of escalation in milliseconds: a clock that is set, and what each hour brings."""

from __future__ import annotations

import threading

import pytest

from bascule.delivery import Deliverer, Ledger, Policy
from bascule.delivery.deliver import Clock
from bascule.errors import DeliveryFailed, StoreError
from bascule.incidents.escalator import Escalator
from bascule.incidents.model import Notification
from bascule.incidents.store import Store
from bascule.spec import load
from bascule.spec.model import EscalationStep, Notify, Receiver, Webhook

MINUTE, HOUR = 60.0, 3600.0
LEVELS = ("first", "second", "third", "management")
STEPS = {
    "technical": [(0, "first"), (15, "second"), (30, "third"), (60, "management")],
    "business": [(0, "first"), (5, "second"), (15, "third"), (60, "management")],
    "customer": [(0, "first"), (10, "second"), (30, "third")],
}


class House:
    """A journal, an escalator and receivers that write down what reached them, on a clock of its own."""

    def __init__(self, folder):
        self.now = 0.0
        self.told: list[tuple[float, str, str]] = []
        self.broken: set[str] = set()
        receivers = {name: Receiver(webhook=Webhook(url=f"http://{name}.invalid/")) for name in LEVELS}
        steps = {k: [EscalationStep(after=m * MINUTE, to=to) for m, to in v] for k, v in STEPS.items()}
        self.spec = load("supersmartmatch").model_copy(update={"notify": Notify(receivers=receivers, escalation=steps)})
        self.folder = folder
        self.open()

    def open(self):
        self.store = Store(self.folder / "incidents.sqlite", 0.0)
        self.ledger = Ledger(self.folder / "deliveries.sqlite")
        clock = Clock(lambda: self.now, lambda seconds: None)
        self.deliverer = Deliverer(self.spec.notify.receivers, self.ledger, Policy(), self.send, clock)
        self.escalator = Escalator(self.spec, self.store, self.deliverer, lambda: self.now)

    def close(self):
        self.deliverer.close()
        self.store.close()
        self.ledger.close()

    def send(self, receiver, message, timeout):
        name = receiver.webhook.url.removeprefix("http://").removesuffix(".invalid/")
        if name in self.broken:
            raise DeliveryFailed("it is down", can_retry=True)
        self.told.append((self.now / MINUTE, name, message.subject.split("] ")[1].split(":")[0]))

    def fire(self, fingerprint="f", firing=True, **labels):
        labels = {"alertname": "CandidateWorse", "severity": "critical"} | labels
        ends = None if firing else self.now
        return self.store.receive(Notification(fingerprint, firing, labels, {}, self.now, ends, self.now))

    def until(self, minutes):
        """Let the clock run minute by minute."""
        while self.now < minutes * MINUTE:
            self.now += MINUTE
            self.tick()

    def tick(self):
        """One look. Threads tell all of one moment at once; here they stand in the order of their levels."""
        before = len(self.told)
        for future in self.escalator.tick():
            future.result()
        self.told[before:] = sorted(self.told[before:], key=lambda told: LEVELS.index(told[1]))

    def steps(self):
        return [(at, name) for at, name, what in self.told if what == "CRITICAL"]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, [(0, "first"), (15, "second"), (30, "third"), (60, "management")]),
        ({"signal": "accuracy"}, [(0, "first"), (5, "second"), (15, "third"), (60, "management")]),
        ({"partner": "acme"}, [(0, "first"), (10, "second"), (30, "third")]),
    ],
)
def test_each_kind_climbs_at_its_own_times(house, labels, expected):
    house.fire(**labels)
    house.tick()
    house.until(120)
    assert house.steps() == expected


def test_an_acknowledgement_stops_the_climb_and_is_told(house):
    incident = house.fire()
    house.tick()
    house.until(20)
    house.store.acknowledge(incident.id, "ada", house.now)
    house.until(300)
    assert house.steps() == [(0, "first"), (15, "second")]
    told = [(name, what) for _, name, what in house.told if "ACKNOWLEDGED" in what]
    assert told == [("first", "ACKNOWLEDGED by ada"), ("second", "ACKNOWLEDGED by ada")]


def test_whoever_was_told_last_is_reminded_every_quarter_of_an_hour(house):
    house.fire(partner="acme")
    house.tick()
    house.until(61)
    reminders = [(at, name) for at, name, what in house.told if what.startswith("STILL")]
    assert reminders == [(25, "second"), (45, "third"), (60, "third")]


def test_the_end_is_told_to_everyone_who_was_told_and_to_nobody_else(house):
    house.fire()
    house.tick()
    house.until(16)
    house.fire(firing=False)
    house.until(120)
    # They are told at the same time: either may be the first to hear.
    assert sorted(name for _, name, what in house.told if what == "RESOLVED") == ["first", "second"]
    assert house.steps() == [(0, "first"), (15, "second")]


def test_a_warning_reaches_the_first_level_alone_and_an_information_nobody(house):
    house.fire("a", severity="info", kind="customer")
    house.fire("b", severity="warning")
    house.tick()
    house.until(119)
    assert {name for _, name, _ in house.told} == {"first"}


@pytest.mark.parametrize("severity", ["gate", "none", "info"])
def test_what_does_not_page_is_told_to_nobody(house, severity):
    house.fire(severity=severity)
    house.until(300)
    assert house.told == []


def test_an_alert_of_an_unknown_severity_is_told_like_a_warning(house):
    house.fire(severity="page-me-now")
    house.tick()
    house.until(29)
    assert {name for _, name, _ in house.told} == {"first"}


def test_many_alerts_at_once_are_one_message(house):
    for number in range(50):
        house.fire(f"f{number}")
    house.tick()
    assert len(house.told) == 1


def test_new_alerts_of_a_situation_are_told_together_at_most_once_a_minute(house):
    house.fire("a")
    house.tick()
    house.now += 5
    house.fire("b")
    house.fire("c")
    house.until(3)
    assert [what for _, _, what in house.told] == ["CRITICAL", "CRITICAL, more alerts"]


def test_a_restart_repeats_nothing_and_forgets_nothing(house):
    house.fire()
    house.tick()
    house.until(10)
    house.close()
    house.open()
    house.escalator.resume()
    house.until(20)
    assert house.steps() == [(0, "first"), (15, "second")]


def test_a_pause_longer_than_the_steps_is_caught_up_without_a_burst_of_reminders(house):
    house.fire()
    house.now = 5 * HOUR
    house.tick()
    house.until(5 * 60 + 10)
    assert [name for _, name in house.steps()] == list(LEVELS)
    assert not [what for _, _, what in house.told if what.startswith("STILL")]


def test_a_receiver_that_fails_keeps_nobody_else_from_being_told(house, eventually):
    house.broken.add("first")
    house.fire()
    house.tick()
    house.until(31)
    assert house.steps() == [(15, "second"), (30, "third")]

    def outcomes():
        return {(notice.outcome, notice.attempts) for notice in house.store.notices() if notice.receiver == "first"}

    eventually(lambda: outcomes() == {("failed", 4)})


def test_a_notice_for_a_receiver_no_longer_in_the_spec_is_written_down_as_failed(house):
    steps = {"technical": [EscalationStep(after=0, to="gone")]}
    notify = house.spec.notify.model_copy(update={"escalation": steps})
    spec = house.spec.model_copy(update={"notify": notify})
    escalator = Escalator(spec, house.store, house.deliverer, lambda: house.now)
    house.fire()
    assert escalator.tick() == []
    assert [notice.outcome for notice in house.store.notices()] == ["failed"]


def test_a_journal_that_fails_for_a_moment_ends_no_escalation(house, monkeypatch, eventually):
    """Not even at the start, when what was left behind is looked for."""
    house.fire()
    failures = iter([StoreError("locked"), StoreError("locked"), KeyError("a defect")])
    known = house.store.notices

    def notices(*arguments):
        for failure in failures:
            raise failure
        return known(*arguments)

    monkeypatch.setattr(house.store, "notices", notices)
    stop = threading.Event()
    teller = threading.Thread(target=house.escalator.run, args=(stop, 0.01))
    teller.start()
    try:
        eventually(lambda: house.steps() == [(0, "first")])
    finally:
        stop.set()
        teller.join()
