"""What Alertmanager, Prometheus and the judge hold at one moment, asked side by side and never for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from bascule.alerts import posted
from bascule.api import JudgeClient, first_of
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.api.servers import alertmanager_of, prometheus_of
from bascule.conventions import SEGMENT, Alert
from bascule.errors import BasculeError
from bascule.prometheus import HeldSilence
from bascule.prometheus.held import FRESH_SECONDS, AskedRules, Firing, RuleWord, lookup, seconds_of
from bascule.prometheus.lookup import Lookup
from bascule.several import first_begun, told
from bascule.spec import Spec

ASK_SECONDS = 3.0
WAIT_SECONDS = 1.0  # for the slowest; what answers later has not answered
T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """What each source says; None where it did not answer, or not freshly."""

    at: float
    alertmanager: Sequence[Firing] | None = None
    prometheus: RuleWord | None = None
    judge: Sequence[Firing] | None = None
    alertmanager_started: float | None = 0.0
    silences: Sequence[HeldSilence] | None = None
    are_several: bool = False  # judges or Alertmanagers: one may tell an end while another is about to say otherwise

    @cached_property
    def by_alertmanager(self) -> Lookup[Firing]:
        return lookup(self.alertmanager or ())

    @cached_property
    def by_prometheus(self) -> Lookup[Firing]:
        """What fires or waits to."""
        return lookup([]) if self.prometheus is None else self.prometheus.held

    @cached_property
    def by_judge(self) -> Lookup[Firing]:
        return lookup(self.judge or ())

    def holds(self, labels: Mapping[str, str]) -> Firing | None:
        """An alert as the most telling source has it; None where none has it."""
        found = (each.find(labels) for each in (self.by_judge, self.by_prometheus, self.by_alertmanager))
        return next((firing for firing in found if firing is not None), None)


class Sources:
    """Asks all three at once; one that hangs costs WAIT_SECONDS and keeps no other waiting."""

    def __init__(self, spec: Spec, clock: Callable[[], float] = time.time) -> None:
        self._spec = spec
        self._clock = clock
        self._alertmanager = alertmanager_of(spec, ASK_SECONDS)
        self._rules = AskedRules(prometheus_of(spec, ASK_SECONDS), spec.stack.scrape.interval)
        self._judge = JudgeClient(spec, seconds=ASK_SECONDS)
        self._pool = ThreadPoolExecutor(8, "ask")
        self._running: dict[str, Future[Any]] = {}
        self._verdict: VerdictAnswer | None = None
        self._said: dict[int, VerdictAnswer] = {}  # by each judge at last
        self._are_several = any(map(spec.stack.others, ("judge", "alertmanager")))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def snapshot(self) -> Snapshot:
        asked: dict[str, Future[Any] | None] = {
            "alertmanager": self._ask("alertmanager", self._of_alertmanager),
            "prometheus": self._ask("prometheus", self._of_prometheus),
            "judge": self._ask("judge", self._of_judge),
            "alertmanager_started": self._ask("alertmanager_started", self._alertmanager.started),
            "silences": self._ask("silences", self._alertmanager.silences),
        }
        wait([future for future in asked.values() if future is not None], WAIT_SECONDS)
        answers: dict[str, Any] = {name: _result(future) for name, future in asked.items()}
        return Snapshot(self._clock(), are_several=self._are_several, **answers)

    def _ask(self, name: str, question: Callable[[], T]) -> Future[T] | None:
        """A question that still hangs is not asked a second time."""
        before = self._running.get(name)
        if before is not None and not before.done():
            return None
        self._running[name] = self._pool.submit(question)
        return self._running[name]

    def _of_alertmanager(self) -> list[Firing]:
        return [
            Firing(
                alert["labels"],
                seconds_of(alert.get("startsAt", "")),
                alert.get("annotations", {}),
                bool(alert.get("status", {}).get("inhibitedBy")),
            )
            for alert in self._alertmanager.alerts()
        ]

    def _of_prometheus(self) -> RuleWord:
        return self._rules.word(self._clock())

    def _of_judge(self) -> list[Firing] | None:
        """The firing alarms of any judge, with the labels of the alert that it posts; None when every word is old. One
        that is late is as it was: an alarm that it has does not end for that."""
        asked = self._judge.asked()
        self._verdict = first_of(told(asked), self._spec.judge.tick)
        self._said |= {number: answer for number, answer in enumerate(asked) if not isinstance(answer, BasculeError)}
        fresh = [answer for answer in self._said.values() if self._is_fresh(answer)]
        alarms = [self._alarm(line) for answer in fresh for line in answer.signals if line.alarm]
        return first_begun(alarms, lambda each: each.labels, lambda each: each.since) if fresh else None

    def verdict(self) -> VerdictAnswer | None:
        """The judge's last answer, as it was read for the last snapshots; None when it is old."""
        return self._verdict if self._verdict is not None and self._is_fresh(self._verdict) else None

    def _is_fresh(self, answer: VerdictAnswer) -> bool:
        oldest = max(FRESH_SECONDS, 3 * self._spec.judge.tick)
        return answer.tick is not None and self._clock() - answer.tick.timestamp() <= oldest

    def _alarm(self, line: SignalAnswer) -> Firing:
        cell = {"signal": line.signal, SEGMENT: line.segment}
        labels, annotations = posted(self._spec, Alert.CANDIDATE_WORSE, cell, told=line.text)
        since = line.alarm_since.timestamp() if line.alarm_since is not None else self._clock()
        return Firing(labels, since, annotations)


def _result(future: Future[T] | None) -> T | None:
    """What was answered; whatever else came is no answer."""
    if future is None or not future.done():
        return None
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BasculeError | KeyError | TypeError | ValueError | AttributeError | ArithmeticError):
        return None
    raise error
