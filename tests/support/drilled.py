"""A stack for drills that is not there: it can be stopped in any stage, and answers what a test has it answer."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

from bascule.api.models.journal import IncidentAnswer
from bascule.scenarios.house import NotSeen, Stopped
from bascule.scenarios.receiver import HeardNotice
from bascule.spec import load

STATUS = {"open": "firing", "resolved": "resolved"}  # in a notice


class Watched:
    """What a drill asks of a stack. `stops_at`: the stage in which its user stops it. `verdicts`: one after the other,
    the last one for good. `pending`: labels of alerts that wait to fire."""

    spec = load("supersmartmatch")

    def __init__(self, stops_at="", stop=None, verdicts=("no_data",), pending=()) -> None:
        self.notes: list[str] = []
        self.known: list[IncidentAnswer] = []
        self._stops_at, self._stop = stops_at, stop or threading.Event()
        self._verdicts, self._pending = list(verdicts), pending

    def reach(self, stage: str) -> None:
        if stage == self._stops_at:
            raise Stopped("stopped")

    def annotate(self, kind: str, text: str) -> None:
        self.notes.append(text)
        self.reach("annotate")

    def incidents(self) -> list[IncidentAnswer]:
        return list(self.known)

    def open_incidents(self) -> list[IncidentAnswer]:
        return [each for each in self.known if each.is_open]

    def verdict(self):
        return SimpleNamespace(verdict=self._verdicts.pop(0) if len(self._verdicts) > 1 else self._verdicts[0])

    def wait(self, seconds: float) -> None:
        if self._stop.wait(min(seconds, 0.05)):
            raise Stopped("stopped")
        self.reach("after" if seconds > 1 else "find")

    def wait_for(self, what, condition, seconds, pause=0.1):
        self.reach("end")
        if not condition():
            raise NotSeen(f"{what} did not happen within {seconds:g} s")
        return True

    @property
    def prometheus(self):
        series = {"__name__": "ALERTS", "alertstate": "pending"}
        waiting = [SimpleNamespace(labels={**series, **each}) for each in self._pending]
        return SimpleNamespace(range=lambda *_: [], instant=lambda _: waiting)


class Nobody:
    """Who was told only this."""

    def __init__(self, *told) -> None:
        self.told = told

    def firing(self, since):
        return [each for each in self.told if each.at >= since]


class Told:
    """Who is told of a house's incidents in one notice, as soon as there are any."""

    def __init__(self, house: Watched) -> None:
        self._house = house

    def firing(self, since):
        lines = [f"- #{each.id} {each.alert} {STATUS[each.status]}: words" for each in self._house.known]
        return [HeardNotice(since + 1.0, "[shop] CRITICAL", "\n".join(lines), "critical", "firing")] if lines else []


def incident(
    number: int, alert: str, after: float = 0.0, severity="critical", status="open", **labels
) -> IncidentAnswer:
    """An incident that the journal took in `after` seconds from now."""
    at = datetime.fromtimestamp(time.time() + after, UTC)
    own = {"alertname": alert, "severity": severity, **labels}
    return IncidentAnswer(id=number, alert=alert, labels=own, severity=severity, status=status, starts=at, received=at)
