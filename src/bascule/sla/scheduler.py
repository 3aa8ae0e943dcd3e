"""Makes each scheduled report once, and owes it to everyone it is for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bascule.errors import BasculeError
from bascule.sla.archive import Archive, Archived
from bascule.sla.report import Report
from bascule.sla.schedule import DueReport, due
from bascule.spec import Spec

_PAUSE = 20.0  # seconds between looks at the clock
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scheduler:
    """What failed before is tried again. `make`: a report of a span, given its start, its end and the present.

    `owe`: how a report in the archive is owed to receivers; `clock` gives Unix seconds.
    """

    spec: Spec
    archive: Archive
    make: Callable[[float, float, float], Report]
    owe: Callable[[Archived, Iterable[str]], None]
    clock: Callable[[], float]

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_PAUSE):
            self.look()

    def look(self) -> None:
        """Make and owe what fell due since the archive was begun, and was not sent yet."""
        for item in self._due():
            try:
                self.owe(self._entry(item), item.report.to)
                self.archive.mark_sent(item.id)
            except BasculeError as error:
                log.error("report %s: %s", item.id, error)

    def _due(self) -> list[DueReport]:
        now, zone = self.clock(), ZoneInfo(self.spec.metadata.timezone)
        try:
            begun = self.archive.begun(now)
        except BasculeError as error:
            log.error("reports: %s", error)
            return []
        items = due(self.spec.notify.reports, zone, now)
        return [item for item in items if item.at >= begun and not self.archive.was_sent(item.id)]

    def _entry(self, item: DueReport) -> Archived:
        if self.archive.has(item.id):
            return self.archive.get(item.id)
        report = self.make(item.start, item.end, self.clock())
        return self.archive.keep(report, item.report.sla, item.report.language, self.clock(), item.id)
