"""The judge against its method page: tests/support/plain_judge.py is the page as plain Python, fed the same looks.

Rates, phi, upper bounds and thresholds agree to rounding (EXACT). Evidence against history does not: the judge's
`log_rising` is a series with an absolute error below 2e-6, and two of them enter for each ratio, stratum and block.
Their errors have either sign and do not pile up, so NATS allows a handful of them; with the exact function in its place
the rest agrees to less than a millionth of a nat.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import judge_house
import judge_world
import numpy as np
import plain_judge
import pytest
from scipy.special import gammaln

from bascule.judge import JointLook, PhaseEngine, PlanStep, log_rising

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
BAD = {"freemium": 0.12, "api_partners": 0.12}
EXACT = 1e-9  # relative
NATS = 1e-5  # absolute
FEW = (0.02, 0.05, 0.1)  # of the histogram's bounds: enough to choose among, and cheap


@dataclass
class Bench(judge_world.Bench):
    """Its errors may come in bursts of geometric size, of these means by version."""

    bursts: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._means = cycle((0, 1))  # V1 and V2 are served by turns

    def _serve(
        self, into: np.ndarray, segment: str, traffic: float, wrong: float, right: float, latency: float
    ) -> None:
        super()._serve(into, segment, traffic, 0.0, right, latency)
        mean, total = self.bursts[next(self._means)], into[self.schema.column("errors", "events", segment)]
        bad = self.random.geometric(1 / mean, self.random.poisson(total * wrong / mean)).sum()
        into[self.schema.column("errors", "bad", segment)] = min(float(bad), total)


def beside(seed: int, plan: PlanStep | None = None, text: str = judge_house.SPEC, nats: float = NATS):
    """A bench, the plain judge that is fed beside its engine, and their agreement, asserted after each evaluation."""
    bounds = {"latency": FEW, "satisfaction": (1.0, 2.0, 3.0, 4.0, 5.0)}
    b = Bench(judge_house.shop_spec(text), bounds, plan or PlanStep(2, START, HALF), seed)
    judge = plain_judge.follow(b)
    agreement, feed = Agreement(b.engine, judge, nats), b.engine.feed

    def fed(look: JointLook) -> None:
        feed(look)
        agreement.check(look.time)

    b.engine.feed = fed
    return b, judge, agreement


@dataclass
class Agreement:
    """Asserts at every evaluation that the engine and the plain judge have the same numbers; `looks` so many times."""

    engine: PhaseEngine
    judge: plain_judge.Judge
    nats: float = NATS
    looks: int = 0

    def check(self, time: float) -> None:
        weighed = bool(self.judge.distance)
        for index, each in enumerate(self.engine.schema.pairs):
            pair = plain_judge.Pair(each.signal, each.bound, each.segment)
            self._check_history(index, pair, time)
            if weighed:
                self._check_evidence(index, pair, time)
                same(self.engine.recovery.nats[index], self.judge.recovery[pair].nats, ("recovery", pair, time))
                same(self.engine.recovery.seconds[index], self.judge.recovery[pair].seconds, ("recovery", pair, time))
        self.looks += weighed

    def _check_history(self, index: int, pair: plain_judge.Pair, time: float) -> None:
        ours, theirs = self.engine.history, self.judge.history
        same(ours.phi[index], theirs.phi[pair], ("phi", pair, time))
        same(ours.shown_phi[index], theirs.phi_shown[pair], ("shown phi", pair, time))
        same(ours.baseline_phi[index], theirs.phi_baseline[pair], ("phi of V1", pair, time))
        mine = ours.layout.strata_of(index)
        for rate, upper, stratum in zip(ours.rate[mine], ours.upper[mine], theirs.strata[pair], strict=True):
            same(rate, theirs.past[stratum].rate, ("rate", stratum, time))
            same(upper, theirs.upper(pair, stratum), ("upper", stratum, time))

    def _check_evidence(self, index: int, pair: plain_judge.Pair, time: float) -> None:
        limits, needed = self.engine.budget.limits, self.judge.thresholds(pair)
        for name in ("since_start", "change", "history"):
            same(getattr(limits, name)[index], getattr(needed, name), (name, pair, time))
        for rate, other in zip(self.engine.recent.ratios(), self.judge.of_late(pair), strict=True):
            same(rate[index], other, ("of late", pair, time))
        if any((a.signal, a.segment, a.ended) == (pair.signal, pair.line, time) for a in self.engine.ended):
            return  # its evidence starts again with this evaluation
        ours, theirs = self.engine.distance[index], self.judge.distance[pair]
        assert math.isclose(ours, theirs, rel_tol=EXACT, abs_tol=self.nats), ("distance", pair, time, ours, theirs)

    def check_alarms(self) -> None:
        """The same alarms were raised and ended in the same moments, on the same pair, with the same figures."""
        raised = [(a.signal, a.bound, a.segment, a.since) for a in self.engine.raised if a.signal != "satisfaction"]
        assert raised == [(*a.pair, a.since) for a in self.judge.raised]
        assert {(a.signal, a.segment, a.ended) for a in self.engine.ended} == {
            (a.pair.signal, a.pair.line, ended) for a, ended in self.judge.ended
        }
        for ours, theirs in zip(self.engine.raised, self.judge.raised, strict=False):
            assert ours.evidence == pytest.approx(theirs.evidence, abs=NATS)
            assert ours.threshold == pytest.approx(theirs.suffices, rel=EXACT)


def same(ours: float, theirs: float, what: object) -> None:
    assert math.isclose(ours, theirs, rel_tol=EXACT, abs_tol=1e-12), (what, ours, theirs)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_healthy_phase(seed):
    b, judge, agreement = beside(seed)
    b.history(130)
    b.run(60)
    agreement.check_alarms()
    assert agreement.looks == 60
    assert not judge.raised


def test_a_phase_that_begins_without_a_history():
    b, _, agreement = beside(3)
    b.run(45)
    assert agreement.looks == 45


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_regression_in_two_segments(seed):
    b, judge, agreement = beside(seed)
    b.history(130)
    b.run(20)
    b.run(40, errors=(0.0002, BAD))
    agreement.check_alarms()
    assert {line for line, _ in judge.alarms.items()} >= {("errors", "all"), ("errors", "freemium")}


def test_slower_answers_and_wrong_ones_move_many_pairs_at_once():
    """Then the guard of each is ranked among them all."""
    b, judge, agreement = beside(4)
    b.history(130)
    b.run(60, latency=(0.02, 0.03), accuracy=(0.82, 0.6))
    b.run(9, latency=(0.02, 0.015), accuracy=(0.82, 0.99))
    agreement.check_alarms()
    assert {signal for signal, _ in judge.alarms} == {"latency", "accuracy"}
    assert max(recovery.nats for recovery in judge.recovery.values()) > 0


def test_an_increase_that_is_certain_and_below_the_harmful_one():
    b, judge, agreement = beside(2, text=judge_house.SPEC.replace("harmful_increase: 1pt", "harmful_increase: 40pt"))
    b.history(130)
    b.run(30, errors=(0.0002, BAD))
    agreement.check_alarms()
    assert judge.distance["errors", None, "all"] > 0
    assert not judge.raised


def test_a_baseline_that_fails_nearly_always():
    """Its rate and upper bound are held at 95 %."""
    b, judge, agreement = beside(2)
    b.history(130, accuracy=(0.01, 0.01))
    b.run(40, accuracy=(0.01, 0.01))
    agreement.check_alarms()
    assert judge.history.past["accuracy", None, "freemium"].rate == 0.95


@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_with_a_regression_of_an_earlier_step(seed):
    b, judge, agreement = beside(seed)
    b.earlier((60, {"candidate": False}), (30, {}), (20, {"errors": (0.0002, BAD)}), (80, {}))
    b.run(20)
    b.run(20, errors=(0.0002, BAD))
    agreement.check_alarms()
    assert judge.raised


@pytest.mark.parametrize("seed", [1, 2])
def test_an_incident_of_both_versions(seed):
    """V1 leaves its history, so the guard is dearer."""
    b, judge, agreement = beside(seed)
    b.history(130, errors=(0.01, 0.01))
    b.run(20, errors=(0.01, 0.01), latency=(0.02, 0.02), accuracy=(0.9, 0.9))
    b.run(40, errors=(0.08, 0.08), latency=(0.03, 0.03), accuracy=(0.7, 0.7))
    agreement.check_alarms()
    assert not judge.raised


@pytest.mark.parametrize("seed", [1, 2])
def test_errors_in_bursts(seed):
    b, judge, agreement = beside(seed)
    b.bursts = 4.0, 4.0
    b.history(300, errors=(0.03, 0.03))
    b.run(70, errors=(0.03, 0.03))
    agreement.check_alarms()
    assert judge.history.phi["errors", None, "all"] > 4


def test_a_candidate_burstier_than_the_baseline():
    """Its own phi rules after its first blocks have shown it."""
    b, judge, agreement = beside(5)
    b.history(200, errors=(0.03, 0.03))
    b.bursts = 1.0, 4.0
    b.run(90, errors=(0.03, 0.03))
    agreement.check_alarms()
    assert judge.history.phi["errors", None, "all"] > 1.3 * judge.history.phi_baseline["errors", None, "all"]


def test_the_candidate_alone_beside_a_frozen_history():
    b, judge, agreement = beside(6, PlanStep(3, START, dict.fromkeys(HALF, 1.0)))
    b.history(130, errors=(0.01, 0.01))
    b.run(20, errors=(0.01, 0.01))
    b.run(30, errors=(0.01, 0.08))
    agreement.check_alarms()
    assert ("errors", "all") in judge.alarms


def test_looks_of_uneven_length_and_a_candidate_that_is_away():
    """Blocks then span more than ten seconds; half a life is counted in seconds, not in looks."""
    source, looks = beside(7)[0], []
    source.engine.feed = looks.append
    source.history(150)
    source.run(30, errors=(0.01, 0.03))
    source.run(25, candidate=False)
    source.run(65, errors=(0.01, 0.06))
    b, _, agreement = beside(7)
    for some in in_parts(looks, np.random.default_rng(7)):
        increments = np.sum([each.increments for each in some], axis=0)
        b.engine.feed(JointLook(some[-1].time, float(len(some)), increments, some[0].since))
    agreement.check_alarms()
    assert 30 < agreement.looks < 80


def in_parts(looks: list[JointLook], random: np.random.Generator) -> Iterator[list[JointLook]]:
    while looks:
        size = int(random.integers(1, 5))
        yield looks[:size]
        looks = looks[size:]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mended_regression_ends_its_alarms_and_its_evidence_starts_anew(seed):
    b, judge, agreement = beside(seed, text=judge_house.SPEC.replace("recovery: 10s", "recovery: 60s"))
    b.history(130)
    b.run(30, errors=(0.0002, BAD))
    b.run(90, errors=(0.0002, 0.0002))
    b.run(20, errors=(0.0002, BAD))
    agreement.check_alarms()
    assert 0 < len(judge.ended) < len(judge.raised)


def test_an_alarm_that_has_ended_is_raised_again_by_fresh_evidence_only():
    """What the phase has gathered is still above its threshold when the fix has been shown."""
    b = judge_world.Bench(judge_house.shop_spec(), {"latency": FEW}, PlanStep(2, START, HALF), 1)
    judge = plain_judge.follow(b)
    b.history(130)
    b.run(20, latency=(0.02, 0.02))
    b.run(60, latency=(0.02, 0.03))
    b.run(50, latency=(0.02, 0.02))
    assert judge.ended
    Agreement(b.engine, judge).check_alarms()


@pytest.mark.parametrize("seed", [1, 8])
def test_with_the_exact_logarithm_of_gamma_less_than_a_millionth_is_left(monkeypatch, seed):
    """That is the 1e-9 which the judge adds to h, lest an evaluation without events divide by nothing."""
    monkeypatch.setattr(
        sys.modules[log_rising.__module__], "log_rising", lambda start, steps: gammaln(start + steps) - gammaln(start)
    )
    b, _, agreement = beside(seed, nats=1e-6)
    b.history(130)
    b.run(20, latency=(0.02, 0.02))
    b.run(30, errors=(0.0002, BAD), latency=(0.02, 0.025))
    assert agreement.looks == 50


@pytest.mark.parametrize("phi", [1.05, 2.0, 6.0])
@pytest.mark.parametrize("rho", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("r", [1.5, 7.0, 100.0])
def test_a_burst_is_worth_one_in_expectation(phi, rho, r):
    """The page's quadratic is the price of which it says so: the expectation is summed over the sizes of a burst."""
    again, gain, cost = (phi - 1) / (phi + 1), math.log(r) / phi, plain_judge.price(rho, r, phi)

    def chance(size: int, nats: float) -> float:
        return (1 - again) * math.exp((size - 1) * math.log(again) + size * nats)

    worth = sum(rho * chance(size, gain - cost) + (1 - rho) * chance(size, -cost) for size in range(1, 5000))
    assert worth == pytest.approx(1, rel=1e-9)


def test_a_log_rising_of_the_judge_errs_by_less_than_two_millionths():
    start, steps = np.meshgrid(np.geomspace(1e-6, 1e5, 60), np.arange(0, 400, 7.0))
    error = log_rising(start, steps) - (gammaln(start + steps) - gammaln(start))
    assert np.abs(error).max() < 2e-6
