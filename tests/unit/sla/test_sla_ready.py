"""A reports' role that answers and cannot make or send reports says so in `/readyz`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from api_caller import operator, with_state

from bascule.delivery import Courier, Outbox
from bascule.errors import BasculeError, Unreachable
from bascule.sla import Archive
from bascule.sla.ends import Ends
from bascule.sla.role import create
from bascule.sla.scheduler import LONGEST_PASS, Scheduler
from bascule.spec import load
from bascule.spec.model import Notify, ScheduledReport
from bascule.spec.receivers import Receiver, Webhook


@dataclass
class House:
    """The role with its scheduler; `away`: what Prometheus has against an answer."""

    folder: Path
    away: BasculeError | None = None
    now: float = 1_769_850_000.0

    def __post_init__(self) -> None:
        daily = ScheduledReport(sla=["html"], every="day", at="08:00", to=["board"])
        board = Receiver(webhook=Webhook(url="http://127.0.0.1:1/"))
        notify = Notify(receivers={"board": board}, reports=[daily])
        spec = with_state(load("supersmartmatch"), self.folder / "state").model_copy(update={"notify": notify})
        self.archive, self.outbox = Archive(self.folder / "reports"), Outbox(self.folder / "o.sqlite")
        self.scheduler = Scheduler(
            spec, self.archive, self._report, lambda entry, to: None, lambda: self.now, reach=self._reach
        )
        ends = Ends(spec, Courier({}, self.outbox), lambda: self.now)
        self.client = operator(create(spec, self.archive, self.outbox, ends, last=self.scheduler.last), spec)

    def _reach(self) -> None:
        if self.away is not None:
            raise self.away

    def _report(self, start: float, end: float, now: float):
        raise Unreachable("the server is away", "start it")

    def says(self) -> list[str]:
        answer = self.client.get("/readyz")
        problems: list[str] = answer.json()["problems"]
        assert answer.status_code == (503 if problems else 200)
        assert f"\nbascule_role_ready {float(not problems)}\n" in self.client.get("/metrics").text
        assert self.client.get("/healthz").status_code == 200
        return problems


@pytest.fixture
def house(tmp_path: Path):
    made = House(tmp_path)
    yield made
    made.outbox.close()


def test_a_role_that_can_ask_and_has_nothing_to_do_is_ready(house: House) -> None:
    house.scheduler.look()
    assert house.says() == []


def test_a_prometheus_that_does_not_answer_is_told_before_a_report_is_due(house: House) -> None:
    house.away = Unreachable("http://127.0.0.1:9090 does not answer", "start it")
    house.scheduler.look()
    assert house.says() == ["reports: http://127.0.0.1:9090 does not answer"]
    house.away = None
    house.scheduler.look()
    assert house.says() == []


def test_a_report_that_failed_is_told_until_it_is_made(house: House) -> None:
    house.scheduler.look()
    house.now += 40 * 86_400
    house.scheduler.look()
    (problem,) = house.says()
    assert problem.startswith("report day-")
    assert problem.endswith(": the server is away")


def test_an_archive_that_cannot_be_written_is_told(house: House) -> None:
    house.archive.folder.write_text("a file where the folder should be")
    house.scheduler.look()
    (problem,) = house.says()
    assert problem.startswith("reports: the archive of reports cannot be kept")


def test_a_scheduler_that_looks_no_longer_is_told(house: House) -> None:
    house.scheduler.last.ended = time.monotonic() - 2 * LONGEST_PASS
    assert [" ".join(text.split()[:4]) for text in house.says()] == ["reports were last checked"]
