"""The live judge: looks once per tick, posts alarms, and publishes what it thinks."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bascule.alerts import alerting
from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.pushed import PushedSamples
from bascule.judge.sampling.bounds import find_bounds
from bascule.judge.sampling.forgotten import DroppedHistory, forgotten
from bascule.judge.sampling.plan import LONG_MEMORY, PlanStep, read_plan, server_time
from bascule.judge.service.beside import JudgesBeside
from bascule.judge.service.hooks import Hooks
from bascule.judge.service.outcome import JudgeOutcome, outcome_of
from bascule.judge.service.pace import DueScrape, Pace
from bascule.judge.service.posting import AlarmPost, Posted, Poster
from bascule.judge.service.present import PresentStep
from bascule.judge.service.snapshot import Snapshots, snapshot_of
from bascule.judge.service.version_alarms import VERSION_ALERTS, VersionAlarm, VersionAlarms
from bascule.judge.service.watch import REACH_SECONDS, PhaseWatch
from bascule.processes.workers import Workers
from bascule.prometheus import Alertmanager, Prometheus
from bascule.spec import Spec
from bascule.states import Cause, Missing

LOG = logging.getLogger("bascule.judge")
BOUNDS_CHECK_SECONDS = 15.0
TAKE_OVER_SECONDS = 15.0  # in which a second Alertmanager may say what it holds
Publish = Callable[[JudgeOutcome | None, Missing | None, float], None]  # also why there is none, and its seconds


class LiveJudge:
    """One evaluation per tick:

    1. ask Prometheus for its time and the plan
    2. at a new step of the plan, begin again: the history is read again, the tests start from nothing, alarms stay
    3. read the samples since the last evaluation, cut them into joint evaluations, and weigh each
    4. hand the alarms to who posts them to Alertmanager
    5. look around, and form the outcome: readings, gates, triggers, verdict
    6. publish the outcome, hand over the alarms of versions, and run the hooks that wait for a change of verdict

    Steps 4 and 6 wait for nobody. The next evaluation begins when the scrape is in that it waits for (pace.py).
    """

    def __init__(
        self,
        spec: Spec,
        prometheus: Prometheus,
        alertmanagers: Sequence[Alertmanager],
        publish: Publish,
        present: PresentStep | None = None,
        snapshots: Snapshots | None = None,
        pushed: PushedSamples | None = None,
        beside: JudgesBeside | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec = spec
        self.watch: PhaseWatch | None = None
        self._prometheus, self._pushed = prometheus, pushed
        self._publish = publish
        self._posters = [Poster(AlarmPost(spec, each)) for each in alertmanagers]
        self._takes_over_until: float | None = None  # `clock`; none while no Alertmanager has told what it holds
        self._versions = VersionAlarms({alert: alerting(spec, alert).hold for alert in VERSION_ALERTS})
        self._present = present
        self._snapshots = snapshots
        self._hooks = Hooks(spec, present, beside)
        self._workers: Workers | None = None
        self._began: float | None = None
        self._asked_long_ago = False  # whether an older plan was looked for
        self._bounds_checked = 0.0
        self._clock = clock
        self._ahead = 0.0  # of our clock is Prometheus' by so many seconds

    def tick(self) -> JudgeOutcome | None:
        """One evaluation; None, and the reason published, when Prometheus cannot be read."""
        begun = time.perf_counter()
        try:
            outcome, missing = self._look(), None
        except BasculeError as error:
            outcome, missing = None, Missing(Cause.SERVER_AWAY, str(error))
            LOG.warning("no evaluation: %s", error.what)
        self._publish(outcome, missing, time.perf_counter() - begun)
        if outcome is not None:
            self._versions.see(outcome.missing, outcome.now)
        self._offer()
        if outcome is not None:
            self._hooks.see(outcome)
        return outcome

    def _offer(self) -> None:
        """Hand over what fires now."""
        if self.watch is not None:
            standing: dict[Any, Posted] = {**self.watch.engine.standing, **self._versions.standing}
            for poster in self._posters:
                poster.offer(standing)

    def _look(self) -> JudgeOutcome:
        now = server_time(self._prometheus)
        self._ahead = now - self._clock()
        watch = self._watch(now)
        watch.weigh(now)
        self._take_over(watch)
        self._offer()  # an alarm does not wait for the verdict
        watch.look_around(now)
        if self._snapshots is not None:
            self._snapshots.offer(watch)
        return outcome_of(watch.engine, watch.surroundings(now))

    def _watch(self, now: float) -> PhaseWatch:
        """The present watch, or a new one at a new step of the plan or when a histogram shows other bounds."""
        self._began = now if self._began is None else self._began
        plan = self._plan(self._began)
        said = forgotten(self.spec)
        if self.watch is None or not self._goes_on(self.watch, plan, said, now):
            carried = self._carried(max(plan.started, said.at) if said else plan.started)
            begun = PhaseWatch(self.spec, self._prometheus, plan, carried, REACH_SECONDS, said, self._pushed)
            if self.watch is None and self._snapshots is not None:
                self._snapshots.recall(begun, now)
            self.watch = begun
        return self.watch

    def _goes_on(self, watch: PhaseWatch, plan: PlanStep, said: DroppedHistory | None, now: float) -> bool:
        same = plan.same_step(watch.plan) and said == watch.forgotten
        return same and not self._bounds_changed(watch, now)

    def _bounds_changed(self, watch: PhaseWatch, now: float) -> bool:
        if now - self._bounds_checked < BOUNDS_CHECK_SECONDS and all(watch.bounds.values()):
            return False
        self._bounds_checked = now
        return find_bounds(self.spec, self._prometheus) != watch.bounds

    def _plan(self, began: float) -> PlanStep:
        """The plan as the journal tells it, else as Prometheus last heard of it, however long ago: a plan does not end
        because nobody repeats it."""
        told = self._present.plan() if self._present is not None else None
        if told is not None:
            return told
        plan = read_plan(self._prometheus, began)
        if plan.known or self._asked_long_ago:
            return plan if plan.known or self.watch is None else self.watch.plan
        self._asked_long_ago = True
        return read_plan(self._prometheus, began, memory=LONG_MEMORY)

    def _carried(self, before: float) -> list[Alarm]:
        """Our own alarms from before what is read again."""
        standing = self.watch.engine.standing.values() if self.watch is not None else ()
        return [alarm for alarm in standing if alarm.since < before]

    def _take_over(self, watch: PhaseWatch) -> None:
        """After a restart, the alarms that Alertmanager still holds; those of comparisons from before the step."""
        held = self._held()
        self._versions.adopt(alarm for alarm in held if isinstance(alarm, VersionAlarm))
        alarms = (alarm for alarm in held if isinstance(alarm, Alarm))
        watch.engine.adopt(alarm for alarm in alarms if alarm.since < watch.own_since)

    def _held(self) -> list[Posted]:
        """What Alertmanagers say that they held when this judge began. One that says it long after the first was away:
        what it holds then is old, and only ended."""
        told = [each for poster in self._posters if (each := poster.taken_over()) is not None]
        if told and self._takes_over_until is None:
            self._takes_over_until = self._clock() + TAKE_OVER_SECONDS
        is_late = self._takes_over_until is not None and self._clock() > self._takes_over_until
        return [] if is_late else [alarm for held in told for alarm in held]

    def problems(self) -> list[str]:
        """What died within the last minute, and was started again."""
        return self._workers.problems() if self._workers is not None else []

    def run(self, stop: threading.Event) -> None:
        """Look every tick until told to stop; an evaluation that takes longer than a tick delays the next one."""
        self._workers = Workers(stop)
        for number, poster in enumerate(self._posters, 1):
            self._workers.start(f"judge-posts-{number}", partial(poster.run, stop))
        if self._snapshots is not None:
            self._workers.start("judge-snapshots", partial(self._snapshots.run, stop))
        try:
            self._tick_until(stop)
        except Exception:  # what was kept may be the cause: the next judge reads history instead
            if self._snapshots is not None:
                self._snapshots.forget()
            raise
        if self._snapshots is not None and self.watch is not None:
            self._snapshots.write(snapshot_of(self.watch))

    def _tick_until(self, stop: threading.Event) -> None:
        scrape = self.spec.stack.scrape
        pace = Pace(self.spec.judge.tick, scrape.interval, scrape.timeout / 2, stop, self._clock)
        while not stop.is_set():
            begun = self._clock()
            self.tick()
            pace.wait(begun, self._due())

    def _due(self) -> DueScrape | None:
        """The scrape that the next evaluation waits for; None while none is known."""
        watch = self.watch
        if watch is None or not math.isfinite(watch.due):
            return None
        return DueScrape(watch.due - self._ahead, self._is_in)

    def _is_in(self, moment: float) -> bool:
        """An answer that does not come is one that the evaluation will tell of."""
        try:
            return self.watch is not None and self.watch.is_in(moment + self._ahead)
        except BasculeError:
            return False
