"""Hours of escalation in milliseconds: a clock that is set, and what each hour brings."""

from __future__ import annotations

import tempfile
import threading
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bascule.api.models.verdict import VerdictAnswer
from bascule.delivery import Delivery, Message, Result
from bascule.errors import StoreError, UsageError
from bascule.incidents.escalator import Escalator
from bascule.incidents.guidance import Guidance
from bascule.incidents.model import Notification, PhaseStep, Window
from bascule.incidents.quiet import Quiet
from bascule.incidents.store import Store
from bascule.prometheus import HeldSilence
from bascule.spec import built_in_text, load
from bascule.spec.model import EscalationStep, Maintenance, Notify
from bascule.spec.receivers import Receiver, Webhook

MINUTE, HOUR = 60.0, 3600.0
LEVELS = ("first", "second", "third", "management")
PROMPT = {"first": 0, "second": 5, "third": 12}  # seconds after which each level is notified
ORDER = (*LEVELS, "deputy")
STEPS = {
    "technical": [(0, "first"), (15, "second"), (30, "third"), (60, "management")],
    "business": [(0, "first"), (5, "second"), (15, "third"), (60, "management")],
    "customer": [(0, "first"), (10, "second"), (30, "third")],
}


class Heard(NamedTuple):
    """What reached a receiver. `situation`: its number, as the message's key has it."""

    name: str
    situation: str
    kind: str
    text: str


class House:
    """A journal, an escalator and receivers that write down what reached them, on a clock of its own."""

    def __init__(self, folder):
        self.now = 0.0
        self.told: list[tuple[float, str, str]] = []
        self.begun: dict[str, float] = {}
        self.broken: set[str] = set()
        self.keys: set[str] = set()
        self.texts: list[str] = []
        self.heard: list[Heard] = []
        self.subjects: list[str] = []
        self.owed: list[tuple[str, Message]] = []
        self.delivered: dict[str, Delivery] = {}
        receivers = self.named(*LEVELS)
        steps = {k: [EscalationStep(after=m * MINUTE, to=to) for m, to in v] for k, v in STEPS.items()}
        self.spec = load("supersmartmatch").model_copy(update={"notify": Notify(receivers=receivers, escalation=steps)})
        self.folder = folder
        self.open()

    def open(self):
        self.store = Store(self.folder / "incidents.sqlite", 0.0)
        self.quiet = Quiet(self.store)
        self.escalator = Escalator(self.spec, self.store, self, self.quiet, lambda: self.now)
        self.escalator.resume()

    def close(self):
        self.store.close()

    def escalate(self, steps, receivers=None):
        """Go on with another escalation, or other receivers, as after a change of the spec and a restart."""
        changed = {"escalation": steps, "receivers": receivers or self.spec.notify.receivers}
        self.spec = self.spec.model_copy(update={"notify": self.spec.notify.model_copy(update=changed)})
        self.close()
        self.open()

    def owe(self, name, message):
        """The courier's place: it delivers at once, or owes where the receiver is broken."""
        if name not in self.spec.notify.receivers:
            raise UsageError(f"{name!r} is not a declared receiver")
        if message.key in self.keys:
            return []
        self.keys.add(message.key)
        if name in self.broken:
            self.owed.append((name, message))
            return []
        return [self.deliver(name, message)]

    def deliver(self, name, message):
        self.told.append((self.now / MINUTE, name, message.subject.split("] ")[1].split(":")[0]))
        self.texts.append(message.text)
        notice = message.key.removeprefix(f"{self.spec.metadata.name}-{self.store.identity}-")
        self.heard.append(Heard(name, *notice.split(":")[:2], message.text))
        self.subjects.append(message.subject)
        done = Delivery(message.key, name, "webhook", message.subject, Result.DELIVERED, 1, "", self.now, self.now)
        self.escalator.heard(done)
        self.delivered[message.key] = done
        return done

    def mend(self, name):
        """A broken receiver is back: it gets what it is owed, in order."""
        self.broken.discard(name)
        waiting, self.owed = self.owed, [each for each in self.owed if each[0] != name]
        for receiver, message in waiting:
            if receiver == name:
                self.deliver(receiver, message)

    def settled(self, key):
        """What the record of deliveries holds of a message."""
        return [self.delivered[key]] if key in self.delivered else []

    @staticmethod
    def named(*names):
        return {name: Receiver(webhook=Webhook(url=f"http://{name}.invalid/")) for name in names}

    def fire(self, fingerprint="f", firing=True, **labels):
        labels = {"alertname": "CandidateWorse", "severity": "critical"} | labels
        starts = self.begun.setdefault(fingerprint, self.now)
        return self.store.receive(Notification(fingerprint, firing, labels, {}, starts, None, self.now))

    def end(self, fingerprint="f", **labels):
        """An end that fresh evidence confirms."""
        labels = {"alertname": "CandidateWorse", "severity": "critical"} | labels
        starts = self.begun.pop(fingerprint)
        claimed = self.store.receive(Notification(fingerprint, False, labels, {}, starts, self.now, self.now))
        return self.store.confirm_end(claimed.id, self.now)

    def until(self, minutes):
        """Let the clock run minute by minute."""
        while self.now < minutes * MINUTE:
            self.now += MINUTE
            self.tick()

    def run(self, seconds, step=1):
        """Let the clock run, a look each `step` seconds."""
        for _ in range(0, seconds, step):
            self.now += step
            self.tick()

    def tick(self):
        """One look. Threads tell all of one moment at once; here they stand in the order of their levels."""
        before = len(self.told)
        self.escalator.tick()
        self.told[before:] = sorted(self.told[before:], key=lambda told: ORDER.index(told[1]))

    def steps(self):
        return [(at, name) for at, name, what in self.told if what in ("CRITICAL", "CRITICAL AGAIN")]


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


def reminders(house):
    return [(at, name) for at, name, what in house.told if what.startswith("STILL")]


def test_everyone_who_was_told_is_reminded_a_quarter_of_an_hour_after_what_they_were_told_last(house):
    house.fire(partner="acme")
    house.tick()
    house.until(46)
    assert reminders(house) == [
        (15, "first"),
        (25, "second"),
        (30, "first"),
        (40, "second"),
        (45, "first"),
        (45, "third"),
    ]


def test_everyone_outside_the_escalations_is_reminded(house):
    house.escalate({})
    house.fire()
    house.tick()
    house.until(16)
    assert reminders(house) == [(15, name) for name in LEVELS]


def test_a_receiver_that_is_gone_from_the_spec_keeps_nobody_from_being_reminded(house):
    """The last level that was notified is removed while the situation is open."""
    house.fire()
    house.tick()
    house.until(61)
    left = {name: each for name, each in house.spec.notify.receivers.items() if name in ("first", "second")}
    house.told.clear()
    house.escalate({"technical": house.spec.notify.escalation["technical"][:2]}, left)
    house.until(80)
    assert reminders(house) == [(75, "first"), (75, "second")]
    assert {name for _, name, _ in house.told} == {"first", "second"}


def test_a_receiver_with_a_new_name_is_told_where_its_level_was_reached(house):
    house.fire()
    house.tick()
    house.until(20)
    house.told.clear()
    second = EscalationStep(after=15 * MINUTE, to="deputy")
    house.escalate(
        {"technical": [house.spec.notify.escalation["technical"][0], second]}, house.named("first", "deputy")
    )
    house.until(36)
    assert house.steps() == [(21, "deputy")]
    assert reminders(house) == [(30, "first"), (36, "deputy")]


def test_who_was_told_late_is_reminded_from_then_on_and_not_before(house):
    """What is owed already is not said a second time: the receiver would hear both when it is back."""
    house.broken.add("first")
    house.fire()
    house.tick()
    house.until(40)
    house.mend("first")
    house.until(56)
    assert [(at, what) for at, name, what in house.told if name == "first"] == [
        (40, "CRITICAL"),
        (55, "STILL CRITICAL, not acknowledged"),
    ]


def quiet_by_the_journal(house, service="redis"):
    house.store.add_window(Window(0, 600, 5400, "upgrade", (service,), silence="s"))


def quiet_by_the_spec(house, service="redis"):
    house.quiet.declared = [
        Maintenance(start="1970-01-01T00:10:00Z", end="1970-01-01T01:30:00Z", reason="upgrade", services=[service])
    ]


def quiet_by_a_person(house):
    house.quiet.silences = [HeldSilence("s", [{"name": "job", "value": "redis"}], 600, 5400, "I know")]


@pytest.mark.parametrize("quiet", [quiet_by_the_journal, quiet_by_the_spec, quiet_by_a_person])
class TestQuiet:
    """From 10 to 90 min nobody is called for Redis."""

    def test_an_incident_that_is_open_before_it_calls_again_after_it(self, house, quiet):
        quiet(house)
        house.fire(alertname="ServiceDown", job="redis")
        house.tick()
        house.until(90)
        assert [at for at, _, _ in house.told if 10 <= at < 90] == []
        assert house.steps() == [(0, "first"), (90, "second"), (90, "third"), (90, "management")]

    def test_an_end_in_it_is_told_and_the_next_failure_after_it_too(self, house, quiet):
        quiet(house)
        house.fire(alertname="ServiceDown", job="redis")
        house.tick()
        house.now = 20 * MINUTE
        house.end(alertname="ServiceDown", job="redis")
        house.until(30)
        assert house.told[1:] == [(21, "first", "RESOLVED")]
        house.fire(alertname="ServiceDown", job="redis")
        house.until(91)
        assert (90, "first") in house.steps()

    def test_another_service_calls_in_it(self, house, quiet):
        quiet(house)
        house.now = 20 * MINUTE
        house.fire(alertname="ServiceDown", job="nginx")
        house.tick()
        assert house.steps() == [(20, "first")]


@pytest.mark.parametrize("quiet", [quiet_by_the_journal, quiet_by_the_spec])
def test_what_is_about_its_version_calls_nobody_either(house, quiet):
    """Version v2 has no other service than this one, and a trigger is about a version."""
    house.quiet.about = house.spec.labels_about
    quiet(house, "supersmartmatch-v2")
    house.until(10)
    house.fire(alertname="RollbackTriggered", version="v2")
    house.until(89)
    assert house.told == []
    house.fire("v1", alertname="ResponseTimeHigh", version="v1")
    house.tick()
    assert house.told


def test_the_end_is_told_to_everyone_who_was_told_and_to_nobody_else(house):
    house.fire()
    house.tick()
    house.until(16)
    house.end()
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


def test_new_alerts_of_a_situation_are_told_together_ten_seconds_after_the_last_message(house):
    house.fire("a")
    house.tick()
    house.now += 5
    house.fire("b")
    house.fire("c")
    house.run(15)
    assert [(round(at * MINUTE), what) for at, _, what in house.told] == [
        (0, "CRITICAL"),
        (10, "CRITICAL, more alerts"),
    ]


def growth(house):
    return [(round(at * MINUTE), name) for at, name, what in house.told if what.endswith("more alerts")]


def test_a_new_alert_is_told_to_everyone_though_somebody_else_was_told_of_the_situation_just_then(house):
    """The third level is told of both alerts at once; the others know of one until they are told."""
    house.escalate({"technical": [EscalationStep(after=after, to=to) for to, after in PROMPT.items()]})
    house.fire("a")
    house.tick()
    house.run(6)
    house.fire("b")
    house.run(20)
    assert [(round(at * MINUTE), name) for at, name in house.steps() if name in LEVELS[:3]] == [
        (0, "first"),
        (5, "second"),
        (12, "third"),
    ]
    assert [each for each in growth(house) if each[1] != "management"] == [(10, "first"), (15, "second")]


def test_a_new_alert_that_a_message_holds_is_not_told_once_more(house):
    house.fire("a")
    house.tick()
    house.now = 899
    house.fire("b")
    house.now = 900  # a reminder is due, and lists both
    house.tick()
    house.run(60)
    assert reminders(house) == [(15, "first")]
    assert growth(house) == []


def test_an_alert_that_was_written_down_after_the_message_is_told_whatever_time_it_bears(house):
    """A webhook of a thousand alerts takes seconds: it came before the message, which does not hold it."""
    house.fire("a")
    house.now = 5.0
    house.tick()
    labels = {"alertname": "CandidateWorse", "severity": "critical"}
    house.store.receive(Notification("b", True, labels, {}, 4.0, None, 4.0))
    house.run(11)
    assert growth(house) == [(15, "first")]


def test_a_storm_of_new_alerts_ends_at_one_message_a_minute(house):
    for number in range(60):
        house.fire(f"{number}")
        house.run(5, step=5)
    at = [round(when * MINUTE) for when, _, what in house.told if "CRITICAL" in what]
    assert [later - sooner for sooner, later in pairwise(at)] == [10, 20, 40, 60, 60, 60]


def test_an_outage_that_comes_back_within_its_situation_is_told_within_seconds(house):
    """A budget that is spent too fast keeps the situation open; the service is down again half a minute later."""
    house.fire("down", alertname="ServiceDown", job="redis")
    house.run(12)
    house.fire("budget", alertname="SlaBudgetBurn", job="redis")
    house.run(20)
    house.end("down", alertname="ServiceDown", job="redis")
    house.run(15)
    house.fire("again", alertname="ServiceDown", job="redis")
    house.run(1)
    at, _, what = house.told[-1]
    assert (round(at * MINUTE), what) == (48, "CRITICAL, more alerts")


def test_a_restart_repeats_nothing_and_forgets_nothing(house):
    house.fire()
    house.tick()
    house.until(10)
    house.close()
    house.open()
    house.until(20)
    assert house.steps() == [(0, "first"), (15, "second")]


def test_a_pause_longer_than_the_steps_is_caught_up_without_a_burst_of_reminders(house):
    house.fire()
    house.now = 5 * HOUR
    house.tick()
    house.until(5 * 60 + 10)
    assert [name for _, name in house.steps()] == list(LEVELS)
    assert not [what for _, _, what in house.told if what.startswith("STILL")]


def test_a_receiver_that_cannot_be_reached_is_followed_by_the_next_level_within_a_minute(house):
    """Nobody waits a quarter of an hour because the first level's server is down."""
    house.broken.add("first")
    house.fire()
    house.tick()
    house.until(31)
    assert house.steps() == [(1, "second"), (30, "third")]
    (notice,) = [notice for notice in house.store.notices() if notice.receiver == "first"]
    assert notice.outcome == "pending"


def test_a_warning_whose_only_level_cannot_be_reached_is_told_to_somebody_else(house):
    house.broken.add("first")
    house.fire(severity="warning")
    house.tick()
    house.until(3)
    assert [name for _, name, _ in house.told] == ["second"]


def test_a_gate_calls_nobody_and_repeats_nothing(house):
    house.fire(severity="gate")
    house.tick()
    house.until(240)
    assert house.told == []


def test_a_critical_alert_that_joins_a_warning_climbs_from_its_own_beginning(house):
    """It is told at once, and the next levels count from it, not from the warning."""
    house.fire("a", severity="warning")
    house.tick()
    house.until(40)
    house.fire("b")
    house.tick()
    house.until(56)
    assert [(at, name) for at, name, what in house.told if what == "CRITICAL"] == [(40, "first"), (55, "second")]


def test_a_message_is_titled_by_the_most_severe_and_newest_alert(house):
    for number in range(15):
        house.fire(f"w{number}", severity="warning", alertname="GateUnmet")
    house.tick()
    house.now += 70
    house.fire("new", alertname="RollbackTriggered")
    house.tick()
    assert "CRITICAL: RollbackTriggered (and 15 more)" in house.subjects[-1]
    assert house.texts[-1].index("RollbackTriggered") < house.texts[-1].index("GateUnmet")


def test_trouble_of_the_monitoring_never_gives_its_name_to_the_migrations_fault(house):
    house.fire("n", alertname="NotificationsFailing")
    house.fire("c", alertname="CandidateWorse")
    house.tick()
    assert sorted(subject.rpartition(": ")[2] for subject in house.subjects) == [
        "CandidateWorse",
        "NotificationsFailing",
    ]


def test_a_new_beginning_is_told_at_once_to_everyone_who_was_told_of_the_end(house):
    """Also where the situation was acknowledged."""
    incident = house.fire()
    house.tick()
    house.until(16)
    house.store.acknowledge(incident.id, "ada", house.now)
    house.until(18)
    house.end()
    house.until(20)
    house.begun["f"] = 0.0
    house.fire()
    house.tick()
    again = [(at, name, what) for at, name, what in house.told if at == 20]
    assert sorted(again) == [(20, "first", "CRITICAL AGAIN"), (20, "second", "CRITICAL AGAIN")]
    house.until(51)
    assert (50, "third") in house.steps()


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_what_began_again_unseen_calls_at_once_and_nobody_is_told_of_an_end_then(house, is_acknowledged):
    """Its end would be told while it fires."""
    incident = house.fire()
    house.tick()
    house.until(2)
    if is_acknowledged:
        house.store.acknowledge(incident.id, "ada", house.now)
        house.tick()
    house.until(5)
    house.begun["f"] = house.now - 30
    house.fire()
    house.tick()
    assert [(name, what) for at, name, what in house.told if at == 5] == [("first", "CRITICAL")]
    house.until(21)
    assert (20, "second") in house.steps()
    house.end()
    house.tick()
    ended = [(name, what) for at, name, what in house.told if at == 21]
    assert ended == [("first", "RESOLVED"), ("second", "RESOLVED")]


def test_the_verdict_and_the_way_back_are_the_first_lines_of_what_is_about_a_fault(house, tmp_path):
    """The monitoring's own trouble says neither; nor does anything say how to go back when nothing went forward."""
    file = tmp_path / "my spec.yaml"
    file.write_text(built_in_text())
    verdict = VerdictAnswer(verdict="roll_back", since=HOUR, reasons=["V2 fails.", "It is slow.", "It is late."])
    guidance = Guidance(load(file), house.store, lambda: verdict)
    house.escalator = Escalator(house.spec, house.store, house, house.quiet, lambda: house.now, guidance.lines)
    head, reasons = "verdict: roll back, since 01:00:00 UTC", ["reasons (2 of 3):", "- V2 fails.", "- It is slow."]
    house.fire("early")
    house.tick()
    assert house.texts[0].splitlines()[:4] == [head, *reasons]
    assert "roll back: " not in house.texts[0]
    step = PhaseStep(house.now, 1, 0.1, "ada", "")
    house.store.finish_move(house.store.intend(step), step)
    house.fire("later", alertname="ServiceDown", job="redis")
    house.fire("own", alertname="RoleDown", job="bascule-judge")
    house.tick()
    command = f"to roll back: bascule rollback --spec '{file}' --who \"$(id -un)\""
    alerts = (subject.rpartition(": ")[2] for subject in house.subjects)
    by_alert = dict(zip(alerts, map(str.splitlines, house.texts), strict=True))
    assert by_alert["ServiceDown"][:5] == [head, command, *reasons]
    assert not {head, command, *reasons} & set(by_alert["RoleDown"])


def test_a_judge_that_gives_no_answer_is_no_verdict(house):
    assert "no data" in Guidance(house.spec, house.store, lambda: None).lines()[0]


def test_a_notice_for_a_receiver_no_longer_in_the_spec_is_written_down_as_failed(house):
    steps = {"technical": [EscalationStep(after=0, to="gone")]}
    notify = house.spec.notify.model_copy(update={"escalation": steps})
    spec = house.spec.model_copy(update={"notify": notify})
    escalator = Escalator(spec, house.store, house, house.quiet, lambda: house.now)
    house.spec = spec.model_copy(update={"notify": spec.notify.model_copy(update={"receivers": {}})})
    house.fire()
    escalator.tick()
    assert [notice.outcome for notice in house.store.notices() if notice.receiver == "gone"] == ["failed"]


@pytest.mark.parametrize("steps", [{"business": [EscalationStep(after=0, to=to) for to in LEVELS]}, {"technical": []}])
@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_an_alert_that_no_escalation_is_for_is_told_to_everyone(house, steps, severity):
    """`check` refuses such a spec; nobody may be unheard for it."""
    house.escalate(steps)
    house.fire(severity=severity)
    house.tick()
    assert [name for _, name, _ in house.told] == list(LEVELS)


def test_a_new_incident_is_told_at_once_with_what_fails_with_it(house, eventually):
    stop = threading.Event()
    teller = threading.Thread(target=house.escalator.run, args=(stop, 600.0))
    teller.start()
    try:
        house.fire("resumes")  # the first look is at what was left behind
        eventually(lambda: not house.store.opened.is_set())
        for number in range(5):
            house.fire(f"{number}")
        eventually(lambda: house.told)
        assert [what for _, _, what in house.told] == ["CRITICAL"]
        assert house.subjects[0].endswith("(and 5 more)")
    finally:
        stop.set()
        teller.join(5)
    assert not teller.is_alive()


def test_a_journal_that_fails_for_a_moment_ends_no_escalation(house, monkeypatch, eventually):
    """Not even at the start, when what was left behind is looked for."""
    house.fire()
    failures = iter([StoreError("locked"), StoreError("locked")])
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


def test_a_second_critical_alert_after_the_first_climbs_from_its_own_beginning(house):
    """A warning held the situation open in between: the levels of the first are not due for the second."""
    house.fire("w", alertname="SlowRequests", severity="warning")
    house.fire("a")
    house.until(2)
    house.end("a")
    house.until(40)
    house.told.clear()
    house.fire("b")
    house.until(60)
    assert house.steps() == [(41, "first"), (55, "second")]


def test_critical_alerts_that_overlap_are_one_climb(house):
    house.fire("a")
    house.until(10)
    house.fire("b")
    house.until(12)
    house.end("a")
    house.until(31)
    assert house.steps() == [(1, "first"), (15, "second"), (30, "third")]


def test_a_clock_that_is_set_back_keeps_nobody_from_hearing_at_once(house):
    house.until(90)
    house.fire()
    house.now = 30 * MINUTE
    house.tick()
    assert [name for _, name in house.steps()] == ["first"]


def test_a_clock_that_is_set_back_keeps_no_level_waiting_for_one_that_cannot_be_reached(house):
    house.now = 10 * HOUR
    house.broken = {"first"}
    house.fire()
    house.tick()
    house.now = 9 * HOUR
    house.tick()
    assert [name for _, name in house.steps()][:1] == ["second"]


def test_what_one_situation_meets_keeps_nobody_from_hearing_of_the_others(house, monkeypatch):
    real = house.store.situation
    broken = house.fire("a").situation

    def situation(identity):
        if identity == broken:
            raise KeyError("a row that nobody would write")
        return real(identity)

    monkeypatch.setattr(house.store, "situation", situation)
    house.fire("b", alertname="ServiceDown", job="redis")
    house.tick()
    assert house.steps() == [(0, "first")]


def test_a_verdict_that_cannot_be_told_keeps_nobody_from_hearing(house):
    def broken():
        raise ValueError("an answer of a newer judge")

    house.escalator = Escalator(house.spec, house.store, house, house.quiet, lambda: house.now, broken)
    house.fire()
    house.tick()
    assert house.steps() == [(0, "first")]


def test_no_alert_makes_a_message_that_a_receiver_refuses_for_its_length(house):
    labels = {"alertname": "A" * 5000, "severity": "critical"}
    house.store.receive(Notification("f", True, labels, {"description": "d" * 20_000}, 0.0, None, 0.0))
    house.tick()
    assert max(map(len, [*house.subjects, *house.texts[0].splitlines()])) <= 1000


def test_an_end_waits_for_evidence_of_now_and_a_new_beginning_comes_before_it(house):
    """A journal that was stopped between the end and its notice: the fault is back when it goes on."""
    house.escalator = Escalator(
        house.spec, house.store, house, house.quiet, lambda: house.now, is_over=lambda incidents, now: False
    )
    house.fire()
    house.tick()
    house.now = 30
    house.end()
    house.tick()
    assert [what for _, _, what in house.told] == ["CRITICAL"]
    house.now = 65
    again = house.fire()
    house.tick()
    assert [what for _, _, what in house.told] == ["CRITICAL", "CRITICAL"]
    assert again.situation == 1


def test_what_begins_after_its_end_was_told_is_a_situation_of_its_own(house):
    house.fire()
    house.tick()
    house.now = 30
    house.end()
    house.tick()
    house.now = 65
    assert house.fire().situation == 2


def ends(house):
    return [(at, name) for at, name, what in house.told if what == "RESOLVED"]


def test_an_end_is_told_after_a_journal_that_was_stopped_for_days(house):
    house.fire()
    house.tick()
    house.until(16)
    house.end()
    house.close()
    house.now += 3 * 24 * HOUR
    house.open()
    house.tick()
    assert [name for _, name in ends(house)] == ["first", "second"]


def test_an_end_that_waits_for_evidence_for_days_is_told_once(house):
    is_known = []
    house.escalator = Escalator(
        house.spec, house.store, house, house.quiet, lambda: house.now, is_over=lambda incidents, now: bool(is_known)
    )
    house.fire()
    house.tick()
    house.now = 30.0
    house.end()
    for _ in range(50):
        house.now += HOUR
        house.tick()
    assert ends(house) == []
    is_known.append(True)
    house.run(3)
    assert [name for _, name in ends(house)] == ["first"]


def test_what_is_still_owed_when_the_fault_ends_is_followed_by_the_end_also_after_a_restart(house):
    house.broken.add("first")
    house.fire()
    house.tick()
    house.now = 30.0
    house.end()
    house.tick()
    house.close()
    house.open()
    house.mend("first")
    house.run(10)
    assert [what for _, name, what in house.told if name == "first"] == ["CRITICAL", "RESOLVED"]


def test_nobody_hears_an_end_twice_though_it_began_again_and_ended_before_anyone_was_told(house):
    incident = house.fire()
    house.tick()
    house.now = 30.0
    house.end()
    house.tick()
    house.store.reopen_incident(incident.id, "ada", "a mistake", 31.0)
    house.store.close_incident(incident.id, "ada", "it was none", 31.5)
    house.run(10)
    assert len(ends(house)) == 1


def test_a_clock_that_is_set_back_between_a_beginning_and_its_end_hides_no_end(house):
    house.now = HOUR
    incident = house.fire()
    house.tick()
    house.end()
    house.tick()
    house.now = 60.0
    house.store.reopen_incident(incident.id, "ada", "it is back", house.now)
    house.tick()
    house.store.close_incident(incident.id, "ada", "over", house.now)
    house.run(5)
    assert [what for _, _, what in house.told if what in ("RESOLVED", "CRITICAL AGAIN")] == [
        "RESOLVED",
        "CRITICAL AGAIN",
        "RESOLVED",
    ]


def test_an_end_that_an_older_journal_never_told_is_told_once(house):
    house.fire()
    house.tick()
    house.end()
    house.now += 400 * 24 * HOUR
    for _ in range(3):
        house.close()
        house.open()
        house.run(5)
    assert [name for _, name in ends(house)] == ["first"]


def test_a_notice_that_arrived_as_the_journal_was_killed_is_known_to_have_arrived(house, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(house.escalator, "heard", lambda delivery: None)
        house.fire()
        house.tick()
    assert [notice.outcome for notice in house.store.notices()] == ["pending"]
    house.close()
    house.open()
    assert [notice.outcome for notice in house.store.notices()] == ["delivered"]
    assert len(house.told) == 1


ENDS_AND_BEGINNINGS = ("step", "reopened", "resolved")


class Notices(RuleBasedStateMachine):
    """Alerts come and go, receivers break, the journal is restarted, at any moment. In the end everything works again:
    then each receiver knows what is open, and has heard one end of all else that it was called for."""

    def __init__(self):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.house = House(Path(self._folder.name))

    @rule(alert=st.sampled_from("abc"), seconds=st.integers(0, 20))
    def fires(self, alert, seconds):
        self.house.fire(alert)
        self.house.run(seconds)

    @precondition(lambda self: self.house.begun)
    @rule(data=st.data())
    def ends(self, data):
        self.house.end(data.draw(st.sampled_from(sorted(self.house.begun))))

    @precondition(lambda self: self.house.store.open_incidents())
    @rule(data=st.data())
    def is_acknowledged(self, data):
        numbers = [incident.id for incident in self.house.store.open_incidents()]
        self.house.store.acknowledge(data.draw(st.sampled_from(numbers)), "ada", self.house.now)

    @rule(name=st.sampled_from(LEVELS))
    def breaks(self, name):
        self.house.broken.add(name)

    @rule(name=st.sampled_from(LEVELS))
    def works_again(self, name):
        self.house.mend(name)

    @rule()
    def is_restarted(self):
        self.house.close()
        self.house.open()

    @rule(seconds=st.sampled_from([1, 5, 30, 400, 1000]))
    def time_passes(self, seconds):
        self.house.run(seconds, step=1 if seconds < 60 else 50)

    @rule(days=st.integers(1, 3))
    def is_stopped_for_days(self, days):
        self.house.close()
        self.house.now += days * 24 * HOUR
        self.house.open()

    def teardown(self):
        for name in LEVELS:
            self.house.mend(name)
        self.house.run(130, step=5)
        for incident in self.house.store.incidents():
            self._check(incident)
        self._check_ends()
        self.house.close()
        self._folder.cleanup()

    def _check(self, incident):
        """Whoever was called for its situation, which is open and nobody has acknowledged, was called for it."""
        if incident.resolved is None and incident.acknowledged is None:
            called = {heard.name for heard in self._about(incident.situation)}
            assert called
            lists = {heard.name for heard in self._about(incident.situation) if f"#{incident.id} " in heard.text}
            assert lists == called

    def _check_ends(self):
        open_ones = {incident.situation for incident in self.house.store.open_incidents()}
        for number in {int(heard.situation) for heard in self.house.heard}:
            for name in LEVELS:
                told = [heard.kind for heard in self._about(number) if heard.name == name]
                told = [
                    "end" if kind == "resolved" else "call" for kind in told if kind in ("step", "reopened", "resolved")
                ]
                assert ("end", "end") not in pairwise(told)
                assert not told or (told[-1] == "end") == (number not in open_ones)

    def _about(self, number):
        return [heard for heard in self.house.heard if heard.situation == str(number)]


TestNotices = Notices.TestCase
TestNotices.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
