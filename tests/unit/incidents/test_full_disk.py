"""A journal whose disk is full: nobody is told that something is done which the next stop forgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from api_caller import operator, with_state

from bascule.delivery import Outbox
from bascule.errors import StoreFull
from bascule.incidents.app import create
from bascule.incidents.model import Entry, Notification, Pause, PhaseStep, Window
from bascule.incidents.store import Store
from bascule.spec import load

HALF = PhaseStep(1, 1, 0.5, "ada", "go")
WINDOW = Window(0, 100.0, 200.0, "work", ("redis",), "ada")
BY_PEOPLE: dict[str, Callable[[Store], object]] = {
    "acknowledge": lambda store: store.acknowledge(1, "ada", 5.0),
    "close": lambda store: store.close_incident(1, "ada", "over", 5.0),
    "reopen": lambda store: store.reopen_incident(2, "ada", "not over", 5.0),
    "comment": lambda store: store.add(Entry(5.0, "note", "looking", "ada", 1)),
    "sign off": lambda store: store.add(Entry(5.0, "sign_off", "rules: read", "ada")),
    "pause": lambda store: store.pause(Pause(5.0, "ada", "lunch")),
    "resume": lambda store: store.resume(5.0, "ada", "back"),
    "move forward": lambda store: store.intend(PhaseStep(5.0, 2, 0.9, "ada", "more")),
    "plan maintenance": lambda store: store.add_window(WINDOW),
    "end maintenance": lambda store: store.end_window(1, 150.0),
    "comparison": lambda store: store.keep_comparison(5.0, "{}"),
}


def alert(number: int, firing: bool = True) -> Notification:
    labels = {"alertname": "ServiceDown", "severity": "critical", "job": f"shop-{number}"}
    return Notification(f"f{number}", firing, labels, {}, 1.0, None if firing else 2.0, 2.0)


def fill(store: Store) -> None:
    """The file may not grow by another page, which is what a full disk is to SQLite; what fits in it is used up."""
    (pages,) = store._file.execute("PRAGMA page_count").fetchone()
    store._file.execute(f"PRAGMA max_page_count = {pages}")


def make_room(store: Store) -> None:
    store._file.execute("PRAGMA max_page_count = 1000000")


def shown(store: Store) -> tuple[object, ...]:
    compared = [tuple(row) for row in store._rows("SELECT * FROM comparisons")]
    plan = store.phases(), store.paused(), store.open_moves(), compared
    return store.incidents(), store.entries(), store.windows(), plan


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "incidents.sqlite", now=0.0)
    made.receive_all([alert(1), alert(2)])
    made.confirm_end(2, 3.0)
    made.finish_move(made.intend(HALF), HALF)
    made.add_window(WINDOW)
    yield made
    make_room(made)
    made.close()


def kept(store: Store) -> tuple[object, ...]:
    """What another process reads in the file."""
    again = Store(store.path, now=9.0)
    try:
        return shown(again)
    finally:
        again.close()


@pytest.mark.parametrize("act", BY_PEOPLE)
def test_what_a_person_does_is_refused_and_not_shown_while_the_journal_is_in_memory(store: Store, act: str) -> None:
    fill(store)
    store.receive_all([alert(number) for number in range(3, 300)])
    assert store.problem
    before = shown(store)
    with pytest.raises(StoreFull, match=r"incidents\.sqlite.* full") as refused:
        BY_PEOPLE[act](store)
    assert "free 1" in refused.value.fix
    assert "left" in refused.value.fix
    assert shown(store) == before
    make_room(store)
    BY_PEOPLE[act](store)
    assert kept(store) == shown(store) != before


def test_what_did_not_fit_is_refused_at_the_first_try_too(store: Store) -> None:
    fill(store)
    before = shown(store)
    with pytest.raises(StoreFull):
        store.add(Entry(5.0, "note", "x" * 100_000, "ada"))
    assert (shown(store), kept(store), store.problem) == (before, before, "")


def webhook(*alerts: Notification) -> dict[str, object]:
    return {
        "alerts": [
            {
                "status": "firing" if each.firing else "resolved",
                "labels": dict(each.labels),
                "annotations": {},
                "startsAt": "1970-01-01T00:00:01Z",
                "endsAt": "0001-01-01T00:00:00Z" if each.firing else "1970-01-01T00:00:02Z",
                "fingerprint": each.fingerprint,
            }
            for each in alerts
        ]
    }


@pytest.fixture
def client(store: Store, tmp_path: Path):
    spec = with_state(load("supersmartmatch"), tmp_path)
    outbox = Outbox(tmp_path / "deliveries.sqlite")
    yield operator(create(spec, store, outbox, lambda: 10.0), spec)
    outbox.close()


def test_alertmanager_is_told_that_it_is_kept_only_when_it_is_and_people_hear_of_it_all_the_same(store, client) -> None:
    many, end = [alert(number) for number in range(3, 300)], alert(1, firing=False)
    fill(store)
    assert client.post("/api/webhook", json=webhook(*many)).status_code == 507
    assert client.post("/api/webhook", json=webhook(end)).status_code == 507
    assert len(store.open_incidents()) == 298
    make_room(store)
    assert client.post("/api/webhook", json=webhook(end)).status_code == 200
    assert kept(store) == shown(store)
    assert store.incident(1).ends is not None


def test_the_way_back_is_made_on_a_full_disk_and_not_said_to_be_kept(store, client) -> None:
    fill(store)
    store.receive_all([alert(number) for number in range(3, 300)])
    answer = client.post("/api/plan/rollback", json={"who": "ada", "why": "worse"})
    assert answer.status_code == 507
    assert answer.json()["error"].startswith("the move was made, and a stop of the journal forgets it")
    assert client.get("/api/phase").json()["share"] == 0
    make_room(store)
    store.write_back()
    assert kept(store) == shown(store)


def test_a_hook_that_was_running_when_the_journal_was_killed_keeps_no_journal_from_starting_on_a_full_disk(store):
    move = store.intend(PhaseStep(5.0, 2, 0.9, "ada", "more"))
    fill(store)
    store.abandon_move(move, "unknown", "it was stopped", Entry(6.0, "hook_failed", "x" * 100_000, "ada"))
    assert (store.open_moves(), store.entries()[-1].kind) == ([], "hook_failed")
