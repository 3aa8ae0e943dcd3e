"""Makes each scheduled report once, and owes it to everyone it is for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from bascule.errors import BasculeError
from bascule.sla.archive import Archive, Archived
from bascule.sla.report import Report
from bascule.sla.schedule import DueReport, due
from bascule.spec import Spec

_PAUSE = 20.0  # seconds between looks at the clock
LONGEST_PASS = 300.0  # seconds that a pass over the reports may take, with all that it makes
log = logging.getLogger(__name__)


@contextmanager
def _told(failed: list[str], what: str) -> Iterator[None]:
    """What fails is logged and told, and keeps nothing else waiting."""
    try:
        yield
    except BasculeError as error:
        log.error("%s: %s", what, error)
        failed.append(f"{what}: {error.what}")


@dataclass
class LastPass:
    """What the last pass over the reports met; `ended`: when (monotonic)."""

    failed: list[str] = field(default_factory=list)
    ended: float = field(default_factory=time.monotonic)

    def problems(self) -> list[str]:
        """What keeps reports from being made, in sentences."""
        age = time.monotonic() - self.ended
        return [*self.failed, *([f"reports were last checked {age:.0f} s ago"] if age > LONGEST_PASS else [])]


@dataclass(frozen=True)
class Scheduler:
    """What failed before is tried again. `make`: a report of a span, given its start, its end and the present.

    `reach`: asks the server that reports are made from for a sign of life; raises BasculeError where there is none.
    `owe`: how a report in the archive is owed to receivers; `clock` gives Unix seconds.
    """

    spec: Spec
    archive: Archive
    make: Callable[[float, float, float], Report]
    owe: Callable[[Archived, Iterable[str]], None]
    clock: Callable[[], float]
    reach: Callable[[], object] = lambda: None
    last: LastPass = field(default_factory=LastPass)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_PAUSE):
            self.look()

    def look(self) -> None:
        """Make and owe what fell due since the archive was begun, and was not sent yet."""
        failed: list[str] = []
        with _told(failed, "reports"):
            self.reach()
        with _told(failed, "reports"):
            for item in self._due():
                with _told(failed, f"report {item.id}"):
                    self.owe(self._entry(item), item.report.to)
                    self.archive.mark_sent(item.id)
        self.last.failed, self.last.ended = failed, time.monotonic()

    def _due(self) -> list[DueReport]:
        now, zone = self.clock(), ZoneInfo(self.spec.metadata.timezone)
        begun = self.archive.begun(now)
        items = due(self.spec.notify.reports, zone, now)
        return [item for item in items if item.at >= begun and not self.archive.was_sent(item.id)]

    def _entry(self, item: DueReport) -> Archived:
        if self.archive.has(item.id):
            return self.archive.get(item.id)
        report = self.make(item.start, item.end, self.clock())
        return self.archive.keep(report, item.report.sla, item.report.language, self.clock(), item.id)
