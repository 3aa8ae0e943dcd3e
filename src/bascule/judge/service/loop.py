"""The live judge: looks once per tick, posts alarms, and publishes what it thinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bascule import times
from bascule.alerts import posted
from bascule.conventions import SEGMENT
from bascule.conventions import Alert as AlertName
from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.sampling.bounds import find_bounds
from bascule.judge.sampling.plan import PlanStep, read_plan
from bascule.judge.sampling.schema import Cell
from bascule.judge.service.hooks import Hooks
from bascule.judge.service.outcome import JudgeOutcome, outcome_of
from bascule.judge.service.watch import REACH_SECONDS, PhaseWatch
from bascule.prometheus import Alertmanager, PostedAlert, Prometheus
from bascule.spec import Spec

LOG = logging.getLogger("bascule.judge")
ENDS_AFTER = timedelta(hours=1)  # an alarm must not "resolve" because the judge is away for a while
BOUNDS_CHECK_SECONDS = 15.0
Publish = Callable[[JudgeOutcome | None, str, float], None]  # outcome, why there is none, seconds that it took


class LiveJudge:
    """One look per tick:

    1. ask Prometheus for its time and the plan
    2. at a new step of the plan, begin anew: the history is read again, the tests start from nothing, alarms stay
    3. read the samples since the last look, cut them into joint looks, and weigh each
    4. form the outcome: readings, gates, triggers, verdict
    5. post the alarms to Alertmanager: new and ended ones at once, standing ones again and again
    6. publish the outcome, and run the hooks that wait for a change of verdict
    """

    def __init__(self, spec: Spec, prometheus: Prometheus, alertmanager: Alertmanager | None, publish: Publish) -> None:
        self.spec = spec
        self.watch: PhaseWatch | None = None
        self._prometheus = prometheus
        self._publish = publish
        self._post = AlarmPost(spec, alertmanager) if alertmanager is not None else None
        self._hooks = Hooks(spec)
        self._began: float | None = None
        self._bounds_checked = 0.0

    def tick(self) -> JudgeOutcome | None:
        """One look; None, and the reason published, when Prometheus cannot be read."""
        begun = time.perf_counter()
        try:
            outcome, problem = self._look(), ""
        except BasculeError as error:
            outcome, problem = None, str(error)
            LOG.warning("no look: %s", error.what)
        if self._post is not None and self.watch is not None:
            self._post.send(self.watch)
        self._publish(outcome, problem, time.perf_counter() - begun)
        if outcome is not None:
            self._hooks.see(outcome.judgement.verdict, outcome.judgement.reasons)
        return outcome

    def _look(self) -> JudgeOutcome:
        now = self._now()
        watch = self._watch(now)
        watch.advance(now)
        return outcome_of(watch.engine, watch.surroundings(now))

    def _now(self) -> float:
        now = self._prometheus.scalar("time()")
        return now if isinstance(now, float) else time.time()

    def _watch(self, now: float) -> PhaseWatch:
        """The present watch, or a new one at a new step of the plan or when a histogram shows other bounds."""
        self._began = now if self._began is None else self._began
        plan = read_plan(self._prometheus, self._began)
        if self.watch is None or not plan.same_step(self.watch.plan) or self._bounds_changed(now):
            self.watch = PhaseWatch(self.spec, self._prometheus, plan, self._carried(plan), REACH_SECONDS)
        return self.watch

    def _bounds_changed(self, now: float) -> bool:
        if now - self._bounds_checked < BOUNDS_CHECK_SECONDS and all(self.watch.bounds.values()):  # type: ignore[union-attr]
            return False
        self._bounds_checked = now
        return find_bounds(self.spec, self._prometheus) != self.watch.bounds  # type: ignore[union-attr]

    def _carried(self, plan: PlanStep) -> list[Alarm]:
        """Alarms from before the step: our own, or after a restart those that Alertmanager still holds."""
        if self.watch is not None:
            standing = list(self.watch.engine.standing.values())
        else:
            standing = self._post.held() if self._post is not None else []
        return [alarm for alarm in standing if alarm.since < plan.started]

    def run(self, stop: threading.Event) -> None:
        """Look every tick until told to stop; a look that takes longer than a tick delays the next one."""
        due = time.monotonic()
        while not stop.is_set():
            self.tick()
            due = max(due + self.spec.judge.tick, time.monotonic())
            stop.wait(due - time.monotonic())


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
        self._open.update({(alarm.signal, alarm.segment): alarm for alarm in alarms})
        return alarms

    def send(self, watch: PhaseWatch) -> None:
        """Post new and ended alarms at once, and all that stand every resend delay."""
        standing, now = watch.engine.standing, time.monotonic()
        ended = [alarm for cell, alarm in self._open.items() if cell not in standing]
        fresh = [alarm for cell, alarm in standing.items() if self._open.get(cell) != alarm]
        due = now - self._sent >= self._spec.stack.scrape.resend_delay
        alerts = [self._alert(alarm, ended=False) for alarm in (standing.values() if due or fresh else ())]
        alerts += [self._alert(alarm, ended=True) for alarm in ended]
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

    def _alert(self, alarm: Alarm, *, ended: bool) -> PostedAlert:
        now = datetime.now(UTC)
        cell = {"signal": alarm.signal, SEGMENT: alarm.segment}
        labels, annotations = posted(self._spec, AlertName.CANDIDATE_WORSE, cell, told=alarm.text)
        starts = times.moment(alarm.since)
        source = self._spec.stack.url("judge") + "/api/verdict"
        return PostedAlert(labels, annotations, starts, now if ended else now + ENDS_AFTER, source)


def _alarm_of(alert: dict[str, object]) -> Alarm:
    labels, annotations = alert["labels"], alert.get("annotations", {})
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    since = times.parse(str(alert["startsAt"])).timestamp()
    text = str(annotations.get("description", ""))
    return Alarm(labels["signal"], labels.get(SEGMENT, ""), since, 0.0, 0.0, text)
