"""A stack without incidents, for drills: it can be stopped in any stage."""

from __future__ import annotations

import threading

from bascule.api.models.journal import IncidentAnswer
from bascule.scenarios.house import Stopped
from bascule.spec import load


class Watched:
    """What a drill asks of a stack. `stops_at`: the stage in which its user stops it."""

    spec = load("supersmartmatch")

    def __init__(self, stops_at: str = "", stop: threading.Event | None = None) -> None:
        self.notes: list[str] = []
        self.stage = ""
        self._stops_at, self._stop = stops_at, stop or threading.Event()

    def reach(self, stage: str) -> None:
        if stage == self._stops_at:
            raise Stopped("stopped")

    def annotate(self, kind: str, text: str) -> None:
        self.notes.append(text)
        self.reach("annotate")

    def incidents(self) -> list[IncidentAnswer]:
        return []

    open_incidents = incidents

    def verdict(self):
        return type("Answer", (), {"verdict": "no_data"})

    def wait(self, seconds: float) -> None:
        if self._stop.wait(min(seconds, 0.05)):
            raise Stopped("stopped")
        self.reach("after" if seconds > 1 else "find")

    def wait_for(self, what, condition, seconds):
        self.reach("end")
        return condition()

    @property
    def prometheus(self):
        return type("Nothing", (), {"range": staticmethod(lambda *_: [])})


class Nobody:
    """Who was told only this."""

    def __init__(self, *told) -> None:
        self.told = told

    def firing(self, since):
        return [each for each in self.told if each.at >= since]
