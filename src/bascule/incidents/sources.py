"""What Alertmanager, Prometheus and the judge hold at one moment, asked side by side and never for long."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from bascule.alerts import posted
from bascule.api import JudgeClient
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.api.servers import alertmanager_of, prometheus_of
from bascule.conventions import SEGMENT, Alert
from bascule.errors import BasculeError
from bascule.incidents.lookup import Lookup
from bascule.prometheus import HeldSilence
from bascule.spec import Spec

ASK_SECONDS = 3.0
WAIT_SECONDS = 1.0  # for the slowest; what answers later has not answered
FRESH_SECONDS = 15.0  # an older evaluation of a rule, or of the judge, is no evidence
T = TypeVar("T")
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Firing:
    """An alert that a source holds. `since`: Unix seconds; `inhibited`: while another alert lasts."""

    labels: Labels
    since: float
    annotations: Labels = field(default_factory=dict)
    inhibited: bool = False


@dataclass(frozen=True)
class RuleWord:
    """What Prometheus says: the alerts that fire or wait to, those it can decide, and since when it runs."""

    firing: Sequence[Firing]
    pending: Sequence[Firing]
    decided: frozenset[str]  # alert names whose rules were evaluated without an error just now
    known: frozenset[str]  # alert names that it has rules for
    started: float
    up: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # by job and instance: was the last scrape fine
    holds: Mapping[str, float] = field(default_factory=dict)  # by alert name: the longest `for`, in seconds

    def is_blind_to(self, labels: Labels) -> bool:
        """Whether what the alert is about cannot be scraped: its series are gone, so its rule says nothing."""
        targets = self.up.get(labels.get("job", ""), {})
        instance = labels.get("instance", "")
        asked = [targets[instance]] if instance in targets else list(targets.values())
        return bool(asked) and not any(asked)


@dataclass(frozen=True)
class Snapshot:
    """What each source says; None where it did not answer, or not freshly."""

    at: float
    alertmanager: Sequence[Firing] | None = None
    prometheus: RuleWord | None = None
    judge: Sequence[Firing] | None = None
    alertmanager_started: float | None = 0.0
    silences: Sequence[HeldSilence] | None = None

    @cached_property
    def by_alertmanager(self) -> Lookup[Firing]:
        return _lookup(self.alertmanager or ())

    @cached_property
    def by_prometheus(self) -> Lookup[Firing]:
        """What fires or waits to."""
        return _lookup([] if self.prometheus is None else [*self.prometheus.firing, *self.prometheus.pending])

    @cached_property
    def by_judge(self) -> Lookup[Firing]:
        return _lookup(self.judge or ())


class Sources:
    """Asks all three at once; one that hangs costs WAIT_SECONDS and keeps no other waiting."""

    def __init__(self, spec: Spec, clock: Callable[[], float] = time.time) -> None:
        self._spec = spec
        self._clock = clock
        self._alertmanager = alertmanager_of(spec, ASK_SECONDS)
        self._prometheus = prometheus_of(spec, ASK_SECONDS)
        self._judge = JudgeClient(spec, seconds=ASK_SECONDS)
        self._pool = ThreadPoolExecutor(8, "ask")
        self._running: dict[str, Future[Any]] = {}
        self._verdict: VerdictAnswer | None = None

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
        return Snapshot(self._clock(), **{name: _result(future) for name, future in asked.items()})

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
                _seconds(alert.get("startsAt", "")),
                alert.get("annotations", {}),
                bool(alert.get("status", {}).get("inhibitedBy")),
            )
            for alert in self._alertmanager.alerts()
        ]

    def _of_prometheus(self) -> RuleWord:
        now = self._clock()
        started = self._prometheus.started()
        rules = [
            {**rule, "interval": float(group.get("interval") or 0)}
            for group in self._prometheus.rules()
            for rule in group["rules"]
            if rule["type"] == "alerting"
        ]
        holds = _holds(rules)
        alerts = self._prometheus.alerts()
        held = {
            state: [
                Firing(alert.labels, alert.active_at.timestamp() + _hold(alert.labels, holds), alert.annotations)
                for alert in alerts
                if alert.state == state
            ]
            for state in ("firing", "pending")
        }
        fine = {rule["name"] for rule in rules if _is_decided(rule, now)}
        broken = {rule["name"] for rule in rules if not _is_decided(rule, now)}
        known = frozenset(rule["name"] for rule in rules)
        longest = {name: max(each.values()) for name, each in holds.items()}
        decided = frozenset(fine - broken)
        return RuleWord(held["firing"], held["pending"], decided, known, started, self._up(), longest)

    def _up(self) -> dict[str, dict[str, bool]]:
        found: dict[str, dict[str, bool]] = defaultdict(dict)
        for sample in self._prometheus.instant("up"):
            found[sample.labels.get("job", "")][sample.labels.get("instance", "")] = sample.value == 1
        return found

    def _of_judge(self) -> list[Firing] | None:
        """The judge's firing alarms, with the labels of the alert that it posts; None when its word is old."""
        self._verdict = answer = self._judge.verdict()
        return [self._alarm(line) for line in answer.signals if line.alarm] if self._is_fresh(answer) else None

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


Holds = dict[str, dict[frozenset[tuple[str, str]], float]]  # by alert name and its rule's own labels, in seconds


def _holds(rules: Iterable[Mapping[str, Any]]) -> Holds:
    found: Holds = defaultdict(dict)
    for rule in rules:
        hold, interval = float(rule.get("duration") or 0), rule["interval"]
        turns = math.ceil(hold / interval) if interval else 0  # an alert fires at an evaluation
        found[rule["name"]][frozenset((rule.get("labels") or {}).items())] = max(hold, turns * interval)
    return found


def _hold(labels: Labels, holds: Holds) -> float:
    """What lies between an alert's beginning and its firing: Alertmanager is told the latter."""
    of_name = holds.get(labels.get("alertname", ""), {})
    fitting = [seconds for own, seconds in of_name.items() if own <= labels.items()]
    return max(fitting or of_name.values(), default=0.0)


def _is_decided(rule: Mapping[str, Any], now: float) -> bool:
    evaluated = _seconds(str(rule.get("lastEvaluation", "")))
    return rule.get("health") == "ok" and now - evaluated <= max(FRESH_SECONDS, 3 * rule["interval"])


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _result(future: Future[T] | None) -> T | None:
    """What was answered; whatever else came is no answer."""
    if future is None or not future.done():
        return None
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BasculeError | KeyError | TypeError | ValueError | AttributeError):
        return None
    raise error


def _lookup(held: Iterable[Firing]) -> Lookup[Firing]:
    return Lookup(held, lambda firing: firing.labels)
