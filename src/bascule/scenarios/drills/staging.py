"""A drill of the user's own staging: commands put the fault in and take it out; nothing else is touched."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bascule.api.models.journal import MIGRATION, IncidentAnswer
from bascule.conventions import NoticeKind, Severity, certificate_job, health_job, probe_job
from bascule.scenarios.drills.fault import Declared, FaultClass
from bascule.scenarios.drills.in_force import noted, run_command
from bascule.scenarios.drills.once import Drill, Force, began, drill
from bascule.scenarios.house import Watched
from bascule.scenarios.receiver import HeardNotice
from bascule.spec import Spec


class OwnFault(Declared):
    """Whatever the command breaks; any call about what the spec watches finds it."""

    key: ClassVar[str] = "own"
    title: ClassVar[str] = "the fault of --inject"
    kind: ClassVar[FaultClass] = FaultClass.STATISTICAL
    bound: ClassVar[float] = 30.0

    def __init__(self, spec: Spec) -> None:
        jobs = {*spec.services, *map(health_job, spec.services), *map(probe_job, spec.probes)}
        self._causes = {MIGRATION, *(f"service {job}" for job in (*jobs, *map(certificate_job, spec.probes)))}

    def may_cause(self, incident: IncidentAnswer) -> bool:
        """Not what is about somebody else's service, or about the monitoring."""
        return incident.cause in self._causes or incident.cause.startswith("partner ")


@dataclass(frozen=True)
class Journal:
    """Which of the fault's incidents the journal called the receivers of the spec for; where it has none, those it
    took in."""

    watched: Watched
    fault: OwnFault

    def firing(self, since: float) -> list[HeardNotice]:
        calling = (each for each in self.watched.incidents() if Severity.of(each.severity).pages)
        new = [each for each in calling if began(each) >= since and self.fault.may_cause(each)]
        if not self.watched.spec.notify.receivers:
            return [_heard(began(each), each.alert, [each]) for each in new]
        return list(self._told(new)) if new else []

    def _told(self, new: Sequence[IncidentAnswer]) -> Iterator[HeardNotice]:
        """The delivered calls that list one of them."""
        delivered = [each for each in self.watched.journal.deliveries() if each.result == "delivered"]
        for notice in self.watched.journal.notices():
            at = notice.at.timestamp()
            listed = [each for each in new if each.situation == notice.situation and began(each) <= at]
            if listed and notice.kind not in (NoticeKind.TAKEN, NoticeKind.OVER):
                mine = [each for each in delivered if each.key.endswith(f"-{notice.key}")]
                yield from (_heard(each.ended.timestamp(), each.subject, listed) for each in mine)


def _heard(at: float, subject: str, incidents: Sequence[IncidentAnswer]) -> HeardNotice:
    """As the journal lists a notice's incidents."""
    lines = (f"- #{each.id} {each.alert} firing: {each.summary}" for each in incidents)
    return HeardNotice(at, subject, "\n".join(lines), "", "firing")


def drill_staging(spec: Spec, inject: str, restore: str, stop: threading.Event, out: Path) -> Drill:
    """Raises ProcessFailed when a command fails; `restore` runs whatever happened."""
    watched = Watched(spec, stop)

    def break_it() -> float:
        run_command("--inject", inject)
        return time.time()

    force, fault = Force(break_it, lambda: run_command("--restore", restore)), OwnFault(spec)
    return drill(watched, Journal(watched, fault), fault, noted(force, out, OwnFault.key, [restore]))
