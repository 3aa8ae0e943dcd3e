"""The words of a notice: short, the most important first, and what to do."""

from __future__ import annotations

from bascule import times
from bascule.delivery import Message
from bascule.incidents.escalation import GREW, OVER, REMINDER, STEP, TAKEN, Situation
from bascule.incidents.model import Incident, Notice
from bascule.spec import Spec

_SHOWN = 10  # incidents listed in one message


def compose(spec: Spec, situation: Situation, notice: Notice, now: float) -> Message:
    return Message(
        key=f"{spec.metadata.name}-{notice.key}",
        subject=_subject(spec, situation, notice),
        text="\n".join(_lines(spec, situation, notice, now)),
        severity=situation.severity,
        resolved=notice.kind == OVER,
    )


def _subject(spec: Spec, situation: Situation, notice: Notice) -> str:
    first = situation.incidents[0]
    more = len(situation.incidents) - 1
    what = f"{first.alert} (and {more} more)" if more else first.alert
    head = {
        STEP: situation.severity.upper(),
        REMINDER: f"STILL {situation.severity.upper()}, not acknowledged",
        GREW: f"{situation.severity.upper()}, more alerts",
        TAKEN: f"ACKNOWLEDGED by {situation.acknowledged_by}",
        OVER: "RESOLVED",
    }[notice.kind]
    return f"[{spec.title}] {head}: {what}"


def _lines(spec: Spec, situation: Situation, notice: Notice, now: float) -> list[str]:
    ended = situation.resolved if situation.resolved is not None else now
    lasted = times.lasting(ended - situation.opened)
    lines = [f"{situation.kind} situation {situation.id}, since {times.dated(situation.opened)} UTC ({lasted})"]
    if notice.kind in (STEP, REMINDER):
        steps = spec.notify.escalation.get(situation.kind, [])
        lines.append(f"level {notice.step + 1} of {len(steps)}")
    lines += [_line(incident) for incident in situation.incidents[:_SHOWN]]
    if len(situation.incidents) > _SHOWN:
        lines.append(f"... and {len(situation.incidents) - _SHOWN} more")
    lines.append(f"console: {spec.stack.url('console')}")
    if notice.kind in (STEP, REMINDER, GREW):
        lines.append(f"acknowledge: bascule incidents ack {situation.incidents[0].id} --who NAME")
    return lines


def _line(incident: Incident) -> str:
    words = incident.description or incident.summary
    return f"- #{incident.id} {incident.alert} {incident.status.value}: {words}".rstrip(": ")
