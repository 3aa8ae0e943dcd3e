"""What Prometheus' rules say at one moment: the alerts that it holds, and those that have truly ended.

An alert that it does not hold has ended only where it could decide: it has run long enough to have scraped everything,
has just evaluated the alert's rule without an error, and can scrape what the alert is about. Of a server that does not
say when it started, `unbroken.py` watches since when its rules can decide.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Any

from bascule import times
from bascule.errors import BasculeError, QueryRejected
from bascule.prometheus.client import ActiveAlert, Prometheus
from bascule.prometheus.lookup import Lookup
from bascule.prometheus.unbroken import Unbroken

FRESH_SECONDS = 15.0  # an older evaluation of a rule is no evidence
WARM_UP_SECONDS = 45.0  # of an alert whose rule is not known; see `warm_up`
LATEST = times.parse("9999-12-31T00:00:00Z").timestamp()  # no calendar goes on for long after it
Labels = Mapping[str, str]


class Word(Enum):
    """What a source says of an alert."""

    FIRING = auto()
    ENDED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Firing:
    """An alert that a source holds. `since`: Unix seconds; `inhibited`: while another alert lasts."""

    labels: Labels
    since: float
    annotations: Labels = field(default_factory=dict)
    inhibited: bool = False


@dataclass(frozen=True)
class RuleWord:
    """What Prometheus says: the alerts that fire or wait to, those it can decide, and since when it runs.

    `tells_start`: whether it said that itself; else it was watched, and must say a thing for a while."""

    firing: Sequence[Firing]
    pending: Sequence[Firing]
    decided: frozenset[str]  # alert names whose rules were evaluated without an error just now
    known: frozenset[str]  # alert names that it has rules for
    started: float
    up: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # by job and instance: was the last scrape fine
    holds: Mapping[str, float] = field(default_factory=dict)  # by alert name: the longest `for`, in seconds
    warm_ups: Mapping[str, float] = field(default_factory=dict)  # by alert name: the longest of its rules', in seconds
    tells_start: bool = True

    @cached_property
    def held(self) -> Lookup[Firing]:
        """What fires or waits to."""
        return lookup([*self.firing, *self.pending])

    def warm_up(self, alert: str) -> float:
        """Seconds after a start, or after a target came back, in which its silence about the alert says nothing."""
        return self.warm_ups.get(alert, WARM_UP_SECONDS)

    @property
    def finds_again(self) -> Mapping[str, float]:
        """By alert name: seconds after its start by which it fires again, if what it held had not ended."""
        return {alert: self.warm_up(alert) + self.holds.get(alert, 0.0) for alert in self.known}

    def says(self, labels: Labels, now: float) -> Word:
        """Of an alert, but for whether its target can be scraped; of what it has no rule for it never says anything."""
        name = labels.get("alertname", "")
        if self.held.find(labels):
            return Word.FIRING
        is_early = is_recent(self.started, now, self.warm_up(name))
        return Word.ENDED if name in self.decided and not is_early else Word.UNKNOWN

    def is_blind_to(self, labels: Labels) -> bool:
        """Whether what the alert is about cannot be scraped: its series are gone, so its rule says nothing.

        A job without targets was removed from a Prometheus; elsewhere, who sends its samples may be away."""
        job = labels.get("job", "")
        targets = self.up.get(job, {})
        if job and not targets and not self.tells_start:
            return True
        instance = labels.get("instance", "")
        asked = [targets[instance]] if instance in targets else list(targets.values())
        return bool(asked) and not any(asked)


def warm_up(scrape: float, evaluation: float) -> float:
    """Seconds after which a started Prometheus has scraped everything and evaluated a rule a few times.

    `scrape`, `evaluation`: seconds between scrapes, and between evaluations of the rule's group."""
    return max(10.0, 4 * (scrape + evaluation))


class AskedRules:
    """The rules of a server, asked every few seconds by one thread."""

    def __init__(self, prometheus: Prometheus, scrape: float, up: str = "up") -> None:
        """`scrape`: seconds between scrapes; `up`: an expression that is 1 by job and instance where scrapes are
        fine."""
        self._prometheus, self._scrape, self._up = prometheus, scrape, up
        self._unbroken = Unbroken(prometheus, scrape)

    def word(self, now: float) -> RuleWord:
        """Ask it. `now`: Unix seconds. Raises what Prometheus raises."""
        try:
            return self._asked(now)
        except BasculeError:
            self._unbroken.broke(now)
            raise

    def _asked(self, now: float) -> RuleWord:
        told = self._told_start()
        rules = _alerting(self._prometheus)
        started = self._unbroken.since(now, _evaluated(rules)) if told is None else told
        firing, pending = _held(rules)
        fine = {rule["name"] for rule in rules if _is_decided(rule, now)}
        broken = {rule["name"] for rule in rules if not _is_decided(rule, now)}
        return RuleWord(
            firing,
            pending,
            frozenset(fine - broken),
            frozenset(rule["name"] for rule in rules),
            started,
            _up(self._prometheus, self._up),
            {name: max(each.values()) for name, each in _holds(rules).items()},
            _warm_ups(rules, self._scrape),
            told is not None,
        )

    def _told_start(self) -> float | None:
        """None of a server that does not know the question."""
        try:
            return self._prometheus.started()
        except QueryRejected:
            return None


Rule = Mapping[str, Any]


def _alerting(prometheus: Prometheus) -> list[Rule]:
    return [
        {**rule, "interval": float(group.get("interval") or 0)}
        for group in prometheus.rules()
        for rule in group["rules"]
        if rule["type"] == "alerting"
    ]


def _evaluated(rules: Iterable[Rule]) -> dict[str, bool]:
    """By alert name: whether all its rules have been evaluated since the server started."""
    found: dict[str, bool] = {}
    for rule in rules:
        found[rule["name"]] = found.get(rule["name"], True) and seconds_of(str(rule.get("lastEvaluation", ""))) > 0
    return found


def _held(rules: Sequence[Rule]) -> tuple[list[Firing], list[Firing]]:
    """What fires and what waits to, of the same moment as the rules: a server that was just started holds nothing, and
    says of its rules that they were not evaluated."""
    holds = _holds(rules)
    held: dict[str, list[Firing]] = {"firing": [], "pending": []}
    alerts: Iterable[ActiveAlert] = (alert for rule in rules for alert in rule["alerts"])
    for alert in alerts:
        since = min(alert.active_at.timestamp() + _hold(alert.labels, holds), LATEST)
        held[alert.state].append(Firing(alert.labels, since, alert.annotations))
    return held["firing"], held["pending"]


def is_recent(since: float, now: float, seconds: float) -> bool:
    """Whether it was less than so long ago; what is to come was long ago: the clock was set back."""
    return 0 <= now - since < seconds


def lookup(held: Iterable[Firing]) -> Lookup[Firing]:
    return Lookup(held, lambda firing: firing.labels)


def seconds_of(text: str) -> float:
    """A time as Prometheus and Alertmanager write it; 0 for what is none."""
    try:
        return times.parse(text).timestamp()
    except ValueError:
        return 0.0


def _up(prometheus: Prometheus, expression: str) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for sample in prometheus.instant(expression):
        found[sample.labels.get("job", "")][sample.labels.get("instance", "")] = sample.value == 1
    return found


Holds = dict[str, dict[frozenset[tuple[str, str]], float]]  # by alert name and its rule's own labels, in seconds


def _holds(rules: Iterable[Rule]) -> Holds:
    found: Holds = defaultdict(dict)
    for rule in rules:
        hold, interval = float(rule.get("duration") or 0), rule["interval"]
        found[rule["name"]][frozenset((rule.get("labels") or {}).items())] = max(hold, _whole(hold, interval))
    return found


def _whole(hold: float, interval: float) -> float:
    """The evaluations that a `for` takes, for an alert fires at one; 0 where the interval is not told, or absurd."""
    turns = hold / interval if interval else 0.0
    return math.ceil(turns) * interval if math.isfinite(turns) else 0.0


def _warm_ups(rules: Iterable[Rule], scrape: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for rule in rules:
        found[rule["name"]] = max(found.get(rule["name"], 0.0), warm_up(scrape, rule["interval"]))
    return found


def _hold(labels: Labels, holds: Holds) -> float:
    """What lies between an alert's beginning and its firing: Alertmanager is told the latter."""
    of_name = holds.get(labels.get("alertname", ""), {})
    fitting = [seconds for own, seconds in of_name.items() if own <= labels.items()]
    return max(fitting or of_name.values(), default=0.0)


def _is_decided(rule: Rule, now: float) -> bool:
    evaluated = seconds_of(str(rule.get("lastEvaluation", "")))
    return rule.get("health") == "ok" and now - evaluated <= max(FRESH_SECONDS, 3 * rule["interval"])
