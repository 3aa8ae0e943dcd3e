"""How the recent requests are split between the versions, segment by segment, and how much chance there is in it.

Requests of one partner often go to one version (sticky splits, hashed by partner). Then the share of requests is that
of a few partners, and swings by far more than so many independent requests would: the *design effect* says how much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.schema import Schema
from bascule.judge.statistics.confidence import share_interval
from bascule.promql import traffic_signal
from bascule.spec.counters import EVENTS

WINDOW_SECONDS = 300.0
SETTLE_SECONDS = 10.0  # that a load balancer takes to serve a new share
USER_EFFECT = 2.0  # users differ in how much they ask: their share scatters by so much more than equal ones'
PRIOR_EVENTS = 60.0


@dataclass(frozen=True)
class Split:
    """Requests of both versions in one segment; `effect`: how much more they scatter than single requests would."""

    segment: str
    baseline: float
    candidate: float
    effect: float

    @property
    def events(self) -> float:
        return self.baseline + self.candidate

    def of_users(self, users: float) -> Split:
        """The same where the requests are of so many users, each of whom may go to one version."""
        return replace(self, effect=max(self.effect, USER_EFFECT * self.events / users))

    def bounds(self, planned: float | None) -> tuple[float, float]:
        """Of the candidate's share, valid at every evaluation; tightest where the share is a little beside the plan."""
        events, expected = (PRIOR_EVENTS, planned) if planned is not None else (1.0, 0.5)
        prior = 0.5 + events * expected, 0.5 + events * (1 - expected)
        counts = np.array(self.candidate / self.effect), np.array(self.baseline / self.effect)
        low, high = share_interval(*counts, prior)
        return float(low), float(high)


class Splits:
    """Requests of the last WINDOW_SECONDS of the step, from when a new share is served."""

    def __init__(self, schema: Schema, started: float) -> None:
        signal = traffic_signal(schema.spec)
        self._name = next(name for name, each in schema.spec.signals.items() if each is signal)
        self._strata = schema.strata[self._name]
        self._columns = [schema.column(self._name, EVENTS, leaf) for leaf in self._strata.leaves]
        self._place = {leaf: place for place, leaf in enumerate(self._strata.leaves)}
        self._begins = started + SETTLE_SECONDS
        self._looks: deque[tuple[float, Floats]] = deque()
        self._sums = np.zeros((2, len(self._columns)))

    def add(self, look: JointLook) -> None:
        """Note a joint evaluation; one that rests on samples from before the share had settled tells nothing."""
        if look.since < self._begins:
            return
        counts = look.increments[:, self._columns]
        self._looks.append((look.time, counts))
        self._sums = self._sums + counts
        while self._looks[0][0] <= look.time - WINDOW_SECONDS:
            self._sums = self._sums - self._looks.popleft()[1]

    @property
    def segments(self) -> tuple[str, ...]:
        """The named segments, the rest of them, or all as one."""
        return self._strata.segments

    def of(self, segment: str, partners: Floats | None = None) -> Split:
        """A segment's split; `partners` (2, n): its partners' requests by version, where a label tells them."""
        leaves = self._strata.leaves_of(segment)
        own = np.maximum(self._sums[:, [self._place[leaf] for leaf in leaves]], 0.0)
        clusters = partners if partners is not None and partners.shape[1] > own.shape[1] else own
        known = clusters is partners or len(leaves) > 1
        effect = design_effect(clusters) if known else 1.0
        return Split(segment, float(own[BASELINE].sum()), float(own[CANDIDATE].sum()), effect)


def total_of(splits: Sequence[Split]) -> Split:
    """All segments together: each scatters by itself, around its own share."""
    baseline, candidate = sum(each.baseline for each in splits), sum(each.candidate for each in splits)
    events = baseline + candidate
    effect = sum(each.effect * each.events for each in splits) / events if events > 0 else 1.0
    return Split(TOTAL_SEGMENT, baseline, candidate, effect)


def design_effect(clusters: Floats) -> float:
    """Of clusters (2, n) with requests by version: variance of their share, as a multiple of independent requests'."""
    sizes = clusters.sum(axis=0)
    total, count = float(sizes.sum()), int((sizes > 0).sum())
    share = float(clusters[CANDIDATE].sum()) / total if total > 0 else 0.0
    if count < 2 or not 0 < share < 1:
        return max(1.0, float((sizes**2).sum()) / total) if total > 0 else 1.0  # as if all were sticky
    scatter = float(((clusters[CANDIDATE] - share * sizes) ** 2).sum()) * count / (count - 1)
    return max(1.0, scatter / (total * share * (1 - share)))
