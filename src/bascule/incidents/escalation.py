"""Who must be told what, and when. Pure: the journal and a time in, notices out; told once, whoever asks how often.

- a step of the escalation falls due `after` the situation opened, unless someone acknowledged it
- how many steps hear of a severity, and how often the last of them is reminded, its meaning says (conventions.py)
- everyone who was told hears of new alerts of the same situation, of the acknowledgement, and of the end
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bascule.conventions import Severity
from bascule.incidents.model import Incident, Notice
from bascule.spec.model import EscalationStep

_GROWTH_SECONDS = 60.0  # new alerts of a situation are told together, at most once a minute
STEP, REMINDER, GREW, TAKEN, OVER = "step", "reminder", "grew", "acknowledged", "resolved"


@dataclass(frozen=True)
class Situation:
    """Incidents of one kind that were open together. Times are Unix seconds."""

    id: int
    kind: str
    severity: str
    opened: float
    acknowledged: float | None
    acknowledged_by: str
    resolved: float | None
    incidents: tuple[Incident, ...]

    @classmethod
    def of(cls, incidents: Sequence[Incident]) -> Situation:
        first = incidents[0]
        unresolved = [incident for incident in incidents if incident.resolved is None]
        acknowledged = [incident.acknowledged for incident in incidents if incident.acknowledged is not None]
        return cls(
            id=first.situation,
            kind=first.kind,
            severity=min((i.severity for i in incidents), key=lambda text: Severity.of(text).rank),
            opened=min(incident.received for incident in incidents),
            acknowledged=min(acknowledged, default=None),
            acknowledged_by=next((i.acknowledged_by for i in incidents if i.acknowledged_by), ""),
            resolved=None if unresolved else max(incident.resolved or 0.0 for incident in incidents),
            incidents=tuple(incidents),
        )


def due(situation: Situation, steps: Sequence[EscalationStep], told: Sequence[Notice], now: float) -> list[Notice]:
    """The notices that fell due by `now` and were not told yet; their keys say what they are."""
    known = {notice.key for notice in told}
    return [notice for notice in _wanted(situation, steps, told, now) if notice.key not in known]


def _wanted(
    situation: Situation, steps: Sequence[EscalationStep], told: Sequence[Notice], now: float
) -> Iterator[Notice]:
    if situation.resolved is not None:
        yield from _to_everyone(situation, told, OVER, f"{situation.resolved:.3f}", now)
    elif situation.acknowledged is not None:
        yield from _to_everyone(situation, told, TAKEN, f"{situation.acknowledged:.3f}", now)
    else:
        yield from _steps(situation, steps, now)
        yield from _reminders(situation, told, now)
        yield from _growth(situation, told, now)


def _steps(situation: Situation, steps: Sequence[EscalationStep], now: float) -> Iterator[Notice]:
    for index, step in enumerate(steps[: Severity.of(situation.severity).levels]):
        if now >= situation.opened + step.after:
            yield _notice(situation, index, STEP, str(index), step.to, now)


def _reminders(situation: Situation, told: Sequence[Notice], now: float) -> Iterator[Notice]:
    """Only the latest one that is due: after a pause nobody wants the missed ones too."""
    reached = [notice for notice in told if notice.kind == STEP]
    if not reached:
        return
    last = max(reached, key=lambda notice: notice.step)
    number = int((now - last.at) // Severity.of(situation.severity).reminder_seconds)
    if number >= 1:
        yield _notice(situation, last.step, REMINDER, f"{last.step}.{number}", last.receiver, now)


def _growth(situation: Situation, told: Sequence[Notice], now: float) -> Iterator[Notice]:
    newest = situation.incidents[-1]
    latest = max((notice.at for notice in told), default=None)
    if latest is None or newest.received <= latest or now - latest < _GROWTH_SECONDS:
        return
    yield from _to_everyone(situation, told, GREW, str(newest.id), now)


def _to_everyone(situation: Situation, told: Sequence[Notice], kind: str, mark: str, now: float) -> Iterator[Notice]:
    """To whoever was told of the situation, once each."""
    for receiver in dict.fromkeys(notice.receiver for notice in told if notice.kind == STEP):
        yield _notice(situation, 0, kind, mark, receiver, now)


def _notice(situation: Situation, step: int, kind: str, mark: str, receiver: str, now: float) -> Notice:
    return Notice(f"{situation.id}:{kind}:{mark}:{receiver}", situation.id, step, kind, receiver, now)
