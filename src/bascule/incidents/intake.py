"""Alertmanager's webhook payload (version 4), read with care: it may come from anyone who can reach the port."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from bascule import times
from bascule.errors import UsageError
from bascule.incidents.model import Notification

_NO_TIME = "0001-01-01"  # Go's zero time: Alertmanager writes it where an alert has no end


def read(payload: Any, received: float) -> list[Notification]:
    """The alerts of one webhook call; UsageError says what is wrong with a payload that is none."""
    if not isinstance(payload, Mapping) or not isinstance(payload.get("alerts"), list):
        raise UsageError("not a webhook of Alertmanager: no list of alerts", "post its version 4 payload")
    return [_notification(item, received) for item in payload["alerts"]]


def _notification(item: Any, received: float) -> Notification:
    if not isinstance(item, Mapping) or item.get("status") not in ("firing", "resolved"):
        raise UsageError("an alert's status must be firing or resolved")
    labels = _texts(item.get("labels"), "labels")
    firing = item["status"] == "firing"
    return Notification(
        fingerprint=str(item.get("fingerprint") or _fingerprint(labels)),
        firing=firing,
        labels=labels,
        annotations=_texts(item.get("annotations") or {}, "annotations"),
        starts=_time(item.get("startsAt")) or received,
        ends=None if firing else _time(item.get("endsAt")),
        received=received,
    )


def _texts(value: Any, what: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise UsageError(f"an alert's {what} must be a mapping of texts")
    return {str(key): str(text) for key, text in value.items()}


def _time(text: Any) -> float | None:
    if not text or str(text).startswith(_NO_TIME):
        return None
    try:
        return times.parse(str(text)).timestamp()
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time", "write RFC 3339") from error


def _fingerprint(labels: Mapping[str, str]) -> str:
    text = "\n".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
