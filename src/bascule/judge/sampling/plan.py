"""What the plan says now: the phase, since when, and the candidate's share of every segment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bascule import conventions as names
from bascule.conventions import TOTAL_SEGMENT
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus, Sample
from bascule.spec import Spec
from bascule.spec.model import Phase

MEMORY, LONG_MEMORY = "1h", "30d"
LATEST = 7_258_118_400.0  # the year 2200: what lies beyond is not a time
MOST_PHASES = 1000.0
ADDRESS = "check that stack.external names a Prometheus"


@dataclass(frozen=True)
class PlanStep:
    """`number` 0: before the first phase. `started`: Unix seconds. `shares`: by segment; empty while unknown."""

    number: int
    started: float
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there is a plan."""
        return bool(self.shares)

    def share(self, segment: str) -> float | None:
        """The candidate's planned share of a segment (`all`: of any of them; `partners/acme`: of its segment).

        None when there is no plan.
        """
        if segment == TOTAL_SEGMENT and self.shares:
            return max(self.shares.values())
        whole = self.shares.get(segment.partition("/")[0], self.shares.get(TOTAL_SEGMENT))
        return self.shares.get(segment, whole)

    def gives(self, segment: str) -> bool:
        """Whether the candidate is to serve the segment; without a plan, everything may be."""
        share = self.share(segment)
        return share is None or share > 0

    def phase(self, spec: Spec) -> Phase | None:
        """The spec's phase of that number; None before the first."""
        return spec.phases[self.number - 1] if 0 < self.number <= len(spec.phases) else None

    def same_step(self, other: PlanStep) -> bool:
        """Whether the shares are those of the other plan, so that evidence may go on."""
        return (self.number, self.started, dict(self.shares)) == (other.number, other.started, dict(other.shares))


def read_plan(
    prometheus: Prometheus, otherwise_started: float, at: float | None = None, memory: str = MEMORY
) -> PlanStep:
    """The plan as the incidents role last exported it; without one, phase 0 since `otherwise_started`.

    The last value counts although its exporter may be away: a plan does not end because nobody repeats it. Raises
    QueryRejected where the values are no plan's.
    """

    def last(name: str, most: float) -> list[Sample]:
        samples = prometheus.instant(f"last_over_time({name}[{memory}])", at)
        return [_possible(sample, name, most) for sample in samples]

    started = max(last(names.PHASE_STARTED.name, LATEST), key=lambda sample: sample.value, default=None)
    planned = last(names.PLANNED_SHARE.name, 1.0)
    shares = {sample.labels.get(names.SEGMENT, ""): sample.value for sample in _of_exporter(started, planned)}
    number = _of_exporter(started, last(names.PHASE.name, MOST_PHASES))
    if not number or started is None:
        return PlanStep(0, otherwise_started, shares)
    return PlanStep(int(number[0].value), begun(started.value), shares)


def begun(seconds: float) -> float:
    """When a step began, to the millisecond: what tells of it tells no more."""
    return round(seconds, 3)


def server_time(prometheus: Prometheus) -> float:
    """Prometheus' own clock, Unix seconds; ours where it tells none. Raises QueryRejected for what is not a time."""
    asked = prometheus.scalar("time()")
    now = asked if isinstance(asked, float) else time.time()
    if not 0 <= now <= LATEST:
        raise QueryRejected(f"Prometheus answered {now:g} when asked for the time", ADDRESS)
    return now


def _possible(sample: Sample, name: str, most: float) -> Sample:
    if not 0 <= sample.value <= most:
        raise QueryRejected(
            f"Prometheus does not know the plan's step: {name} is {sample.value:g}",
            "check that it scrapes the journal (job bascule-incidents)",
        )
    return sample


def _of_exporter(started: Sample | None, samples: list[Sample]) -> list[Sample]:
    """The samples of the exporter that knows the latest step: one that moved is still remembered at its old address."""
    if started is None:
        return samples
    return [sample for sample in samples if sample.labels.get("instance") == started.labels.get("instance")]
