"""The judge's alarms in Alertmanager: posted, kept alive, ended, and taken over after a restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bascule import times
from bascule.alerts import posted
from bascule.conventions import SEGMENT
from bascule.conventions import Alert as AlertName
from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.sampling.schema import Cell
from bascule.prometheus import Alertmanager, PostedAlert
from bascule.spec import Spec

LOG = logging.getLogger("bascule.judge")
ENDS_AFTER = timedelta(hours=1)  # an alarm must not "resolve" because the judge is away for a while


class AlarmPost:
    """Keeps Alertmanager in step with the standing alarms; what could not be posted is posted again."""

    def __init__(self, spec: Spec, alertmanager: Alertmanager) -> None:
        self._spec = spec
        self._alertmanager = alertmanager
        self._open: dict[Cell, Alarm] = {}  # posted, and not yet posted as ended
        self._sent = 0.0

    def held(self) -> list[Alarm]:
        """The judge's alarms that Alertmanager holds; they are taken over."""
        try:
            alerts = self._alertmanager.alerts()
        except BasculeError as error:
            LOG.warning("standing alarms are unknown: %s", error.what)
            return []
        mine = [alert for alert in alerts if alert["labels"].get("alertname") == self._name]
        alarms = [_alarm_of(alert) for alert in mine if "signal" in alert["labels"]]
        self._open.update({alarm.cell: alarm for alarm in alarms})
        return alarms

    def send(self, standing: Mapping[Cell, Alarm]) -> None:
        """Post new and ended alarms at once, and all that stand every resend delay."""
        now = time.monotonic()
        ended = [alarm for cell, alarm in self._open.items() if cell not in standing]
        fresh = [alarm for cell, alarm in standing.items() if self._open.get(cell) != alarm]
        due = now - self._sent >= self._spec.stack.scrape.resend_delay
        told = datetime.now(UTC)
        alerts = [self._alert(alarm, told + ENDS_AFTER) for alarm in (standing.values() if due or fresh else ())]
        alerts += [self._alert(alarm, told) for alarm in ended]
        if not alerts:
            return
        try:
            self._alertmanager.post(alerts)
        except BasculeError as error:
            LOG.warning("alarms not posted, will try again: %s", error.what)
            return
        self._sent, self._open = now, dict(standing)

    @property
    def _name(self) -> str:
        return self._spec.alert_prefix + AlertName.CANDIDATE_WORSE

    def _alert(self, alarm: Alarm, ends: datetime) -> PostedAlert:
        cell = {"signal": alarm.signal, SEGMENT: alarm.segment}
        labels, annotations = posted(self._spec, AlertName.CANDIDATE_WORSE, cell, told=alarm.text)
        source = self._spec.stack.url("judge") + "/api/verdict"
        return PostedAlert(labels, annotations, times.moment(alarm.since), ends, source)


def _alarm_of(alert: dict[str, object]) -> Alarm:
    labels, annotations = alert["labels"], alert.get("annotations", {})
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    since = times.parse(str(alert["startsAt"])).timestamp()
    text = str(annotations.get("description", ""))
    return Alarm(labels["signal"], labels.get(SEGMENT, ""), since, 0.0, 0.0, text)
