"""The journal: what was delivered is kept, once, in order, across restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import StoreError, UsageError
from bascule.incidents.model import Entry, Notification, PhaseStep, Window
from bascule.incidents.store import Store


@pytest.fixture
def store(tmp_path):
    journal = Store(tmp_path / "state" / "incidents.sqlite", now=100.0)
    yield journal
    journal.close()


def notification(at: float, firing: bool = True, starts: float = 0.0, fingerprint: str = "f", **labels: str):
    labels = {"alertname": "CandidateWorse", "severity": "critical"} | labels
    ends = None if firing else at
    return Notification(fingerprint, firing, labels, {"summary": "worse"}, starts, ends, at)


def test_a_first_delivery_opens_an_incident_with_the_time_it_came(store):
    incident = store.receive(notification(at=12.345, starts=11.0))
    assert (incident.alert, incident.received, incident.starts) == ("CandidateWorse", 12.345, 11.0)
    assert incident.status == "open"
    assert store.open_incidents() == [incident]


def test_the_same_alert_delivered_again_is_the_same_incident(store):
    first = store.receive(notification(at=1))
    again = store.receive(notification(at=2))
    assert (again.id, again.received, again.deliveries) == (first.id, 1, 2)


def test_a_resolved_notice_ends_the_incident_and_a_second_one_changes_nothing(store):
    store.receive(notification(at=1))
    store.receive(notification(at=5, firing=False))
    ended = store.receive(notification(at=9, firing=False))
    assert (ended.status, ended.resolved) == ("resolved", 5)


def test_a_resolved_notice_of_an_unknown_alert_opens_nothing(store):
    assert store.receive(notification(at=1, firing=False)) is None
    assert store.incidents() == []


def test_an_alert_that_starts_anew_after_its_end_is_a_new_incident(store):
    first = store.receive(notification(at=1, starts=1))
    store.receive(notification(at=5, firing=False))
    second = store.receive(notification(at=9, starts=8))
    assert second.id != first.id
    assert [i.id for i in store.incidents()] == [second.id, first.id]


def test_the_same_alert_still_firing_after_a_false_resolved_reopens_its_incident(store):
    first = store.receive(notification(at=1, starts=1))
    store.receive(notification(at=5, firing=False))
    again = store.receive(notification(at=6, starts=1))
    assert (again.id, again.resolved) == (first.id, None)
    assert [entry.kind for entry in store.entries(incident=first.id)] == ["reopened"]


def test_incidents_of_one_kind_open_together_are_one_situation(store):
    first = store.receive(notification(at=1))
    second = store.receive(notification(at=2, fingerprint="g", user_segment="freemium"))
    business = store.receive(notification(at=3, fingerprint="h", signal="accuracy"))
    assert second.situation == first.id
    assert (business.situation, business.kind) == (business.id, "business")


def test_what_comes_after_an_acknowledgement_is_a_new_situation(store):
    """Otherwise a new failure would hide under an old acknowledgement and call nobody."""
    first = store.receive(notification(at=1))
    store.acknowledge(first.id, "ada", now=2)
    second = store.receive(notification(at=3, fingerprint="g"))
    assert (second.situation, second.acknowledged) == (second.id, None)


def test_acknowledging_marks_the_whole_situation_once(store):
    first = store.receive(notification(at=1))
    store.receive(notification(at=2, fingerprint="g"))
    store.acknowledge(first.id, "ada", now=3)
    again = store.acknowledge(first.id, "bob", now=4)
    assert {(i.acknowledged, i.acknowledged_by) for i in again} == {(3, "ada")}
    assert len(store.entries(incident=first.id)) == 1


def test_before_any_change_the_phase_is_0_since_the_journal_began(store):
    step = store.phase()
    assert (step.number, step.share, step.at) == (0, 0.0, 100.0)


def test_everything_is_there_again_after_a_restart(tmp_path):
    path = tmp_path / "incidents.sqlite"
    store = Store(path, now=1)
    store.receive(notification(at=2))
    store.set_phase(PhaseStep(3, 1, 0.1, "ada", "the plan"))
    store.close()
    again = Store(path, now=9)
    assert again.phase() == PhaseStep(3, 1, 0.1, "ada", "the plan")
    assert [i.received for i in again.incidents()] == [2]
    assert [s.number for s in again.phases()] == [0, 1]
    again.close()


def test_incidents_of_a_span_are_those_open_at_some_time_of_it(store):
    store.receive(notification(at=10, fingerprint="a"))
    store.receive(notification(at=20, fingerprint="a", firing=False))
    store.receive(notification(at=30, fingerprint="b"))
    assert [i.fingerprint for i in store.incidents(15, 25)] == ["a"]
    assert [i.fingerprint for i in store.incidents(25, 40)] == ["b"]
    assert store.incidents(21, 29) == []


def test_ending_a_window_before_it_begins_cancels_it_and_later_shortens_it(store):
    ahead = store.add_window(Window(0, 100, 200, "move", ("redis",)))
    running = store.add_window(Window(0, 10, 200, "move"))
    over = store.add_window(Window(0, 1, 2, "move"))
    assert store.end_window(ahead.id, now=50).cancelled
    assert store.end_window(running.id, now=50).ends == 50
    assert store.end_window(over.id, now=50).ends == 2


def test_a_note_on_an_incident_that_does_not_exist_is_refused(store):
    with pytest.raises(UsageError, match="no incident 7"):
        store.add(Entry(1, "note", "x", incident=7))


def test_a_file_that_is_no_journal_is_told_in_plain_words(tmp_path):
    path = tmp_path / "incidents.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        Store(path, now=1)
    assert "move it" in caught.value.mend


def test_a_journal_that_is_damaged_inside_is_told_when_it_is_opened_not_when_it_is_needed(tmp_path):
    path = tmp_path / "incidents.sqlite"
    store = Store(path, now=1)
    for number in range(300):
        store.add(Entry(float(number), "note", "text " * 40, "ada"))
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:16384] + bytes(byte ^ 0x5A for byte in content[16384:]))
    with pytest.raises(StoreError, match="incident journal") as caught:
        Store(path, now=2)
    assert ".recover" in caught.value.mend


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30))
def test_each_alert_has_at_most_one_open_incident_whatever_the_order(tmp_path_factory, events):
    store = Store(Path(tmp_path_factory.mktemp("journal")) / "i.sqlite", now=0)
    for at, (fingerprint, firing) in enumerate(events, start=1):
        store.receive(notification(at=at, firing=firing, starts=at, fingerprint=fingerprint))
    still = [i.fingerprint for i in store.open_incidents()]
    assert len(still) == len(set(still))
    last = dict(events)
    assert set(still) == {name for name, firing in last.items() if firing}
    store.close()
