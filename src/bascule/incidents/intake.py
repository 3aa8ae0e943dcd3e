"""Alertmanager's webhook payload (version 4), read with care: it may come from anyone who can reach the port."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bascule import times
from bascule.api.models.fields import problems_of, readable
from bascule.api.models.journal import AlertmanagerPayload, WebhookAlert
from bascule.errors import UsageError
from bascule.incidents.model import Notification


def read(payload: Any, received: float) -> tuple[list[Notification], int]:
    """The alerts of one webhook call, and how many of them could not be read.

    Raises UsageError, which says what is wrong, for a payload that is none, or in which nothing can be read.
    """
    try:
        items = AlertmanagerPayload.model_validate(payload).alerts
    except ValidationError as error:
        raise _no_webhook(problems_of(error)) from error
    alerts = readable(WebhookAlert, items, "Alertmanager's webhook")
    if items and not alerts:
        raise _no_webhook("not one of its alerts has a status, labels and annotations")
    return [_notification(alert, received) for alert in alerts], len(items) - len(alerts)


def _no_webhook(why: str) -> UsageError:
    return UsageError(f"not a webhook of Alertmanager: {why}", "post its version 4 payload")


def _notification(alert: WebhookAlert, received: float) -> Notification:
    firing = alert.status == "firing"
    return Notification(
        fingerprint=alert.fingerprint or _fingerprint(alert.labels),
        firing=firing,
        labels=alert.labels,
        annotations=alert.annotations,
        starts=times.unix(alert.starts) or received,
        ends=None if firing else times.unix(alert.ends),
        received=received,
    )


def _fingerprint(labels: Mapping[str, str]) -> str:
    text = "\n".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
