"""What the judge posts of a version that is no longer scraped, or silent."""

from datetime import UTC, datetime

import pytest

from bascule.alerts import alerting
from bascule.conventions import Alert
from bascule.judge import AlarmPost, VersionAlarm, VersionAlarms
from bascule.spec import load
from bascule.states import Cause, Missing

HOLDS = {Alert.VERSION_SILENT: 2.0, Alert.TARGET_LOST: 2.0}
LOST = Missing(Cause.LOST, "No sample of v2 for 6 s: Prometheus no longer scrapes it.", "v2")


def test_a_lost_target_is_an_alarm_once_it_has_lasted_as_long_as_its_rule_asks():
    alarms = VersionAlarms(HOLDS)
    alarms.see([LOST], 100.0)
    assert alarms.standing == {}
    alarms.see([LOST], 102.0)
    assert list(alarms.standing.values()) == [VersionAlarm(Alert.TARGET_LOST, "v2", 100.0)]
    alarms.see([], 103.0)
    assert alarms.standing == {}


@pytest.mark.parametrize("cause", [Cause.STALE, Cause.SCRAPE_FAILING, Cause.NO_TRAFFIC, Cause.NO_SERIES])
def test_what_other_alerts_tell_or_nobody_is_called_for_is_no_alarm(cause):
    alarms = VersionAlarms(HOLDS)
    for now in (100.0, 110.0):
        alarms.see([Missing(cause, "", "v2")], now)
    assert alarms.standing == {}


def test_an_alarm_taken_over_after_a_restart_stands_until_its_cause_is_gone():
    alarms = VersionAlarms(HOLDS)
    alarms.adopt([VersionAlarm(Alert.TARGET_LOST, "v2", 50.0)])
    alarms.see([LOST], 100.0)
    assert Alert.TARGET_LOST in {alarm.alert for alarm in alarms.standing.values()}
    alarms.see([], 101.0)
    assert alarms.standing == {}


class Kept:
    """An Alertmanager that keeps what it is sent."""

    def __init__(self):
        self.sent = []

    def post(self, alerts):
        self.sent.extend(alerts)

    def alerts(self):
        return [
            {"labels": each.labels, "annotations": each.annotations, "startsAt": str(each.starts)} for each in self.sent
        ]


@pytest.mark.parametrize("alert", HOLDS)
def test_it_is_posted_with_the_labels_and_texts_of_its_rule_and_known_again(alert):
    spec, kept = load("supersmartmatch"), Kept()
    alarm = VersionAlarm(alert, "v2", datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    AlarmPost(spec, kept).send({alarm.key: alarm})
    rule, sent = alerting(spec, alert), kept.sent[0]
    assert sent.labels == {"alertname": rule.name, "version": "v2", **rule.labels}
    assert sent.annotations == {
        key: text.replace("{{ $labels.version }}", "v2") for key, text in rule.annotations.items()
    }
    after_restart = AlarmPost(spec, kept)
    assert after_restart.held() == [alarm]
    after_restart.send({})
    assert kept.sent[-1].ends <= datetime.now(UTC)
