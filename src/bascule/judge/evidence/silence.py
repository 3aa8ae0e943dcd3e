"""Whether a version is silent while the other is served: its counters do not grow, whatever `up` says.

Both serve the same traffic by the plan's shares, so the requests of one tell how many are expected of the other
over the same seconds. The chance that none of n expected ones comes is e^-n; n is the evidence. A version that
gets less than its plan gives it (users stick to their version) is held to what it got before it fell silent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.schema import Schema
from bascule.promql import traffic_signal
from bascule.spec.counters import EVENTS

SILENT_NATS = 16.0  # at an evaluation a second, a false one in some hundred days
USUAL_NATS = 2 * SILENT_NATS  # the longest gap that counts as usual
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


class Silence:
    """Of both versions, in one phase."""

    def __init__(self, schema: Schema, plan: PlanStep) -> None:
        self._columns, self._odds = _traffic(schema, plan)
        self._gap, self._other = np.zeros(2), np.zeros(2)  # since the last event: implied by the plan, of the other
        # evidence of the present gap, and of the longest usual
        self._expected, self._longest = np.zeros(2), np.zeros(2)
        self._implied, self._served = np.zeros(2), np.zeros(2)  # up to the last event: implied by the plan, and come
        self._since = np.full(2, plan.started)
        self._time = plan.started

    def add(self, look: JointLook) -> None:
        """An evaluation of this phase."""
        self._time = look.time
        events = look.increments[:, self._columns]
        implied, came = np.sum(events[::-1] * self._odds, axis=1), events.sum(axis=1)
        spoke = came > 0
        gap = self._gap + implied
        ended = np.where(spoke, np.minimum(self._expected, USUAL_NATS), 0.0)
        self._longest = np.maximum(self._longest, ended)
        self._expected = np.where(spoke, 0.0, gap * self._share_of_plan())
        self._implied += np.where(spoke, gap, 0.0)
        self._served += came
        self._gap = np.where(spoke, 0.0, gap)
        self._other = np.where(spoke, 0.0, self._other + came[::-1])
        self._since = np.where(spoke, look.time, self._since)

    def gap(self, version: int) -> Gap | None:
        """The version's silence, where it is one that chance or habit does not explain."""
        lasted = self._time - self._since[version]
        least = LEAST_SECONDS if self._served[version] > 0 else NEVER_SERVED_SECONDS
        enough = max(SILENT_NATS, 2 * self._longest[version])
        if lasted < least or self._expected[version] < enough:
            return None
        return Gap(float(self._since[version]), float(self._expected[version]), float(self._other[version]))

    def no_traffic_since(self, now: float) -> float | None:
        """Since when neither version has been asked anything; None while one was recently."""
        if not len(self._columns):
            return None
        since = float(self._since.max())
        least = QUIET_SECONDS if self._served.any() else NEVER_ASKED_SECONDS
        return since if now - since > least else None

    def _share_of_plan(self) -> Floats:
        """What share each got of what its plan implied, until it fell silent; one at most."""
        return np.minimum(1.0, (self._served + 1) / (self._implied + 1))


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
