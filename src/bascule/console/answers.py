"""What the other parts answer, as the console shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule.api.models.journal import IncidentAnswer, NoticeAnswer, TimelineAnswer
from bascule.api.models.others import DeliveryAnswer
from bascule.conventions import Severity

HEARTBEAT = Severity.NONE  # the severity of an alert that always fires: its absence is the signal
AROUND = timedelta(minutes=5)  # shown before an incident and after its end
HOLDING = Severity.GATE  # the severity of what holds a promotion and does not page


class ListedIncident(IncidentAnswer):
    @property
    def look(self) -> str:
        """How it strikes the eye: what holds a promotion is no alarm."""
        if not self.is_open:
            return "ok"
        return "hold" if self.severity == HOLDING else "bad"

    def around(self, now: datetime) -> tuple[float, float]:
        """The time that is looked at around it (Unix seconds)."""
        return (self.starts - AROUND).timestamp(), ((self.resolved or now) + AROUND).timestamp()


@dataclass(frozen=True)
class IncidentFile:
    """All that the journal knows of an incident: `around` is its time's timeline, `others` are of its situation."""

    incident: ListedIncident
    entries: Sequence[TimelineAnswer]
    around: Sequence[TimelineAnswer]
    others: Sequence[ListedIncident]
    notices: Sequence[NoticeAnswer]
    deliveries: Sequence[DeliveryAnswer]
