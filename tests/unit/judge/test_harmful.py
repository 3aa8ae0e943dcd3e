"""Only a worsening that matters is an alarm: what matters is declared, or follows from the declared target."""

from __future__ import annotations

import numpy as np
import pytest

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge import JointLook, PhaseEngine, PlanStep, Schema
from bascule.spec import Spec, parse

BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
TEXT = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {a: {targets: ["127.0.0.1:1"], version: v1}, b: {targets: ["127.0.0.1:2"], version: v2}}
signals:
  latency: {kind: histogram, metric: %METRIC%, unit: %UNIT%%MORE%}
phases: [{share: 50%, hold: 1h}]
"""
PLAN = PlanStep(1, 1000.0, {TOTAL_SEGMENT: 0.5})
UNITS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6}


def shop(more: str, unit: str = "seconds") -> Spec:
    metric = f"request_duration_{unit}"
    return parse(TEXT.replace("%METRIC%", metric).replace("%UNIT%", unit).replace("%MORE%", more and f", {more}"))


class World:
    """40 requests/s, half to each version, log-normal times; an hour of history before the phase."""

    def __init__(self, spec: Spec, unit: str = "seconds") -> None:
        self.bounds = tuple(bound * UNITS[unit] for bound in BOUNDS)
        self.scale, self.random, self.hanging = UNITS[unit], np.random.default_rng(5), 0.0
        self.engine = PhaseEngine(Schema(spec, {"latency": self.bounds}), PLAN)
        for second in range(600):
            self._look(400.0 + second, 0.008, 0.008, candidate=0)

    def run(self, seconds: int, baseline: float, candidate: float) -> PhaseEngine:
        """Medians in seconds."""
        first = 1000 + int(self.engine.seconds)
        for second in range(first, first + seconds):
            self._look(float(second + 1), baseline, candidate, candidate=20)
        return self.engine

    def _look(self, time: float, one: float, two: float, candidate: int) -> None:
        schema = self.engine.schema
        increments = np.zeros((2, len(schema.columns)))
        for version, (median, count) in enumerate(((one, 20), (two, candidate))):
            drawn = self.random.lognormal(np.log(median), 0.25, self.random.poisson(count)) * self.scale
            if version:
                drawn[self.random.random(len(drawn)) < self.hanging] = 0.9 * self.scale
            leaf = schema.strata["latency"].leaves[0]
            increments[version, schema.column("latency", "events", leaf)] = len(drawn)
            for bound in self.bounds:
                increments[version, schema.column("latency", bound, leaf)] = (drawn <= bound).sum()
        self.engine.feed(JointLook(time, 1.0, increments, time - 1.0))


def alarms(more: str, candidate: float, seconds: int = 60, unit: str = "seconds") -> list[str]:
    engine = World(shop(more, unit), unit).run(seconds, 0.008, candidate)
    return [alarm.segment for alarm in engine.raised]


TARGET = "targets: {p95: 100ms}"


@pytest.mark.parametrize(
    ("more", "candidate", "expected"),
    [
        ("", 0.012, True),  # nothing is declared: every increase counts
        (TARGET, 0.012, False),  # p95 18 ms beside 12 ms, and up to 100 ms are promised
        (TARGET, 0.040, False),
        (TARGET, 0.090, True),
        (f"{TARGET}, harmful_increase: above target", 0.040, False),
        (f"{TARGET}, harmful_increase: 0", 0.012, True),
        (f"{TARGET}, harmful_increase: 20ms", 0.012, False),
        (f"{TARGET}, harmful_increase: 20ms", 0.040, True),
        ("harmful_increase: 100%", 0.012, False),
        ("harmful_increase: 100%", 0.040, True),
        ("targets: {p50: 30ms, p95: 100ms}", 0.020, False),
        ("targets: {p50: 30ms, p95: 100ms}", 0.045, True),  # more than half are above 30 ms
        ("targets: {p95: 5s}", 0.9, True),  # no bound tells the target: the last one stands for it
    ],
)
@pytest.mark.parametrize("unit", list(UNITS))
def test_a_slower_candidate_is_an_alarm_only_where_it_matters(more, candidate, expected, unit):
    assert bool(alarms(more, candidate, unit=unit)) is expected


@pytest.mark.parametrize("more", [TARGET, "harmful_increase: 20ms", "harmful_increase: 100%", ""])
def test_a_tail_that_hangs_is_found_whatever_is_declared(more):
    """A fiftieth of the candidate's requests takes most of a second; its median does not move."""
    world = World(shop(more))
    world.hanging = 0.02
    assert world.run(60, 0.008, 0.008).raised


@pytest.mark.parametrize("more", [f"{TARGET}, harmful_increase: 20ms", "harmful_increase: 100%"])
def test_an_alarm_ends_once_the_difference_no_longer_matters(more):
    """Slower than the baseline still, by less than what is declared."""
    world = World(shop(more))
    world.run(60, 0.008, 0.120)
    assert len(world.engine.standing) == 1
    world.run(180, 0.008, 0.011)
    assert world.engine.standing == {}


MEAN = """
  rating:
    {kind: mean, sum: r_sum, count: r_count, sum_of_squares: r_squares, better: higher, unit: stars%MORE%}
"""


def rated(more: str, baseline: float, candidate: float) -> bool:
    """Whether a candidate with this mean is an alarm; ratings scatter by .5."""
    text = TEXT.replace("%METRIC%", "d_seconds").replace("%UNIT%", "seconds").replace("%MORE%", "")
    spec = parse(text.replace("phases:", MEAN.strip("\n").replace("%MORE%", more and f", {more}") + "\nphases:"))
    engine, random = PhaseEngine(Schema(spec, {"latency": (0.1,)}), PLAN), np.random.default_rng(3)
    schema = engine.schema
    for second in range(300):
        increments = np.zeros((2, len(schema.columns)))
        for version, mean in enumerate((baseline, candidate)):
            drawn = random.normal(mean, 0.5, 20)
            for part, value in (("events", 20), ("sum", drawn.sum()), ("squares", (drawn**2).sum())):
                increments[version, schema.column("rating", part, schema.strata["rating"].leaves[0])] = value
        engine.feed(JointLook(1001.0 + second, 1.0, increments, 1000.0 + second))
    return bool(engine.raised)


@pytest.mark.parametrize(
    ("more", "baseline", "candidate", "expected"),
    [
        ("", 4.5, 4.3, True),
        ("", 4.5, 4.7, False),
        ("target: 4", 4.5, 4.3, False),  # still above its target
        ("target: 4", 4.5, 3.8, True),
        ("target: 4, harmful_increase: 0", 4.5, 4.3, True),
        ("harmful_increase: 0.5", 4.5, 4.3, False),
        ("harmful_increase: 0.5", 4.5, 3.8, True),
        ("harmful_increase: 10%", 4.5, 4.3, False),
        ("harmful_increase: 10%", 4.5, 3.8, True),
    ],
)
def test_a_worse_mean_is_an_alarm_only_where_it_matters(more, baseline, candidate, expected):
    assert rated(more, baseline, candidate) is expected
