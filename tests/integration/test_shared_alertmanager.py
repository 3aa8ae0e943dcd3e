"""A planned window in an Alertmanager that others use too: it silences Bascule's alerts, and theirs go on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from bascule.incidents.model import Window
from bascule.incidents.silences import expire, silence
from bascule.prometheus import PostedAlert
from bascule.spec import Spec, parse, starter_text

pytestmark = pytest.mark.integration


def spec(url: str) -> Spec:
    return parse(
        starter_text() + yaml.safe_dump({"stack": {"external": {"alertmanager": url}}, "alert_prefix": "Shared"})
    )


def test_a_window_silences_no_alert_of_others(alertmanager_server: Any, eventually: Any) -> None:
    client, shop = alertmanager_server.client, spec(alertmanager_server.url)
    now = time.time()
    identity = silence(shop, Window(id=0, starts=now - 1, ends=now + 600, reason="upgrade", who="ada"), "journal-1")
    ends = datetime.now(UTC) + timedelta(minutes=10)
    names = ("SharedServiceDown", "SharedResponseTimeHigh", "OrdersStuck")
    client.post([PostedAlert({"alertname": name, "test": "window"}, {}, datetime.now(UTC), ends, "") for name in names])

    def states() -> dict[str, str]:
        held = [alert for alert in client.alerts() if alert["labels"].get("test") == "window"]
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in held}

    wanted = dict.fromkeys(names[:2], "suppressed") | {"OrdersStuck": "active"}
    eventually(lambda: states() == wanted)
    expire(shop, identity)
    eventually(lambda: states() == dict.fromkeys(names, "active"))
