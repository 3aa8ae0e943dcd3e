"""What happened, as the roles that keep it and report it have it; in JSON it is a `TimelineAnswer`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Happening:
    """Something on the timeline: a deployment, a step of the plan, a fault, a note. `at` is in Unix seconds."""

    at: float
    kind: str
    text: str
    who: str = ""
