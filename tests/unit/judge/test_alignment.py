"""Increments to joint evaluations: the candidate is never seen ahead, and nothing is lost or counted twice."""

from __future__ import annotations

import math
from collections.abc import Mapping

import judge_beside
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_arrivals import BEGIN, BOUNDS, Arrivals, drawn, evaluations, spec
from judge_beside import SECONDS, SETTLE, looks_of

from bascule.judge import BASELINE, CANDIDATE, Alignment, Growth, Instances, JointLook, News, SampleReader, Schema

Scrapes = Mapping[str, list[float]]  # of each instance


class Cutting(Alignment):
    """One event at every scrape, in the one column there is."""

    def __init__(self, baseline: Scrapes | None = None, candidate: Scrapes | None = None) -> None:
        self.known = Instances()
        super().__init__(self.known, columns=1)
        for version, scrapes in ((BASELINE, baseline), (CANDIDATE, candidate)):
            for name, times in (scrapes or {}).items():
                self.scrape(version, name, times)

    def scrape(self, version: int, name: str, times: list[float]) -> None:
        number = self.known.number(version, {"instance": name})
        each, moments, one = np.full(len(times), number), np.array(times, dtype=float), np.ones(len(times))
        growth = Growth(each, moments, one, np.zeros((len(times), 1), np.intp))
        self.add(News(each, moments, growth, -math.inf, -math.inf))


def moments(looks: list[JointLook]) -> list[float]:
    return [look.time for look in looks]


def events(looks: list[JointLook]) -> list[tuple[float, float]]:
    """Of both versions in each evaluation."""
    return [(look.increments[BASELINE, 0], look.increments[CANDIDATE, 0]) for look in looks]


def test_a_look_is_taken_when_both_versions_have_something_new():
    looks = Cutting({"a": [1.1, 2.1, 3.1]}, {"b": [0.8, 1.8, 2.8]}).take(10)
    assert moments(looks) == [1.1, 2.1, 3.1]
    assert events(looks) == [(1, 1)] * 3


def test_the_candidate_is_never_seen_further_ahead_than_the_baseline():
    """The candidate's sample at 1.9 waits for the baseline's at 2.1: an incident of both must not look like its own."""
    cutting = Cutting({"a": [1.1, 2.1]}, {"b": [0.9, 1.9, 2.9]})
    looks = cutting.take(10)
    assert moments(looks) == [1.1, 2.1]
    assert events(looks) == [(1, 1), (1, 1)]
    cutting.scrape(BASELINE, "a", [3.1])
    assert events(cutting.take(10)) == [(1, 1)]


def test_the_candidate_waits_for_a_baseline_instance_that_appears_late():
    """Its first scrape is older than what was seen of the candidate last: nothing new of that may be taken."""
    cutting = Cutting({"a": [1.1, 2.1, 3.1]}, {"b": [1.0, 2.0]})
    cutting.take(2.5)
    cutting.scrape(CANDIDATE, "b", [3.0])
    cutting.scrape(BASELINE, "late", [1.5])
    assert moments(cutting.take(3.5)) == []
    cutting.scrape(BASELINE, "late", [3.05])
    assert events(cutting.take(3.5)) == [(3, 1)]


def test_a_missing_scrape_delays_a_look_and_loses_nothing():
    looks = Cutting({"a": [1.1, 2.1, 3.1, 4.1]}, {"b": [1.0, 4.0]}).take(10)
    assert moments(looks) == [1.1, 4.1]
    assert sum(one for one, _ in events(looks)) == 4


def test_a_candidate_that_is_gone_does_not_stop_the_baselines_history():
    looks = Cutting({"a": [float(t) + 0.1 for t in range(20)]}, {"b": [0.0, 1.0, 2.0]}).take(30)
    assert looks[-1].time == pytest.approx(19.1)
    assert np.sum(events(looks), axis=0).tolist() == [20, 3]


def test_without_a_baseline_the_candidate_is_looked_at_alone():
    assert moments(Cutting({}, {"b": [1.0, 2.0]}).take(10)) == [1.0, 2.0]


def test_samples_that_have_not_settled_wait():
    cutting = Cutting({"a": [1.1, 2.1]}, {"b": [1.0, 2.0]})
    assert moments(cutting.take(1.5)) == [1.1]
    assert moments(cutting.take(5.0)) == [2.1]


def test_a_look_knows_its_oldest_sample():
    """So that samples from before a restart of the tests can be told."""
    looks = Cutting({"a": [1.1, 2.1]}, {"b": [0.7, 1.7]}).take(10)
    assert looks[0].since == -math.inf
    assert looks[1].since == 0.7


def test_what_comes_late_for_an_instance_that_was_cut_joins_its_next_look():
    cutting = Cutting({"a": [1.1, 2.1]}, {"b": [1.0, 2.0]})
    assert events(cutting.take(10)) == [(1, 1), (1, 1)]
    cutting.scrape(CANDIDATE, "b", [1.5, 3.0])
    cutting.scrape(BASELINE, "a", [3.1])
    assert events(cutting.take(10)) == [(1, 2)]


def test_instances_that_are_forgotten_are_no_more_and_the_others_go_on():
    steady = {"a": [s + 0.1 for s in range(10)]}, {"lost": [0.0], "b": [s + 0.05 for s in range(10)]}
    cutting = Cutting({"gone": [0.2], **steady[0]}, steady[1])
    cutting.take(8.5)
    kept = cutting.newer(5)
    assert kept.tolist() == [False, True, False, True]
    cutting.keep(kept)
    cutting.known.keep(kept)
    assert len(cutting.known) == 2
    assert events(cutting.take(9.5)) == [(1, 1)]
    cutting.scrape(CANDIDATE, "lost", [9.9])
    cutting.scrape(CANDIDATE, "b", [10.0])
    cutting.scrape(BASELINE, "a", [10.1])
    assert events(cutting.take(20)) == [(1, 2)]


# ---------------------------------------------------------------- in general

gaps = st.lists(st.floats(0.3, 1.8), min_size=1, max_size=25)


@settings(deadline=None)
@given(st.lists(gaps, min_size=1, max_size=3), st.lists(gaps, min_size=1, max_size=3), st.data())
def test_looks_do_not_depend_on_when_one_looked(baseline, candidate, data):
    """Replaying all samples at once gives the evaluations that reading them bit by bit gave: a restart changes
    nothing."""
    times = [
        {f"{v}{i}": np.cumsum(g).round(3).tolist() for i, g in enumerate(side)}
        for v, side in (("a", baseline), ("b", candidate))
    ]
    end = max(max(t) for side in times for t in side.values()) + 1
    at_once = Cutting(*times).take(end)
    stops = sorted(data.draw(st.lists(st.floats(0, end), max_size=5)))
    bit_by_bit, cutting, last = [], Cutting(), 0.0
    for stop in [*stops, end]:
        for version in (BASELINE, CANDIDATE):
            for name, scrapes in times[version].items():
                cutting.scrape(version, name, [t for t in scrapes if last < t <= stop])
        last = max(last, stop)
        bit_by_bit += cutting.take(stop)
    assert moments(bit_by_bit) == moments(at_once)
    assert events(bit_by_bit) == events(at_once)


@settings(deadline=None)
@given(gaps, gaps)
def test_every_event_is_counted_at_most_once_and_the_candidate_never_ahead(baseline, candidate):
    one, two = np.cumsum(baseline).tolist(), np.cumsum(candidate).tolist()
    looks = Cutting({"a": one}, {"b": two}).take(1e9)
    taken = np.sum([look.increments for look in looks], axis=0) if looks else np.zeros((2, 1))
    assert taken[0, 0] <= len(one)
    assert taken[1, 0] <= len(two)
    seen = np.zeros(2)
    for look in looks:
        seen += look.increments[:, 0]
        if look.time - one[0] > 0 and seen[0]:
            newest = two[int(seen[1]) - 1] if seen[1] else -math.inf
            assert newest <= look.time


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_the_plain_reading_of_any_world_has_the_same_looks_to_the_bit(seed):
    """Resets, births, gaps, late, gone and returning instances, absurd values; series in any order, and twice."""
    judge_beside.check(seed)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_looks_do_not_depend_on_how_the_samples_were_asked_for(seed):
    """Read in one piece, in pieces, or evaluation by evaluation, where no scrape comes later than it settles."""
    samples = [each._replace(arrival=each.time) for each in drawn(seed, SECONDS)]
    followed, _ = looks_of(samples, evaluations(seed, SECONDS))
    for pieces in (1, 3):
        schema = Schema(spec(), BOUNDS)
        reader = SampleReader(schema, Arrivals(samples, now=BEGIN + 1000))
        alignment, found = Alignment(reader.instances, len(schema.columns)), []
        for begin, end in zip(stops := np.linspace(BEGIN - 20, BEGIN + 60, pieces + 1), stops[1:], strict=False):
            for news in reader.read(begin - 15, end):
                alignment.add(news)
            found += alignment.take(end - SETTLE)
        assert moments(found) == moments(followed)
        assert all((one.increments == two.increments).all() for one, two in zip(found, followed, strict=True))
