"""While the incident journal is down Alertmanager tells people itself, through this role where it cannot do it alone:
beginnings over a channel that it does not know, and every end, of which it says more than it knows.

It lives beside the reports, whose role sends to the same receivers and is another process than the journal.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Body, FastAPI
from pydantic import ValidationError

from bascule.api.models.fields import problems_of, readable
from bascule.api.models.journal import AlertmanagerPayload, Received, WebhookAlert
from bascule.api.rights import Lane, Right, needs
from bascule.conventions import Severity
from bascule.delivery import Message, Policy, Result, deliver_now
from bascule.errors import DeliveryFailed, UsageError
from bascule.sla.ends import ClaimedEnd, Ends
from bascule.spec import Spec
from bascule.spec.receivers import Receiver, notice_line
from bascule.transport import MIB

LARGEST = 16 * MIB
_POLICY = Policy(pauses=(), limit=20.0)  # Alertmanager tries again what was not delivered


def add_relay(app: FastAPI, spec: Spec, ends: Ends) -> None:
    """`POST /api/relay/RECEIVER`: Alertmanager's payload, of what it tells this receiver."""

    @app.post("/api/relay/{name}", **needs(Right.DELIVER, LARGEST, lane=Lane.CHANGING))  # it waits for receivers
    def relay(name: str, payload: Annotated[Any, Body()]) -> Received:
        if name not in spec.notify.first_told:
            raise UsageError(
                f"{name!r} is not a receiver that Alertmanager uses this role for", "run bascule generate again"
            )
        group, alerts = _read(payload)
        if ended := [_claim(spec, name, group, alert) for alert in alerts if alert.status == "resolved"]:
            ends.claim(*ended)
        if begun := [alert for alert in alerts if alert.status == "firing"]:
            _tell(name, spec.notify.receivers[name], _message(spec, group, begun))
        return Received(received=len(alerts))


def _tell(name: str, receiver: Receiver, message: Message) -> None:
    """Through the channels that Alertmanager does not know. Raises DeliveryFailed."""
    if not receiver.relayed:
        return
    for each in deliver_now(name, Receiver(**receiver.relayed), message, _POLICY):
        if each.result is not Result.DELIVERED:
            raise DeliveryFailed(
                f"{name} {each.channel}: {each.detail}", "no action needed: it is tried again", can_retry=True
            )


def _read(payload: Any) -> tuple[str, list[WebhookAlert]]:
    """What Alertmanager calls the group, and its alerts."""
    try:
        webhook = AlertmanagerPayload.model_validate(payload)
    except ValidationError as error:
        raise _no_webhook(problems_of(error)) from error
    alerts = readable(WebhookAlert, webhook.alerts, "Alertmanager's webhook")
    if not alerts:
        raise _no_webhook("not one alert can be read")
    return webhook.group, alerts


def _no_webhook(why: str) -> DeliveryFailed:
    return DeliveryFailed(f"not a webhook of Alertmanager: {why}", "post its version 4 payload", can_retry=False)


def _message(spec: Spec, group: str, alerts: Sequence[WebhookAlert]) -> Message:
    severity = min((alert.labels.get("severity", "") for alert in alerts), key=lambda text: Severity.of(text).rank)
    subject = f"[{spec.title}] {severity.upper()}: {_title(alerts[0])}"
    lines = [line for alert in alerts for line in _lines(alert)]
    return Message(_key(spec, subject, *lines), subject, _text(lines), severity=severity, thread=_thread(group))


def _claim(spec: Spec, name: str, group: str, alert: WebhookAlert) -> ClaimedEnd:
    """The end of an alert that has ended before, or still lasts, is another one."""
    subject = f"[{spec.title}] RESOLVED: {_title(alert)}"
    lines = _lines(alert)[:1]
    key = _key(spec, group, subject, *lines, str(alert.starts), str(alert.ends))  # of all words, also of those cut off
    severity = alert.labels.get("severity", "")
    thread = _thread(group)
    return ClaimedEnd(name, key, thread, notice_line(subject), _text(lines), severity, alert.labels, time.time())


def _key(spec: Spec, *said: str) -> str:
    return f"{spec.metadata.name}-relay-{_digest(chr(10).join(said))[:16]}"


def _thread(group: str) -> str:
    """As Alertmanager itself names what it opens at PagerDuty and Splunk On-Call: an end closes that."""
    return _digest(group) if group else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _title(alert: WebhookAlert) -> str:
    return _one_line(f"{alert.labels.get('alertname', '')}: {alert.annotations.get('summary', '')}")


def _lines(alert: WebhookAlert) -> list[str]:
    said = {"": alert.annotations.get("description", ""), "Do: ": alert.annotations.get("action", "")}
    told = [_one_line(f"{name}{text}") for name, text in said.items() if text]
    return [f"{alert.status}: {told[0]}", *told[1:]] if told else [alert.status]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(lines: Sequence[str]) -> str:
    return "\n".join(map(notice_line, lines))
