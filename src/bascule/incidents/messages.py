"""The words of a notice: what is wrong and how badly, the way back, then the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bascule import times
from bascule.api.models.journal import MONITORING
from bascule.conventions import IncidentStatus, NoticeKind
from bascule.delivery import Message
from bascule.incidents.escalation import CALLS, Situation
from bascule.incidents.model import Incident, Notice
from bascule.spec import Spec
from bascule.spec.receivers import notice_line

_SHOWN = 10  # incidents listed in one message
_STATUS = {
    IncidentStatus.OPEN: "firing",
    IncidentStatus.UNKNOWN: "firing, unknown whether it has ended",
    IncidentStatus.RESOLVED: "resolved",
}


@dataclass(frozen=True)
class Composer:
    """Writes notices. `journal`: its identity, so that numbers of another journal are never taken for these.

    `guidance`: the verdict and the way back, as lines to print.
    """

    spec: Spec
    journal: str
    guidance: Callable[[], list[str]] = list

    @property
    def _prefix(self) -> str:
        return f"{self.spec.metadata.name}-{self.journal}-"

    def notice_key(self, message_key: str) -> str:
        return message_key.removeprefix(self._prefix)

    def compose(self, situation: Situation, notice: Notice, now: float) -> Message:
        """One notice as a message. A restored journal's numbers begin again, so the thread holds the opening too."""
        return Message(
            key=f"{self._prefix}{notice.key}",
            subject=self._subject(situation, notice),
            text="\n".join(self._lines(situation, notice, now)),
            severity=situation.severity,
            resolved=notice.kind == NoticeKind.OVER,
            acknowledged=notice.kind == NoticeKind.TAKEN,
            thread=f"{self._prefix}{situation.id}-{situation.opened * 1000:.0f}",
        )

    def _subject(self, situation: Situation, notice: Notice) -> str:
        more = len(situation.incidents) - 1
        what = f"{situation.lead.alert} (and {more} more)" if more else situation.lead.alert
        severity = situation.severity.upper()
        again = f"{severity} AGAIN"
        heads: dict[str, str] = {
            NoticeKind.STEP: again if situation.reopened else severity,
            NoticeKind.REMINDER: f"STILL {severity}, not acknowledged",
            NoticeKind.GREW: f"{severity}, more alerts",
            NoticeKind.AGAIN: again,
            NoticeKind.TAKEN: f"ACKNOWLEDGED by {situation.acknowledged_by}",
            NoticeKind.OVER: "RESOLVED",
        }
        return notice_line(f"[{self.spec.title}] {heads[notice.kind]}: {what}")

    def _lines(self, situation: Situation, notice: Notice, now: float) -> list[str]:
        calls = notice.kind in CALLS
        lead = situation.lead
        first = lead.summary or lead.description
        told = [f"no longer firing: {first}"] if notice.kind == NoticeKind.OVER else [first, lead.description]
        lines = [notice_line(line) for line in dict.fromkeys(told)]
        if calls and situation.lead.cause != MONITORING:
            lines += map(notice_line, self.guidance())
        ended = situation.resolved if situation.resolved is not None else now
        lasted = (
            f"{'lasted' if situation.resolved is not None else 'open for'} {times.lasting(ended - situation.opened)}"
        )
        lines.append(f"situation {situation.id} ({situation.kind}): began {times.dated(situation.opened)}, {lasted}")
        if notice.kind in (NoticeKind.STEP, NoticeKind.REMINDER):
            steps = self.spec.notify.steps_for(situation.kind)
            lines.append(f"escalation step {notice.step + 1} of {max(len(steps), notice.step + 1)}")
        lines += [_line(incident) for incident in situation.by_weight[:_SHOWN]]
        if len(situation.incidents) > _SHOWN:
            lines.append(f"... and {len(situation.incidents) - _SHOWN} more alerts")
        lines.append(f"console: {self.spec.stack.page('console')}")
        if calls:
            lines.append(f"to acknowledge: {self.spec.command(f'incidents ack {situation.lead.id}')}")
        return [line for line in lines if line]


def _line(incident: Incident) -> str:
    words = incident.description or incident.summary
    return notice_line(f"- #{incident.id} {incident.alert} {_STATUS[incident.status]}: {words}".rstrip(": "))
