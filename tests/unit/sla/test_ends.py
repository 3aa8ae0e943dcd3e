"""Ends that Alertmanager claims: kept before they are acknowledged, dropped after they are owed on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from api_caller import operator, with_state

from bascule.delivery import Courier, Outbox
from bascule.errors import StoreError
from bascule.prometheus.held import Firing, RuleWord
from bascule.sla import Archive, relay
from bascule.sla.ends import FILE, SETTLE_SECONDS, ClaimedEnd, Ends
from bascule.sla.role import create
from bascule.spec import load
from bascule.spec.model import Notify
from bascule.spec.receivers import Receiver, Webhook

CLAIM = ClaimedEnd("room", "k", "", "RESOLVED: down", "it is up", "critical", {"alertname": "ServiceDown"}, 100.0)
OVER = {
    "status": "resolved",
    "labels": {"alertname": "ServiceDown", "severity": "critical"},
    "annotations": {"summary": "down"},
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2026-01-01T00:01:00Z",
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Quiet:
    """A Prometheus in which nothing fires any more; `meanwhile` is done while it is asked; `more` is in its word."""

    def __init__(self, meanwhile=lambda: None, **more) -> None:
        self.meanwhile, self.more = meanwhile, more

    def word(self, now: float) -> RuleWord:
        self.meanwhile()
        names = frozenset(["ServiceDown"])
        word = {"firing": [], "pending": [], "decided": names, "known": names, "started": 0.0}
        return RuleWord(**word | self.more)


@pytest.fixture
def house(tmp_path: Path):
    spec = with_state(load("supersmartmatch"), tmp_path / "state")
    spec = spec.model_copy(
        update={"notify": Notify(receivers={"room": Receiver(webhook=Webhook(url="http://127.0.0.1:1/"))})}
    )
    outbox = Outbox(tmp_path / "o.sqlite")
    clock = Clock()
    ends = Ends(spec, Courier(spec.notify.receivers, outbox), clock)
    ends._rules = Quiet()
    yield spec, ends, outbox, clock
    ends.close()
    outbox.close()


def again(spec) -> list[ClaimedEnd]:
    """What a role that is started now finds."""
    return Ends(spec, Courier({}, None), lambda: 0.0).claims()  # type: ignore[arg-type]


def test_a_claim_that_cannot_be_kept_is_refused_so_that_alertmanager_tries_again(house, tmp_path) -> None:
    spec, ends, outbox, _ = house
    role = operator(create(spec, Archive(tmp_path / "reports"), outbox, ends), spec)
    (spec.stack.state / FILE).mkdir(parents=True)
    assert role.post("/api/relay/room", json={"alerts": [OVER]}).status_code == 503
    assert ends.claims() == []
    (spec.stack.state / FILE).rmdir()
    assert role.post("/api/relay/room", json={"alerts": [OVER]}).status_code == 200
    assert [claim.receiver for claim in again(spec)] == ["room"]


def test_a_claim_stays_until_what_is_owed_for_it_is_on_disk(house) -> None:
    """A kill at any moment loses no end: it is a claim, or owed, or both."""
    spec, ends, outbox, clock = house
    ends.claim(CLAIM)
    (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    ends.claim(replace(CLAIM, text="x" * 50_000))
    ends.settle()
    clock.now += SETTLE_SECONDS
    ends.settle()
    assert outbox.problem.startswith("notices are kept in memory only")
    assert [claim.key for claim in again(spec)] == ["k"]
    outbox._db.execute("PRAGMA max_page_count = 1000000")
    ends.settle()
    assert (again(spec), [owed.message.key for owed in outbox.owed()]) == ([], ["k"])


def test_an_end_and_a_beginning_that_are_relayed_are_of_lines_that_every_receiver_takes(house, tmp_path, monkeypatch):
    """PagerDuty refuses a summary of more than 1,024 characters, and an escape is longer than what it stands for."""
    spec, ends, outbox, clock = house
    told = []
    monkeypatch.setattr(relay, "_tell", lambda name, receiver, message: told.append(message))
    role = operator(create(spec, Archive(tmp_path / "reports"), outbox, ends), spec)
    long = {"summary": "\u202e" * 5000, "description": "d" * 20_000, "action": "\x1b" * 5000}
    labels = {"alertname": "ServiceDown", "severity": "A" * 5000}
    alerts = [OVER | {"annotations": long, "labels": labels, "status": status} for status in ("resolved", "firing")]
    assert role.post("/api/relay/room", json={"alerts": alerts}).status_code == 200
    (claim,), (begun,) = ends.claims(), told
    for message in (claim.message(clock.now), begun):
        assert max(map(len, [message.subject, *message.text.splitlines()])) <= 1000
        assert message.subject.startswith("[SuperSmartMatch")
    assert max(map(len, [claim.subject, *claim.text.splitlines()])) <= 1000


def test_ends_that_differ_beyond_the_cut_are_two(house, tmp_path) -> None:
    spec, ends, outbox, _ = house
    role = operator(create(spec, Archive(tmp_path / "reports"), outbox, ends), spec)
    alerts = [OVER | {"annotations": {"summary": "s" * 2000 + part}} for part in "ab"]
    assert role.post("/api/relay/room", json={"alerts": alerts}).status_code == 200
    assert len(ends.claims()) == 2


HELD = [Firing(CLAIM.labels, 0.0)]


@pytest.mark.parametrize("word", [{"pending": HELD}, {"firing": HELD, "started": 95.0}], ids=["waits", "just started"])
def test_what_may_never_be_told_of_again_has_its_end_told(house, word) -> None:
    """What only waits to fire is no news to Alertmanager; what fires just after a start rests on old samples."""
    spec, ends, outbox, clock = house
    ends.claim(CLAIM)
    ends._rules = Quiet(**word)
    ends.settle()
    ends._rules = Quiet()
    ends.settle()
    clock.now += SETTLE_SECONDS
    ends.settle()
    assert (again(spec), [owed.message.key for owed in outbox.owed()]) == ([], ["k"])


def test_an_end_that_is_not_true_is_forgotten(house) -> None:
    spec, ends, outbox, _ = house
    ends.claim(CLAIM)
    ends._rules = Quiet(firing=HELD)
    ends.settle()
    assert (again(spec), outbox.owed()) == ([], [])


def test_an_end_that_is_claimed_again_while_the_one_before_is_settled_is_not_dropped(house) -> None:
    spec, ends, _, clock = house
    ends.claim(CLAIM)
    ends.settle()
    clock.now += SETTLE_SECONDS
    ends._rules = Quiet(meanwhile=lambda: ends.claim(replace(CLAIM, claimed=clock.now)))
    ends.settle()
    assert [claim.claimed for claim in again(spec)] == [clock.now]


def test_a_role_finds_every_claim_that_it_had_answered(house) -> None:
    spec, ends, _, _ = house
    ends.claim(CLAIM, replace(CLAIM, key="other"))
    assert again(spec) == ends.claims()
    (spec.stack.state / FILE).unlink()
    (spec.stack.state / FILE).mkdir()
    with pytest.raises(StoreError):
        ends.claim(replace(CLAIM, key="third"))
    assert [claim.key for claim in ends.claims()] == ["k", "other"]
