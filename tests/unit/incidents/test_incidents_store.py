"""The journal: what was delivered is kept, once, in order, across restarts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.errors import StoreError, StoreFull, UsageError
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


def end(store: Store, at: float, starts: float = 0.0, fingerprint: str = "f"):
    """An end that Alertmanager claims and that fresh evidence confirms."""
    claimed = store.receive(notification(at=at, firing=False, starts=starts, fingerprint=fingerprint))
    return store.confirm_end(claimed.id, at)


def test_a_first_delivery_opens_an_incident_with_the_time_it_came(store):
    incident = store.receive(notification(at=12.345, starts=11.0))
    assert (incident.alert, incident.received, incident.starts) == ("CandidateWorse", 12.345, 11.0)
    assert incident.status == "open"
    assert store.open_incidents() == [incident]


def test_the_same_alert_delivered_again_is_the_same_incident(store):
    first = store.receive(notification(at=1))
    again = store.receive(notification(at=2))
    assert (again.id, again.received, again.deliveries) == (first.id, 1, 2)


def test_a_resolved_notice_is_a_claim_until_evidence_confirms_it(store):
    """It may come because its sender went away: the incident is unknown, not resolved."""
    store.receive(notification(at=1))
    claimed = store.receive(notification(at=5, firing=False))
    assert (claimed.status, claimed.unknown_since, claimed.resolved) == ("unknown", 5, None)
    store.confirm_end(claimed.id, 6)
    ended = store.receive(notification(at=9, firing=False))
    assert (ended.status, ended.resolved) == ("resolved", 6)


def test_a_claimed_end_that_was_false_leaves_the_incident_as_it_was(store):
    first = store.receive(notification(at=1))
    store.receive(notification(at=5, firing=False))
    store.seen_firing([first], 6)
    assert store.incident(first.id).status == "open"


def test_an_end_that_is_told_while_the_sources_are_asked_is_not_dropped_for_what_they_said_before(store):
    """They say that it fires, which was true when they were asked."""
    first = store.receive(notification(at=1))
    store.receive(notification(at=5.5, firing=False))
    store.seen_firing([first], 5)
    assert store.incident(first.id).ends == 5.5
    store.seen_firing([store.incident(first.id)], 8)
    assert store.incident(first.id).ends is None


def test_a_later_start_of_an_open_incident_is_a_new_one_and_the_first_ended_unseen(store):
    """Whatever was acknowledged before: the new failure calls people anew."""
    first = store.receive(notification(at=1, starts=1))
    store.acknowledge(first.id, "ada", now=2)
    second = store.receive(notification(at=300, starts=299))
    assert (second.id, second.situation, second.acknowledged) == (first.id + 1, first.situation, None)
    assert store.incident(first.id).status == "resolved"
    assert [e.text for e in store.entries(incident=first.id)][-1].startswith("ended between 00:00:01")


def test_two_senders_that_differ_by_seconds_in_the_start_are_one_incident(store):
    first = store.receive(notification(at=1, starts=1))
    assert store.receive(notification(at=4, starts=3)).id == first.id


def test_an_alert_seen_past_alertmanager_is_the_one_that_alertmanager_delivers_later(store):
    """Prometheus adds external labels on the way."""
    first = store.receive(notification(at=1, fingerprint="direct:abc", job="redis"))
    again = store.receive(notification(at=3, fingerprint="6f", job="redis", region="eu"))
    assert (again.id, again.deliveries) == (first.id, 2)


def test_what_a_person_closed_stays_closed_until_it_begins_anew_or_is_reopened(store):
    first = store.receive(notification(at=1, starts=1))
    store.close_incident(first.id, "ada", "the series is gone", 5)
    assert store.receive(notification(at=9, starts=1)).status == "resolved"
    assert store.was_closed(first.labels, 1)
    assert store.receive(notification(at=99, starts=90)).id != first.id
    assert store.reopen_incident(first.id, "ada", "too early", 100).reopened == 100


def test_a_journal_of_before_opens_and_keeps_what_it_knew(tmp_path):
    """Its incidents have no cause and no sighting; its numbers go on."""
    path = tmp_path / "incidents.sqlite"
    old = sqlite3.connect(path)
    for statement in (Path(__file__).parent / "journal-1.sql").read_text("utf-8").split(";\n"):
        old.execute(statement)
    old.commit()
    old.close()
    store = Store(path, now=100)
    (incident,) = store.incidents()
    assert (incident.alert, incident.cause, incident.status) == ("ServiceDown", "", "open")
    assert store.receive(notification(at=200, fingerprint="g")).id == incident.id + 1
    assert len(store.identity) == 8
    store.close()
    again = Store(path, now=101)
    assert len(again.incidents()) == 2
    again.close()


def test_a_resolved_notice_of_an_unknown_alert_opens_nothing(store):
    assert store.receive(notification(at=1, firing=False)) is None
    assert store.incidents() == []


def test_an_alert_that_starts_anew_after_its_end_is_a_new_incident(store):
    first = store.receive(notification(at=1, starts=1))
    end(store, at=5, starts=1)
    second = store.receive(notification(at=19, starts=18))
    assert second.id != first.id
    assert [i.id for i in store.incidents()] == [second.id, first.id]


def test_the_same_alert_still_firing_after_a_false_resolved_reopens_its_incident(store):
    first = store.receive(notification(at=1, starts=1))
    end(store, at=5, starts=1)
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
    step = PhaseStep(3, 1, 0.1, "ada", "the plan")
    store.finish_move(store.intend(step), step)
    store.close()
    again = Store(path, now=9)
    assert again.phase() == PhaseStep(3, 1, 0.1, "ada", "the plan")
    assert [i.received for i in again.incidents()] == [2]
    assert [s.number for s in again.phases()] == [0, 1]
    again.close()


def test_incidents_of_a_span_are_those_open_at_some_time_of_it(store):
    store.receive(notification(at=10, fingerprint="a"))
    end(store, at=20, fingerprint="a")
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
    assert "move it" in caught.value.fix


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
    assert ".recover" in caught.value.fix


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30))
def test_each_alert_has_at_most_one_open_incident_whatever_the_order(tmp_path_factory, events):
    store = Store(Path(tmp_path_factory.mktemp("journal")) / "i.sqlite", now=0)
    for at, (fingerprint, firing) in enumerate(events, start=1):
        told = store.receive(notification(at=at * 20, firing=firing, starts=at * 20, fingerprint=fingerprint))
        if told is not None and not firing:
            store.confirm_end(told.id, at * 20)
    still = [i.fingerprint for i in store.open_incidents()]
    assert len(still) == len(set(still))
    last = dict(events)
    assert set(still) == {name for name, firing in last.items() if firing}
    store.close()


def test_a_disk_that_takes_nothing_keeps_nobody_from_hearing_and_gets_it_all_later(tmp_path):
    """The file is made too small for another page, which is what a full disk is to SQLite."""
    store = Store(tmp_path / "incidents.sqlite", now=0.0)
    store.receive(notification(at=1, fingerprint="before"))
    half = PhaseStep(1, 1, 0.5, "ada", "go")
    store.finish_move(store.intend(half), half)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(200):
        store.receive(notification(at=2, fingerprint=f"f{number}"))
    assert len(store.open_incidents()) == 201
    assert "kept in memory" in store.problem
    with pytest.raises(StoreFull, match="is full"):
        store.intend(PhaseStep(3, 1, 0.6, "ada", "go"))
    back = PhaseStep(4, 0, 0.0, "ada", "back")
    store.finish_move(store.intend(back), back)
    store.write_back()
    assert store.problem
    store._file.execute("PRAGMA max_page_count = 1000000")
    store.write_back()
    assert not store.problem
    store.close()
    again = Store(tmp_path / "incidents.sqlite", now=9.0)
    assert (len(again.open_incidents()), again.phase()) == (201, back)
    again.close()
