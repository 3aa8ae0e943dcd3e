"""The judge's alert and its rule's are one alert in a real Alertmanager, whoever sends it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from bascule.conventions import SIGNAL_ALARM, SIGNAL_ALARM_INFO
from bascule.generate import generate
from bascule.judge import Alarm, AlarmPost
from bascule.spec import load

pytestmark = pytest.mark.integration

TOLD = 'errors in freemium: 12 % in the last 30 s, 1 % on v1 ("quoted" \\ and {braces}).'
ESCAPED = TOLD.replace("\\", "\\\\").replace('"', '\\"')
CELL = 'signal="errors",user_segment="freemium"'
FIRING = f"{SIGNAL_ALARM.name}{{{CELL}}} 1\n"
BOTH = FIRING + f'{SIGNAL_ALARM_INFO.name}{{{CELL},text="{ESCAPED}"}} 2000\n'
EARLIER = f'{SIGNAL_ALARM_INFO.name}{{{CELL},text="an alarm of before"}} 1000\n'


def held(alertmanager: Any) -> dict[str, Any]:
    """The one alert that Alertmanager holds, as it was sent last."""
    alerts = httpx.get(f"{alertmanager.url}/api/v2/alerts", trust_env=False).json()
    assert len(alerts) == 1
    return alerts[0]


def groups(alertmanager: Any) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    answer = httpx.get(f"{alertmanager.url}/api/v2/alerts/groups", trust_env=False).json()
    return {(group["receiver"]["name"], tuple(sorted(group["labels"].items()))) for group in answer}


@pytest.mark.parametrize(
    ("page", "same_text"), [(BOTH + EARLIER, True), (FIRING, False)], ids=["with its words", "the bare fact"]
)
def test_both_senders_send_one_alert(
    page, same_text, start_prometheus, start_alertmanager, metrics_page, eventually
) -> None:
    """The same labels, the same annotations, the same group: nothing comes and goes in Alertmanager."""
    spec = load("supersmartmatch")
    files = generate(spec)
    exported = metrics_page()
    exported.text = page
    alertmanager = start_alertmanager(config=files["alertmanager/alertmanager.yml"])
    prometheus = start_prometheus(
        {"bascule-judge": [exported.target]}, {"judge.yml": files["prometheus/rules/judge.yml"]}, alertmanager.url
    )

    eventually(lambda: held(alertmanager), 20)
    by_rule, grouped = held(alertmanager), groups(alertmanager)
    assert prometheus.url.rpartition(":")[2] in by_rule["generatorURL"]

    def posted_by_judge() -> dict[str, Any] | None:
        alarm = Alarm("errors", "freemium", time.time(), 9.0, 7.0, TOLD)
        AlarmPost(spec, alertmanager.client).send({alarm.cell: alarm})
        found = held(alertmanager)
        return found if "/api/verdict" in found["generatorURL"] else None  # the rule's is sent again now and then

    by_judge = eventually(posted_by_judge)
    assert (by_judge["fingerprint"], by_judge["labels"]) == (by_rule["fingerprint"], by_rule["labels"])
    assert set(by_judge["annotations"]) == set(by_rule["annotations"])
    assert groups(alertmanager) == grouped
    for name, text in by_judge["annotations"].items():
        if name != "description" or same_text:
            assert by_rule["annotations"][name] == text
    assert by_judge["annotations"]["description"] == TOLD
