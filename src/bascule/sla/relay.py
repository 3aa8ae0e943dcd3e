"""While the incident journal is down Alertmanager tells people itself; this role tells those that it has no channel to.

It lives beside the reports, whose role sends to the same receivers and is another process than the journal.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Body, FastAPI
from pydantic import ValidationError

from bascule.api.models.fields import problems_of, readable
from bascule.api.models.journal import AlertmanagerPayload, Received, WebhookAlert
from bascule.api.rights import Right, needs
from bascule.conventions import Severity
from bascule.delivery import Message, Policy, Result, deliver_now
from bascule.errors import DeliveryFailed, UsageError
from bascule.spec import Spec
from bascule.spec.receivers import Receiver
from bascule.transport import MIB

LARGEST = 16 * MIB
_POLICY = Policy(pauses=(), limit=20.0)  # Alertmanager tries again what was not delivered


def add_relay(app: FastAPI, spec: Spec) -> None:
    """`POST /api/relay/RECEIVER`: Alertmanager's payload, for those of its channels that Alertmanager does not know."""

    @app.post("/api/relay/{name}", **needs(Right.DELIVER, LARGEST))
    def relay(name: str, payload: Annotated[Any, Body()]) -> Received:
        receiver = spec.notify.receivers.get(name)
        if receiver is None or not receiver.relayed:
            raise UsageError(
                f"{name!r} is not a receiver that Alertmanager uses this role for", "run bascule generate again"
            )
        alerts = _alerts(payload)
        told = deliver_now(name, Receiver(**receiver.relayed), _message(spec, alerts), _POLICY)
        for each in told:
            if each.result is not Result.DELIVERED:
                raise DeliveryFailed(
                    f"{name} {each.channel}: {each.detail}", "no action needed: it is tried again", can_retry=True
                )
        return Received(received=len(alerts))


def _alerts(payload: Any) -> list[WebhookAlert]:
    try:
        alerts = readable(WebhookAlert, AlertmanagerPayload.model_validate(payload).alerts, "Alertmanager's webhook")
    except ValidationError as error:
        raise _no_webhook(problems_of(error)) from error
    if not alerts:
        raise _no_webhook("not one alert can be read")
    return alerts


def _no_webhook(why: str) -> DeliveryFailed:
    return DeliveryFailed(f"not a webhook of Alertmanager: {why}", "post its version 4 payload", can_retry=False)


def _message(spec: Spec, alerts: list[WebhookAlert]) -> Message:
    first, lines = alerts[0], [line for alert in alerts for line in _lines(alert)]
    is_over = all(alert.status == "resolved" for alert in alerts)
    severity = min((alert.labels.get("severity", "") for alert in alerts), key=lambda text: Severity.of(text).rank)
    what = _one_line(f"{first.labels.get('alertname', '')}: {first.annotations.get('summary', '')}")
    subject = f"[{spec.title}] {'RESOLVED' if is_over else severity.upper()}: {what}"
    told = hashlib.sha256("\n".join([subject, *lines]).encode("utf-8", "replace")).hexdigest()[:16]
    return Message(f"{spec.metadata.name}-relay-{told}", subject, "\n".join(lines), severity=severity, resolved=is_over)


def _lines(alert: WebhookAlert) -> list[str]:
    said = {"": alert.annotations.get("description", ""), "Do: ": alert.annotations.get("action", "")}
    told = [_one_line(f"{name}{text}") for name, text in said.items() if text]
    return [f"{alert.status}: {told[0]}", *told[1:]] if told else [alert.status]


def _one_line(text: str) -> str:
    return " ".join(text.split())
