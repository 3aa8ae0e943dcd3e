"""The judge's alarms in Alertmanager: posted, kept alive, ended, and taken over after a restart.

Those of a comparison, and those of a version that is not seen or silent: by a rule alone each would be told a scrape
and an evaluation later. All of it runs on a thread of its own: an Alertmanager that hangs delays no evaluation, and no
verdict.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bascule import times
from bascule.alerts import posted
from bascule.conventions import SEGMENT
from bascule.conventions import Alert as AlertName
from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.service.version_alarms import VERSION_ALERTS, VersionAlarm
from bascule.prometheus import Alertmanager, PostedAlert
from bascule.spec import Spec

LOG = logging.getLogger("bascule.judge")
RETRY_SECONDS = 1.0
ENDS_AFTER = timedelta(hours=1)  # an alarm must not "resolve" because the judge is away for a while
Posted = Alarm | VersionAlarm
Standing = Mapping[Any, Posted]  # by `Posted.key`


class AlarmPost:
    """Keeps Alertmanager in step with the firing alarms; what could not be posted is posted again."""

    def __init__(self, spec: Spec, alertmanager: Alertmanager) -> None:
        self._spec = spec
        self._alertmanager = alertmanager
        self._open: dict[Hashable, Posted] = {}  # posted, and not yet posted as ended
        self._sent = 0.0

    def held(self) -> list[Posted] | None:
        """The judge's alarms that Alertmanager holds; they are taken over. None while it does not answer."""
        try:
            alerts = self._alertmanager.alerts()
        except BasculeError as error:
            LOG.warning("firing alarms are unknown: %s", error.what)
            return None
        alarms = [alarm for alert in alerts if (alarm := _alarm_of(alert, self._spec.alert_prefix)) is not None]
        self._open.update({alarm.key: alarm for alarm in alarms})
        return alarms

    def send(self, standing: Standing) -> None:
        """Post new and ended alarms at once, and all that fire every resend delay."""
        now = time.monotonic()
        ended = [alarm for key, alarm in self._open.items() if key not in standing]
        fresh = [alarm for key, alarm in standing.items() if self._open.get(key) != alarm]
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

    def _alert(self, alarm: Posted, ends: datetime) -> PostedAlert:
        labels, annotations = _told(self._spec, alarm)
        source = self._spec.stack.page("judge") + "/api/verdict"
        return PostedAlert(labels, annotations, times.moment(alarm.since), ends, source)


def _told(spec: Spec, alarm: Posted) -> tuple[dict[str, str], dict[str, str]]:
    if isinstance(alarm, VersionAlarm):
        return posted(spec, alarm.alert, {"version": alarm.version})
    cell = {"signal": alarm.signal, SEGMENT: alarm.segment}
    return posted(spec, AlertName.CANDIDATE_WORSE, cell, told=alarm.text)


def _alarm_of(alert: dict[str, object], prefix: str) -> Posted | None:
    """What an alert says; None of one that the judge does not post."""
    labels, annotations = alert["labels"], alert.get("annotations", {})
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    name = str(labels.get("alertname", ""))
    since = times.parse(str(alert["startsAt"])).timestamp()
    own = next((each for each in VERSION_ALERTS if name == prefix + each), None)
    if own is not None and "version" in labels:
        return VersionAlarm(own, labels["version"], since)
    if name != prefix + AlertName.CANDIDATE_WORSE or "signal" not in labels:
        return None
    text = str(annotations.get("description", ""))
    return Alarm(labels["signal"], labels.get(SEGMENT, ""), since, 0.0, 0.0, text)


class Poster:
    """Posts the latest alarms that it is given, until told to stop; the caller never waits."""

    def __init__(self, post: AlarmPost, pause: float = RETRY_SECONDS) -> None:
        self._post, self._pause = post, pause
        self._changed = threading.Event()
        self._standing: Standing | None = None
        self._found: queue.SimpleQueue[list[Posted]] = queue.SimpleQueue()

    def offer(self, standing: Standing) -> None:
        """What fires now; what was offered before and is not yet posted is forgotten."""
        self._standing = dict(standing)
        self._changed.set()

    def taken_over(self) -> list[Posted] | None:
        """The alarms that Alertmanager held when this began, once, as soon as they are known."""
        return self._found.get_nowait() if not self._found.empty() else None

    def run(self, stop: threading.Event) -> None:
        """First learn what Alertmanager holds, for what is unknown cannot be ended; then post."""
        while not stop.is_set() and (held := self._post.held()) is None:
            stop.wait(self._pause)
        if not stop.is_set():
            self._found.put(held or [])
        while not stop.is_set():
            if self._changed.wait(self._pause):
                self._changed.clear()
                self._send()

    def _send(self) -> None:
        standing = self._standing
        if standing is not None:
            self._post.send(standing)
