"""Partners, and other labels within segments: found in the series, weighed each by itself, told each by name."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bascule.conventions import State, Verdict
from bascule.judge import JudgeOutcome, PhaseWatch, PlanStep, Strata, find_strata, outcome_of
from bascule.spec import parse

START = 1_000_000.0
BEGUN = START + 120
HALF = {"partners": 0.5, "rest": 0.5, "all": 0.5}

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  one: {targets: ["127.0.0.1:8001"], version: v1}
  two: {targets: ["127.0.0.1:8002"], version: v2}
signals:
  errors:
    kind: ratio
    bad: requests_total{status="500"}
    total: requests_total
    better: lower
    strata: [user_segment, partner]
  refusals: {kind: ratio, bad: refusals_total, total: requests_total, better: lower, strata: [user_segment, partner]}
segments: {partners: {partner_label: partner}, rest: {}}
phases: [{share: 50%, hold: 10s}]
judge: {min_samples: 10}
"""
TRAFFIC = {("partners", "acme"): 30.0, ("partners", "globex"): 30.0, ("rest", "none"): 40.0}


class Service:
    """Both versions' counters, by segment and partner."""

    def __init__(self, world, seed: int = 1) -> None:
        self.prometheus = world.PretendPrometheus(now=START)
        self.random = np.random.default_rng(seed)
        self.counts: dict[str, dict[str, float]] = {"v1": {}, "v2": {}}

    def run(self, seconds: int, share=0.0, errors=lambda version, partner: 0.01, traffic=TRAFFIC) -> None:
        """`share`: the candidate's, of all or by partner; `errors`: a rate by version and partner."""
        for _ in range(seconds):
            self.prometheus.now += 1
            for version, job in (("v1", "one"), ("v2", "two")):
                for (segment, partner), rate in traffic.items():
                    own = share[partner] if isinstance(share, dict) else share
                    requests = self.random.poisson(rate * (own if version == "v2" else 1 - own))
                    bad = self.random.binomial(requests, errors(version, partner))
                    labels = f'version="{version}",user_segment="{segment}"'
                    self.add(version, f'requests_total{{{labels},partner="{partner}",status="500"}}', bad)
                    self.add(version, f'requests_total{{{labels},partner="{partner}",status="200"}}', requests - bad)
                    self.add(version, f"refusals_total{{{labels}}}", 0)
                text = "".join(f"{name} {value}\n" for name, value in self.counts[version].items())
                self.prometheus.add(self.prometheus.now, text + "up 1\n", job=job, instance=job)

    def add(self, version: str, series: str, amount: float) -> None:
        self.counts[version][series] = self.counts[version].get(series, 0.0) + float(amount)

    def watch(self) -> PhaseWatch:
        watch = PhaseWatch(parse(SPEC), self.prometheus, PlanStep(1, BEGUN, HALF))
        watch.advance(self.prometheus.now)
        return watch


def judged(service: Service) -> JudgeOutcome:
    watch = service.watch()
    return outcome_of(watch.engine, watch.surroundings(service.prometheus.now))


def line(outcome: JudgeOutcome, segment: str, signal: str = "errors"):
    return next(each for each in outcome.lines if (each.signal, each.segment) == (signal, segment))


@pytest.fixture
def service(world) -> Service:
    made = Service(world)
    made.run(120)
    return made


def test_partners_are_found_where_they_answered_before_the_phase_began(service):
    service.run(5, 0.5, traffic={**TRAFFIC, ("partners", "late"): 100.0})
    strata = find_strata(parse(SPEC), service.prometheus, BEGUN)
    assert strata["errors"].inner == {"partners": ("acme", "globex")}
    assert strata["errors"].lines == ("partners", "rest", "partners/acme", "partners/globex", "all")
    assert strata["errors"].leaves_of("partners") == ("partners/acme", "partners/globex", "partners/other")


def test_a_signal_whose_counters_do_not_all_carry_the_label_is_not_split(service):
    assert find_strata(parse(SPEC), service.prometheus, BEGUN)["refusals"].inner == {}


def test_a_regression_of_one_partner_is_found_by_its_name(service):
    service.run(60, 0.5)
    assert judged(service).judgement.verdict is not Verdict.ROLL_BACK
    service.run(60, 0.5, errors=lambda version, partner: 0.2 if (version, partner) == ("v2", "acme") else 0.01)
    outcome = judged(service)
    assert line(outcome, "partners/acme").state is State.BAD
    assert line(outcome, "partners/globex").state is State.OK
    assert any(reason.startswith("errors in partners/acme:") for reason in outcome.judgement.reasons)


def test_identical_versions_with_other_partners_raise_no_alarm_in_their_segment(service):
    """The partner that fails ten times as often moves to the candidate; pooled over the segment, V2 looks far worse."""
    uneven = {"acme": 0.1, "globex": 0.01, "none": 0.01}
    service.run(400, {"acme": 0.9, "globex": 0.1, "none": 0.5}, errors=lambda version, partner: uneven[partner])
    watch = service.watch()
    assert not [alarm for alarm in watch.engine.raised if alarm.segment in ("partners", "all")]
    shown = line(outcome_of(watch.engine, watch.surroundings(service.prometheus.now)), "partners").reading
    assert shown.low <= 0 <= shown.high


def test_events_of_a_partner_that_came_later_count_in_its_segment(service):
    service.run(30, 0.5)
    before = line(judged(service), "partners").reading.events_candidate
    service.run(10, 0.5, traffic={("partners", "late"): 100.0})
    assert line(judged(service), "partners").reading.events_candidate > before + 300


def test_a_partner_that_is_quiet_for_a_while_holds_nothing_up(service):
    service.run(30, 0.5)
    service.run(70, 0.5, traffic={place: rate for place, rate in TRAFFIC.items() if place[1] != "acme"})
    outcome = judged(service)
    assert line(outcome, "partners/acme").state is State.NO_DATA
    assert line(outcome, "partners").state is State.OK
    assert outcome.judgement.verdict is not Verdict.NO_DATA


def test_the_partners_of_a_segment_share_one_lines_budget(service):
    engine = service.watch().engine
    assert sum(engine.budget.shares.values()) == pytest.approx(1)
    assert engine.budget.shares["errors", "partners/acme"] == pytest.approx(
        engine.budget.shares["errors", "partners"] / 2
    )


def test_the_plan_gives_a_partner_what_it_gives_its_segment():
    plan = PlanStep(1, BEGUN, {"partners": 0.0, "rest": 0.5, "all": 0.5})
    assert not plan.gives("partners/acme")
    assert plan.gives("/a/route")


def test_without_segments_the_values_are_strata_of_the_whole():
    strata = Strata(("all",), labels=("route",), inner={"all": ("/a", "/b")})
    assert strata.leaves == ("/a", "/b", "other")
    assert strata.lines == ("/a", "/b", "all")
    assert [strata.leaf_of({"route": route}) for route in ("/a", "/c", "")] == ["/a", "other", "other"]


def test_a_thousand_partners_are_told_within_a_tick(world):
    service = Service(world)
    many = {("partners", f"p{number}"): 1.0 for number in range(1000)}
    service.run(10, traffic=many)
    watch = PhaseWatch(parse(SPEC), service.prometheus, PlanStep(1, service.prometheus.now, HALF))
    service.run(5, 0.5, traffic=many)
    watch.advance(service.prometheus.now)
    begun = time.process_time()
    outcome = outcome_of(watch.engine, watch.surroundings(service.prometheus.now))
    spent = time.process_time() - begun
    assert len(outcome.lines) > 1000
    assert spent < 0.5
