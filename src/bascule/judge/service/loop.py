"""The live judge: looks once per tick, posts alarms, and publishes what it thinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.sampling.bounds import find_bounds
from bascule.judge.sampling.plan import PlanStep, read_plan
from bascule.judge.service.hooks import Hooks
from bascule.judge.service.outcome import JudgeOutcome, outcome_of
from bascule.judge.service.posting import AlarmPost
from bascule.judge.service.watch import REACH_SECONDS, PhaseWatch
from bascule.prometheus import Alertmanager, Prometheus
from bascule.spec import Spec

LOG = logging.getLogger("bascule.judge")
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
            self._post.send(self.watch.engine.standing)
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
        if self.watch is None or not plan.same_step(self.watch.plan) or self._bounds_changed(self.watch, now):
            self.watch = PhaseWatch(self.spec, self._prometheus, plan, self._carried(plan), REACH_SECONDS)
        return self.watch

    def _bounds_changed(self, watch: PhaseWatch, now: float) -> bool:
        if now - self._bounds_checked < BOUNDS_CHECK_SECONDS and all(watch.bounds.values()):
            return False
        self._bounds_checked = now
        return find_bounds(self.spec, self._prometheus) != watch.bounds

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
