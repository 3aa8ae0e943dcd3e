"""Alertmanager's webhook: the payload, and what the journal keeps of it.

Whatever bytes come: notifications or a UsageError. What the journal took it can show, and the same payload again opens
no second incident.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bascule.api.models", "bascule.incidents"]):
    from bascule.api.models import journal
    from bascule.api.models.fields import readable
    from bascule.incidents import intake
    from bascule.incidents.store import Store

from guided import fuzz

from bascule.errors import UsageError

NOW = 1_769_846_400.0
ALERT = {
    "status": "firing",
    "labels": {"alertname": "ErrorRateHigh", "severity": "critical", "version": "v2"},
    "annotations": {"summary": "s", "description": "d"},
    "startsAt": "2026-01-31T07:59:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "f",
}


def check(data: bytes) -> None:
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return  # the framework refuses it
    try:
        notifications, unreadable = intake.read(payload, NOW)
    except UsageError:
        return
    assert len(notifications) + unreadable == len(payload["alerts"])
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, closing(Store(Path(folder) / "j", NOW)) as store:
        store.receive_all(notifications)
        first = shown(store)
        assert len(first) <= sum(each.firing for each in notifications)
        store.receive_all(notifications)
        if all(each.firing for each in notifications) and len({each.fingerprint for each in notifications}) == 1:
            assert len(shown(store)) == len(first)


def shown(store: Store) -> list[journal.IncidentAnswer]:
    """The incidents as the API answers them, none left out."""
    kept = store.incidents(0.0, float("inf"))
    answers = readable(journal.IncidentAnswer, kept, "the journal")
    assert len(answers) == len(kept)
    for each in answers:
        each.model_dump_json()
    return answers


def seeds() -> list[bytes]:
    over = ALERT | {"status": "resolved", "endsAt": "2026-01-31T08:00:00Z"}
    head = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "r", "truncatedAlerts": 0}
    several = [[ALERT], [ALERT, over], [{key: ALERT[key] for key in ("status", "labels")}, 7], []]
    return [json.dumps(head | {"alerts": alerts}).encode() for alerts in several]


if __name__ == "__main__":
    fuzz(check, seeds())
