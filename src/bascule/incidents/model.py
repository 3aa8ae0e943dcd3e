"""What the journal keeps. All times are Unix seconds (UTC), with milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bascule.api.models.timeline import Happening
from bascule.conventions import IncidentStatus, NoticeKind

BEGINNINGS = (NoticeKind.STEP, NoticeKind.AGAIN)  # notices of these kinds say that something begins


@dataclass(frozen=True)
class Notification:
    """One alert of one webhook call. `ends` only when it is resolved."""

    fingerprint: str
    firing: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: float
    ends: float | None
    received: float


@dataclass(frozen=True)
class Incident:
    """One alert from its first delivery to its end.

    `situation` is the id of the incident that opened the situation it belongs to: incidents of one kind and cause
    that are open together are one situation, escalated once and acknowledged together. `seen`: when a source last held
    the alert; `unknown_since`: since when none is known to; `reopened`: when it last began
    again after its end; `closed_by`: who ended it by hand; `held_by`: who says that it goes on, while no source does.
    """

    id: int
    situation: int
    fingerprint: str
    alert: str
    labels: Mapping[str, str]
    severity: str
    kind: str
    summary: str
    description: str
    starts: float
    received: float
    ends: float | None = None
    resolved: float | None = None
    acknowledged: float | None = None
    acknowledged_by: str = ""
    deliveries: int = 1
    cause: str = ""
    seen: float | None = None
    unknown_since: float | None = None
    reopened: float | None = None
    closed_by: str = ""
    held_by: str = ""

    @property
    def status(self) -> IncidentStatus:
        if self.resolved is not None:
            return IncidentStatus.RESOLVED
        return IncidentStatus.OPEN if self.unknown_since is None else IncidentStatus.UNKNOWN

    @property
    def began(self) -> float:
        """When it was first told of, or began again."""
        return self.received if self.reopened is None else self.reopened


@dataclass(frozen=True)
class PhaseStep:
    """One entry of the phase journal: from `at` on, phase `number` gives the candidate `share`.

    `move`: the move of the plan that led to it; `set` for a step that was set by its number.
    """

    at: float
    number: int
    share: float
    who: str
    why: str
    move: str = "set"


@dataclass(frozen=True)
class Pause:
    """From `at` on, nobody moves the plan forward."""

    at: float
    who: str
    why: str


@dataclass(frozen=True)
class Entry(Happening):
    """What the journal keeps of it; `incident`: the one that a note is about."""

    incident: int | None = None


@dataclass(frozen=True)
class Window:
    """A maintenance window; no services means all. `silence`: Alertmanager's ids, where it was silenced."""

    id: int
    starts: float
    ends: float
    reason: str
    services: tuple[str, ...] = ()
    who: str = ""
    silence: str = ""
    cancelled: bool = False


@dataclass(frozen=True)
class Notice:
    """One message to one receiver about a situation, and its result.

    `at`: when it fell due; `newest`: the last incident that it lists; `concluded`: when its outcome was known.
    """

    key: str
    situation: int
    step: int
    kind: str
    receiver: str
    at: float
    outcome: str = "pending"
    detail: str = ""
    attempts: int = 0
    newest: int = 0
    concluded: float | None = None

    @property
    def heard(self) -> float:
        """When its receiver had it; of one that has it not, when it fell due."""
        return self.at if self.concluded is None or self.outcome != "delivered" else self.concluded


def owed_the_end(notices: Iterable[Notice]) -> list[str]:
    """Who was told that a situation began, and not that it ended since. By the order in which notices were written
    down: a clock may be set back."""
    last: dict[str, bool] = {}
    for notice in notices:
        if notice.kind in BEGINNINGS:
            last[notice.receiver] = True
        elif notice.kind == NoticeKind.OVER:
            last[notice.receiver] = False
    return [receiver for receiver, is_owed in last.items() if is_owed]


__all__ = ["BEGINNINGS", "Entry", "Incident", "Notice", "Notification", "Pause", "PhaseStep", "Window", "owed_the_end"]
