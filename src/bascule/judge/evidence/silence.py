"""Whether a version is silent while the other is served: its counters do not grow, whatever `up` says.

Both serve the same traffic by the plan's shares, so the requests of one tell how many are expected of the other
over the same seconds. The chance that none of n expected ones comes is e^-n; n is the evidence. A version that
gets less than its plan gives it (users stick to their version) is held to what it got before it fell silent. One
that gets requests in bursts has longer gaps than chance explains, or makes up for them, and is held to the longest;
one that hung does neither, and is found as soon the next time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bascule.judge.layout import Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.schema import Schema
from bascule.promql import traffic_signal
from bascule.spec.counters import EVENTS

SILENT_NATS = 13.0  # at 2 requests/s, false for half a second in some days; the alert waits for longer
USUAL_NATS = 40.0  # the longest gap that counts as usual, where requests come in bursts
LONG_NATS = 5.0  # of requests that come at random, one gap in 150 is as long
CHANCE, FEW = 2.0, 4.0  # times as many long gaps as that, and so many more, are still chance
RARELY_ASKED = 0.5  # of what was expected came after a gap: so little is usual, and the gap was no fault
MADE_UP, SOON = 0.8, 0.25  # of a gap: so many more than expected come so soon after a pause of steady callers
AT_ONCE = 0.25  # of a gap: what comes within so little is a burst, where another gap follows it
LEAST_SECONDS = 3.0  # a pause of a garbage collector is none
NEVER_SERVED_SECONDS = 30.0  # until a balancer follows the plan
NEVER_ASKED_SECONDS = 5.0  # within which the first request of a step comes, where there is traffic
QUIET_SECONDS = 60.0  # without any request of both versions, there is no traffic


@dataclass(frozen=True)
class Gap:
    """A version's time without a request: since when (Unix seconds), and how many were expected meanwhile."""

    since: float
    expected: float
    other: float  # events of the other version meanwhile


@dataclass
class Lost:
    """A gap that was told, until what came since makes up for it. `nats`: expected in it; `implied` by the plan.

    `soon`: within which part of it what makes up for it comes.
    """

    nats: float
    implied: float
    soon: float
    passed: float = 0.0  # evidence since
    surplus: float = 0.0  # events more than were expected since

    @property
    def is_made_up(self) -> bool:
        return self.surplus >= MADE_UP * self.nats and self.passed <= self.soon * self.nats

    @property
    def is_between_bursts(self) -> bool:
        """Where the next gap that is told begins: whether hardly any time was between both."""
        return self.passed <= AT_ONCE * self.nats

    @property
    def is_over(self) -> bool:
        return self.passed > self.nats

    @property
    def is_usual(self) -> bool:
        """Whether so little comes without it, too."""
        return self.passed + self.surplus <= RARELY_ASKED * self.passed


@dataclass
class Gaps:
    """The gaps that were not told, in evidence."""

    number: int = 0
    long: int = 0
    longest: float = 0.0

    def add(self, nats: float) -> None:
        self.number += 1
        self.long += nats >= LONG_NATS
        self.longest = max(self.longest, min(nats, USUAL_NATS))

    @property
    def usual(self) -> float:
        """The longest; 0 where chance alone explains them, for then the longest of many says nothing."""
        by_chance = self.number * math.exp(-LONG_NATS)
        return self.longest if self.long > FEW + CHANCE * by_chance else 0.0


@dataclass
class Habit:
    """How one version has been asked in this phase, and its present gap."""

    since: float  # the last event, Unix seconds
    served: float = 0.0
    implied: float = 0.0  # by the plan, but for gaps that were lost
    gaps: Gaps = field(default_factory=Gaps)
    pause: float = 0.0  # the longest gap that was told and made up for, in evidence
    gap: float = 0.0  # implied by the plan since the last event
    expected: float = 0.0  # evidence of the present gap
    other: float = 0.0  # events of the other version in it
    lost: Lost | None = None

    def add(self, time: float, implied: float, came: float, others: float) -> None:
        """An evaluation: what the plan implies in it, what came, and what came to the other version."""
        if came <= 0:
            self.gap, self.other = self.gap + implied, self.other + others
            self.expected = self.gap * self._share
            return
        usual = implied * self._share
        if self._gap_ends():
            usual += self.expected
        if self.lost is not None:
            self._make_up(self.lost, usual, came)
        self.implied += implied
        self.served, self.since = self.served + came, time
        self.gap = self.expected = self.other = 0.0

    @property
    def enough(self) -> float:
        """Evidence from which a gap is silence."""
        return max(SILENT_NATS, 2 * self.pause, 2 * self.gaps.usual)

    @property
    def _share(self) -> float:
        """What it got of what its plan implied; one at most."""
        return min(1.0, (self.served + 1) / (self.implied + 1))

    def _gap_ends(self) -> bool:
        """Whether it was an ordinary one. What was before the first request says nothing: nobody was sent there yet."""
        if self.served == 0:
            return False
        if self.expected >= self.enough:
            if self.lost is not None and self.lost.is_between_bursts:
                self._learn(self.lost)
            self.lost = Lost(self.expected, self.gap, 1.0 if self.gaps.usual else SOON)
            return False
        self.gaps.add(self.expected)
        self.implied += self.gap
        return True

    def _make_up(self, lost: Lost, usual: float, came: float) -> None:
        lost.passed += usual
        lost.surplus += came - usual
        if lost.is_made_up:
            self._learn(lost)
        elif lost.is_over and lost.is_usual:
            self.implied += lost.implied
        if lost.is_made_up or lost.is_over:
            self.lost = None

    def _learn(self, lost: Lost) -> None:
        """A gap that was a pause: so long a one is usual, and belongs to the version's share."""
        self.pause = max(self.pause, min(lost.nats, USUAL_NATS))
        self.implied += lost.implied


class Silence:
    """Of both versions, in one phase."""

    def __init__(self, schema: Schema, plan: PlanStep) -> None:
        self._columns, self._odds = _traffic(schema, plan)
        self._habits = Habit(plan.started), Habit(plan.started)
        self._time = plan.started

    def add(self, look: JointLook) -> None:
        """An evaluation of this phase."""
        self._time = look.time
        events = look.increments[:, self._columns]
        implied, came = np.sum(events[::-1] * self._odds, axis=1).tolist(), events.sum(axis=1).tolist()
        for version, habit in enumerate(self._habits):
            habit.add(look.time, implied[version], came[version], came[1 - version])

    def gap(self, version: int) -> Gap | None:
        """The version's silence, where it is one that chance or habit does not explain."""
        habit = self._habits[version]
        least = LEAST_SECONDS if habit.served > 0 else NEVER_SERVED_SECONDS
        if self._time - habit.since < least or habit.expected < habit.enough:
            return None
        return Gap(habit.since, habit.expected, habit.other)

    def no_traffic_since(self, now: float) -> float | None:
        """Since when neither version has been asked anything; None while one was recently."""
        if not len(self._columns):
            return None
        since = max(habit.since for habit in self._habits)
        least = QUIET_SECONDS if any(habit.served for habit in self._habits) else NEVER_ASKED_SECONDS
        return since if now - since > least else None


def _traffic(schema: Schema, plan: PlanStep) -> tuple[list[int], Floats]:
    """The columns of all requests, one by stratum, and each version's planned odds against the other there (2, n)."""
    try:
        signal = traffic_signal(schema.spec)
    except ValueError:
        return [], np.zeros((2, 0))
    name = next(name for name, each in schema.spec.signals.items() if each is signal)
    leaves = schema.strata[name].leaves
    odds = np.array([_odds(plan.share(leaf)) for leaf in leaves], np.float64).reshape(-1, 2).T
    return schema.columns_of(name, EVENTS, leaves), odds


def _odds(share: float | None) -> tuple[float, float]:
    """Of the baseline and of the candidate; without a plan, or where one serves everything, nothing is implied."""
    if share is None or not 0 < share < 1:
        return 0.0, 0.0
    return (1 - share) / share, share / (1 - share)
