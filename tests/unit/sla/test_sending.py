"""Reports kept, sent once, sent again on demand; objectives remembered; the schedule carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bascule.delivery import Policy, Result
from bascule.errors import StoreError, UsageError
from bascule.sla import Archive, Baseline, Cell, Scheduler, mean, owe_archived, remember, send_archived, standardised
from bascule.spec import load
from bascule.spec.model import Notify, ScheduledReport, Sla, Slas, Stack
from bascule.spec.receivers import Email, Receiver, Webhook

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def spec(tmp_path):
    receivers = {
        "board": Receiver(email=Email(to=["board@example.com"], smtp="127.0.0.1:1")),
        "room": Receiver(webhook=Webhook(url="http://127.0.0.1:1/")),
    }
    daily = ScheduledReport(sla=["html", "csv"], every="day", to=["board", "ceo@example.com"], language="fr")
    return load("supersmartmatch").model_copy(
        update={"stack": Stack(state=tmp_path), "notify": Notify(receivers=receivers, reports=[daily])}
    )


@pytest.fixture
def sent(monkeypatch):
    """What was handed to a channel, instead of being sent."""
    kept: list[tuple] = []

    def channels(receiver):
        return {"test": lambda message, timeout: kept.append((receiver, message))}

    monkeypatch.setattr("bascule.delivery.attempt.channels_of", channels)
    return kept


class Owing(dict):
    """The courier's place: what is owed to whom, by receiver and key."""

    def owe(self, name, message):
        self.setdefault((name, message.key), message)

    def has_kept(self, key):
        return True


@pytest.fixture
def courier():
    return Owing()


def test_a_kept_report_can_be_listed_read_and_sent(spec, report, sent, tmp_path):
    archive = Archive(tmp_path / "reports")
    entry = archive.keep(report, ["html", "json"], "fr", made=5.0)
    assert archive.list() == [entry]
    assert archive.content(archive.get(entry.id), "json").startswith(b"{")
    results = send_archived(spec, archive, entry, ["board", "room"])
    assert [r.result for r in results] == [Result.DELIVERED] * 2
    message = sent[0][1]
    assert [a.media_type for a in message.attachments] == ["text/html", "application/json"]
    assert message.attachments[0].name.startswith("supersmartmatch-sla-")


def test_the_same_report_is_not_sent_twice_unless_asked_for_again(spec, report, sent, tmp_path):
    archive = Archive(tmp_path / "reports")
    entry = archive.keep(report, ["csv"], "en", made=5.0)
    for again in ("", "", "on demand"):
        send_archived(spec, archive, entry, ["board"], again=again)
    assert len(sent) == 2


def test_an_address_is_served_through_the_mail_server_of_the_spec(spec, report, sent, tmp_path):
    archive = Archive(tmp_path / "reports")
    send_archived(spec, archive, archive.keep(report, ["csv"], "en", 5.0), ["ceo@example.com"])
    assert sent[0][0].email.to == ["ceo@example.com"]


@pytest.mark.parametrize("to", [["nobody"], []])
def test_a_receiver_that_is_none_is_named(spec, report, tmp_path, to):
    archive = Archive(tmp_path / "reports")
    entry = archive.keep(report, ["csv"], "en", 5.0)
    with pytest.raises(UsageError, match=r"nobody|no one"):
        send_archived(spec, archive, entry, to, policy=Policy(()))


@pytest.mark.parametrize("identity", ["missing", "../secrets", "", ".."])
def test_an_archive_gives_only_what_it_holds(tmp_path, identity):
    with pytest.raises(UsageError, match="no report"):
        Archive(tmp_path).get(identity)


def test_a_broken_entry_is_told(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "entry.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        Archive(tmp_path).list()


def scheduler_of(spec, archive, report, courier, clock):
    """A scheduler that makes this report, whatever the span."""

    def owe(entry, to):
        owe_archived(spec, archive, entry, to, courier)

    return Scheduler(spec, archive, lambda start, end, now: report, owe, clock)


def test_a_scheduled_report_is_made_and_owed_once(spec, report, courier, tmp_path):
    archive = Archive(tmp_path / "reports")
    archive.begun(report.end)
    scheduler = scheduler_of(spec, archive, report, courier, lambda: report.end + 10 * 3600)
    for _ in range(3):
        scheduler.look()
    assert [name for name, _ in courier] == ["board", "ceo@example.com"]
    assert archive.list()[0].language == "fr"
    (message, _) = courier.values()
    assert message.subject.startswith("SuperSmartMatch <V2> :")
    assert message.lives == 3 * 86400


def test_a_report_that_was_made_but_not_sent_is_sent_at_the_next_look(spec, report, courier, tmp_path):
    archive = Archive(tmp_path / "reports")
    archive.begun(report.end)
    scheduler = scheduler_of(spec, archive, report, courier, lambda: report.end + 10 * 3600)

    def crash(entry, to):
        raise StoreError("the disk is full")

    replace(scheduler, owe=crash).look()
    assert not courier
    scheduler.look()
    assert len(courier) == 2


def test_a_first_start_sends_nothing_that_fell_due_before_it(spec, report, courier, tmp_path):
    """Nobody wants last month's report about a house that did not stand."""
    clock = iter([report.end + 10 * 3600, report.end + 31 * 3600, report.end + 33 * 3600])
    archive = Archive(tmp_path / "reports")
    scheduler = scheduler_of(spec, archive, report, courier, lambda: next(clock, report.end + 34 * 3600))
    counts = []
    for _ in range(3):
        scheduler.look()
        counts.append(len(courier))
    assert counts == [0, 0, 2]  # 10:00, 07:00 of the next day, 09:00


class Shelf(Archive):
    """An archive that keeps nothing but who was sent what."""

    def __init__(self):
        self.done = set()

    def begun(self, now):
        return 0.0

    def was_sent(self, identity):
        return identity in self.done

    def mark_sent(self, identity):
        self.done.add(identity)

    def has(self, identity):
        return False

    def keep(self, report, forms, language, made, identity=""):
        return report


def test_a_year_of_reports_by_the_clock_of_paris(spec):
    """Each day, week and month once, at its hour, none left out and none twice, over both changes of the clocks."""
    reports = [
        ScheduledReport(sla=["html"], every=every, at=at, to=["board"])
        for every, at in (("day", "08:00"), ("week", "09:00"), ("month", "07:30"))
    ]
    timed = spec.model_copy(update={"notify": spec.notify.model_copy(update={"reports": reports})})
    now = datetime(2026, 1, 1, tzinfo=PARIS).timestamp()
    told: list[tuple[float, float, float]] = []
    scheduler = Scheduler(
        timed,
        Shelf(),
        make=lambda start, end, now: (start, end),
        owe=lambda span, to: told.append((now, *span)),
        clock=lambda: now,
    )
    scheduler.look()
    told.clear()  # what fell due in 2025
    while now < datetime(2027, 1, 1, tzinfo=PARIS).timestamp():
        now += 1800
        scheduler.look()
    hours = {(f"{datetime.fromtimestamp(at, PARIS):%H:%M}", round((end - start) / 86400)) for at, start, end in told}
    assert hours == {("08:00", 1), ("09:00", 7), ("07:30", 28), ("07:30", 30), ("07:30", 31)}
    for days, count in (({1}, 365), ({7}, 52), ({28, 30, 31}, 12)):
        spans = [(start, end) for _, start, end in told if round((end - start) / 86400) in days]
        assert len(spans) == count
        assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert {(end - start) / 3600 for _, start, end in told if end - start < 2 * 86400} == {23.0, 24.0, 25.0}


def test_an_objective_that_was_changed_is_remembered_with_its_day(spec, tmp_path):
    path = tmp_path / "objectives.jsonl"
    assert remember(spec, path, 10.0) == ()
    named = {**spec.slas.named, "availability": Sla(objective="99.5%", window="30d")}
    changed = spec.model_copy(update={"slas": Slas(named=named)})
    (change,) = remember(changed, path, 20.0)
    assert (change.at, change.objective, change.before, change.after) == (20.0, "availability", "99.9%", "99.5%")
    assert remember(changed, path, 30.0) == (change,)


def test_a_frozen_baseline_is_read_back_as_it_was(tmp_path):
    frozen = Baseline("v1", 1.0, 2.0, {"accuracy": {"freemium": Cell(82.0, 100.0)}})
    frozen.write(tmp_path / "b.json")
    assert Baseline.read(tmp_path / "b.json") == frozen
    assert Baseline.read(tmp_path / "none.json") is None
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(StoreError, match="cannot be read"):
        Baseline.read(tmp_path / "b.json")


def test_identical_versions_with_different_segment_mixes_do_not_differ():
    """Pooled they would: 0.2 % against 1.8 %."""
    table = {
        "enterprise": {"v1": Cell(18, 9000), "v2": Cell(2, 1000)},
        "freemium": {"v1": Cell(20, 1000), "v2": Cell(180, 9000)},
    }
    low, high = standardised(table, ("v1", "v2"), mean)
    assert low == pytest.approx(high)
