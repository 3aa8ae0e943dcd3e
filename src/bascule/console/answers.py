"""What the other parts answer, as the console shows it."""

from __future__ import annotations

from bascule.api.models.journal import IncidentAnswer
from bascule.conventions import Severity

HEARTBEAT = Severity.NONE  # the severity of an alert that always fires: its absence is the signal
HOLDING = Severity.GATE  # the severity of what holds a promotion and does not page


class Incident(IncidentAnswer):
    @property
    def look(self) -> str:
        """How it strikes the eye: what holds a promotion is no alarm."""
        if not self.is_open:
            return "ok"
        return "hold" if self.severity == HOLDING else "bad"
