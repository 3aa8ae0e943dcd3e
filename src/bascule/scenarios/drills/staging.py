"""A drill of the user's own staging: commands put the fault in and take it out; nothing else is touched."""

from __future__ import annotations

import shlex
import threading
import time
from dataclasses import dataclass
from typing import ClassVar

from bascule.errors import ProcessFailed
from bascule.processes import command
from bascule.scenarios.drills.fault import Declared, FaultClass
from bascule.scenarios.drills.once import Drill, Force, drill
from bascule.scenarios.house import Watched
from bascule.scenarios.receiver import Told
from bascule.spec import Spec

COMMAND_SECONDS = 120.0


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

    def firing(self, since: float) -> list[Told]:
        if not self.watched.spec.notify.receivers:
            new = [i for i in self.watched.incidents() if i.received.timestamp() >= since]
            return [Told(i.received.timestamp(), i.alert, i.summary, i.severity, "firing") for i in new]
        return [
            Told(each.ended.timestamp(), each.subject, "", "", "firing")
            for each in self.watched.journal.deliveries()
            if each.result == "delivered" and each.started.timestamp() >= since and "RESOLVED" not in each.subject
        ]


def drill_staging(spec: Spec, inject: str, restore: str, stop: threading.Event) -> Drill:
    """Raises ProcessFailed when a command fails; `restore` runs whatever happened."""
    watched = Watched(spec, stop)

    def break_it() -> float:
        _run("--inject", inject)
        return time.time()

    return drill(watched, Journal(watched), OwnFault(), Force(break_it, lambda: _run("--restore", restore)))


def _run(option: str, text: str) -> None:
    """Run a command, without a shell."""
    try:
        done = command.run(shlex.split(text), COMMAND_SECONDS)
    except (ValueError, ProcessFailed) as error:
        raise ProcessFailed(f"{option} {text!r} cannot be run: {error}", "check the command") from error
    if done.status:
        what = f"{option} {text!r} ended with status {done.status}: {done.said[-500:]}"
        raise ProcessFailed(what, "run the command by hand to see why")
