"""A drill of the user's own staging: commands put the fault in and take it out; nothing else is touched."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bascule.scenarios.drills.fault import Declared, FaultClass
from bascule.scenarios.drills.in_force import noted, run_command
from bascule.scenarios.drills.once import Drill, Force, drill
from bascule.scenarios.house import Watched
from bascule.scenarios.receiver import HeardNotice
from bascule.spec import Spec


class OwnFault(Declared):
    """Whatever the command breaks; anything that calls people finds it."""

    key: ClassVar[str] = "own"
    title: ClassVar[str] = "the fault of --inject"
    kind: ClassVar[FaultClass] = FaultClass.STATISTICAL
    bound: ClassVar[float] = 30.0


@dataclass(frozen=True)
class Journal:
    """What the journal delivered to the receivers of the spec; where it has none, what it took in."""

    watched: Watched

    def firing(self, since: float) -> list[HeardNotice]:
        if not self.watched.spec.notify.receivers:
            new = [i for i in self.watched.incidents() if i.received.timestamp() >= since]
            return [HeardNotice(i.received.timestamp(), i.alert, i.summary, i.severity, "firing") for i in new]
        return [
            HeardNotice(each.ended.timestamp(), each.subject, "", "", "firing")
            for each in self.watched.journal.deliveries()
            if each.result == "delivered" and each.started.timestamp() >= since and "RESOLVED" not in each.subject
        ]


def drill_staging(spec: Spec, inject: str, restore: str, stop: threading.Event, out: Path) -> Drill:
    """Raises ProcessFailed when a command fails; `restore` runs whatever happened."""
    watched = Watched(spec, stop)

    def break_it() -> float:
        run_command("--inject", inject)
        return time.time()

    force = Force(break_it, lambda: run_command("--restore", restore))
    return drill(watched, Journal(watched), OwnFault(), noted(force, out, OwnFault.key, [restore]))
