"""Raw samples to counts: nothing invented, nothing lost, and the candidate never seen ahead of the baseline."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.judge import Alignment, Increments, SampleReader, Schema, VersionSamples, find_bounds, up_selectors
from bascule.prometheus import Series
from bascule.spec import parse

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  one: {targets: ["127.0.0.1:8001"], version: v1}
  two: {targets: ["127.0.0.1:8002"], version: v2}
signals:
  errors: {kind: ratio, bad: 'requests_total{status="500"}', total: requests_total, better: lower}
  success: {kind: ratio, good: 'requests_total{status="200"}', total: requests_total, better: higher}
  latency: {kind: histogram, metric: seconds}
segments: {named: {a: {}, b: {}}}
phases: [{share: 10%, hold: 1h}]
""".replace("{named: {a: {}, b: {}}}", "{a: {}, b: {}}")


class Source:
    """Answers `raw` with the given series, cut to the window asked for."""

    def __init__(self, *series: tuple[dict[str, str], list[tuple[float, float]]]) -> None:
        self.series = list(series)

    def raw(self, selector: str, seconds: float, at: float) -> list[Series]:
        found = []
        for labels, points in self.series:
            within = [(t, v) for t, v in points if at - seconds < t <= at]
            if within and self._hit(selector, labels):
                times, values = np.array(within).T
                found.append(Series(labels, times, values))
        return found

    @staticmethod
    def _hit(selector: str, labels: dict[str, str]) -> bool:
        if not selector.startswith(labels["__name__"] + "{"):
            return False
        return 'status="' not in selector or f'status="{labels.get("status")}"' in selector

    def label_values(self, label: str, selector: str) -> list[str]:
        return [labels[label] for labels, _ in self.series if label in labels]


def series(points: list[tuple[float, float]], status: str = "200", version: str = "v1", segment: str = "a",
           instance: str = "x:1", name: str = "requests_total", **more: str):  # fmt: skip
    labels = {"__name__": name, "version": version, "user_segment": segment, "job": "j", "instance": instance, **more}
    return (labels if name != "requests_total" else {**labels, "status": status}), points


def read(*all_series, until: float = 100.0) -> tuple[SampleReader, Schema]:
    schema = Schema(parse(SPEC), {"latency": (0.1, 0.5)})
    reader = SampleReader(schema, Source(*all_series))
    reader.read(0.0, until)
    return reader, schema


def total(reader: SampleReader, schema: Schema, part: str = "events", segment: str = "a", version: int = 0) -> float:
    column = schema.column("errors", part, segment)
    parts = reader.streams[version].increments
    return float(sum(each.amounts.sum() for each in parts if column in each.columns))


def test_increments_are_differences_and_the_first_sample_is_only_a_start():
    reader, schema = read(series([(1, 100), (2, 103), (3, 110)]))
    assert total(reader, schema) == 10


def test_a_counter_that_falls_was_reset_and_counts_from_zero():
    reader, schema = read(series([(1, 100), (2, 105), (3, 2), (4, 6)]))
    assert total(reader, schema) == 11


def test_a_reset_of_one_instance_leaves_the_other_alone():
    reader, schema = read(series([(1, 100), (2, 1)], instance="x:1"), series([(1.5, 50), (2.5, 60)], instance="y:1"))
    assert total(reader, schema) == 11


def test_the_first_error_of_a_known_instance_counts():
    """A counter is born with its first error; taking that sample as the start would lose it."""
    reader, schema = read(series([(1, 10), (2, 20), (3, 30)]), series([(3, 2)], status="500"))
    assert total(reader, schema, "bad") == 2


def test_what_an_unknown_instance_counted_before_it_was_seen_does_not_count():
    reader, schema = read(series([(50, 4000), (51, 4001)], instance="late:1"))
    assert total(reader, schema) == 1


def test_reading_the_same_samples_again_adds_nothing():
    reader, schema = read(series([(1, 0), (2, 5), (3, 9)]))
    reader.read(0.0, 100.0)
    reader.read(2.0, 100.0)
    assert total(reader, schema) == 9


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -4.0])
def test_values_no_counter_can_have_are_left_out_and_named(absurd):
    reader, schema = read(series([(1, 0), (2, absurd), (3, 7)]))
    assert total(reader, schema) == 7
    assert "no counter can have" in reader.problems["errors"].what


def test_a_series_that_matches_both_versions_is_named():
    spec = parse(SPEC.replace("{label: version, baseline", "{select: {v1: 'job=\"j\"', v2: 'job=~\"j|k\"'}, baseline"))
    reader = SampleReader(Schema(spec, {"latency": ()}), Source(series([(1, 0), (2, 5)])))
    reader.read(0.0, 100.0)
    assert "both versions" in reader.problems["errors"].what


def test_a_leap_no_service_can_make_is_left_out():
    reader, schema = read(series([(1, 0), (2, 1e15), (3, 1e15 + 5)]))
    assert total(reader, schema) == 5


def test_undeclared_segments_count_for_the_total_alone():
    reader, schema = read(series([(1, 0), (2, 5)], segment="unheard_of"))
    assert total(reader, schema, segment="other") == 5


def test_a_selector_that_matched_nothing_is_told():
    reader, _ = read(series([(1, 0), (2, 5)]))
    assert [str(feed.counter.selector) for feed in reader.silent_feeds()] == [
        'requests_total{status="500"}',
        "seconds_bucket",
    ]


def test_bad_events_of_a_good_counter_and_of_bounds_are_the_rest():
    schema = Schema(parse(SPEC), {"latency": (0.1, 0.5)})
    increments = np.zeros((2, len(schema.columns)))
    for name, part, amount in (("success", "events", 10), ("success", "good", 7), ("latency", "events", 10),
                               ("latency", 0.1, 4), ("latency", 0.5, 9)):  # fmt: skip
        increments[0, schema.column(name, part, "a")] = amount
    counts = schema.counts(increments)
    bad = {(p.signal, p.bound): counts.baseline_bad[i] for i, p in enumerate(schema.pairs) if p.segment == "a"
           for i in [int(np.searchsorted(schema.layout.pair_of, schema.pairs.index(p)))]}  # fmt: skip
    assert bad[("success", None)] == 3
    assert bad[("latency", 0.1)] == 6
    assert bad[("latency", 0.5)] == 1


def test_bounds_are_those_the_histogram_has():
    labels = [{"__name__": "seconds_bucket", "le": le} for le in ("0.5", "+Inf", "0.1", "soon")]
    assert find_bounds(parse(SPEC), Source(*((each, []) for each in labels))) == {"latency": (0.1, 0.5)}


def test_up_is_asked_of_the_services_of_each_version():
    assert up_selectors(parse(SPEC)) == ('up{job=~"one"}', 'up{job=~"two"}')


# ---------------------------------------------------------------- joint looks


def streams(
    baseline: dict[str, list[float]], candidate: dict[str, list[float]]
) -> tuple[VersionSamples, VersionSamples]:
    """One event at every scrape; baseline in column 0, candidate too."""
    made = []
    for scrapes in (baseline, candidate):
        parts = [Increments((name,), (0,), np.array(times), np.ones(len(times))) for name, times in scrapes.items()]
        made.append(VersionSamples(parts, {(name,): list(times) for name, times in scrapes.items()}))
    return made[0], made[1]


def test_a_look_is_taken_when_both_versions_have_something_new():
    looks = Alignment(1).take(streams({"a": [1.1, 2.1, 3.1]}, {"b": [0.8, 1.8, 2.8]}), 10)
    assert [look.time for look in looks] == [1.1, 2.1, 3.1]
    assert [tuple(look.increments[:, 0]) for look in looks] == [(1, 1)] * 3


def test_the_candidate_is_never_seen_further_ahead_than_the_baseline():
    """The candidate's sample at 1.9 waits for the baseline's at 2.1: an incident of both must not look like its own."""
    alignment, both = Alignment(1), streams({"a": [1.1, 2.1]}, {"b": [0.9, 1.9, 2.9]})
    looks = alignment.take(both, 10)
    assert [look.time for look in looks] == [1.1, 2.1]
    assert both[1].increments[0].times.tolist() == [2.9]


def test_a_missing_scrape_delays_a_look_and_loses_nothing():
    looks = Alignment(1).take(streams({"a": [1.1, 2.1, 3.1, 4.1]}, {"b": [1.0, 4.0]}), 10)
    assert [look.time for look in looks] == [1.1, 4.1]
    assert sum(look.increments[0, 0] for look in looks) == 4


def test_a_candidate_that_is_gone_does_not_stop_the_baselines_history():
    looks = Alignment(1).take(streams({"a": [float(t) + 0.1 for t in range(20)]}, {"b": [0.0, 1.0, 2.0]}), 30)
    assert looks[-1].time == pytest.approx(19.1)
    assert sum(look.increments[0, 0] for look in looks) == 20
    assert sum(look.increments[1, 0] for look in looks) == 3


def test_without_a_baseline_the_candidate_is_looked_at_alone():
    looks = Alignment(1).take(streams({}, {"b": [1.0, 2.0]}), 10)
    assert [look.time for look in looks] == [1.0, 2.0]


def test_samples_that_have_not_settled_wait():
    alignment, both = Alignment(1), streams({"a": [1.1, 2.1]}, {"b": [1.0, 2.0]})
    assert [look.time for look in alignment.take(both, 1.5)] == [1.1]
    assert [look.time for look in alignment.take(both, 5.0)] == [2.1]


def test_a_look_knows_its_oldest_sample():
    """So that samples from before a restart of the tests can be told."""
    looks = Alignment(1).take(streams({"a": [1.1, 2.1]}, {"b": [0.7, 1.7]}), 10)
    assert looks[0].since == -math.inf
    assert looks[1].since == 0.7


gaps = st.lists(st.floats(0.3, 1.8), min_size=1, max_size=25)


@settings(deadline=None)
@given(st.lists(gaps, min_size=1, max_size=3), st.lists(gaps, min_size=1, max_size=3), st.data())
def test_looks_do_not_depend_on_when_one_looked(baseline, candidate, data):
    """Replaying all samples at once gives the looks that reading them bit by bit gave: a restart changes nothing."""
    times = [{f"{v}{i}": np.cumsum(g).round(3).tolist() for i, g in enumerate(side)}
             for v, side in (("a", baseline), ("b", candidate))]  # fmt: skip
    end = max(max(t) for side in times for t in side.values()) + 1
    at_once = Alignment(1).take(streams(*times), end)
    stops = sorted(data.draw(st.lists(st.floats(0, end), max_size=5)))
    bit_by_bit, alignment = [], Alignment(1)
    held = (VersionSamples(), VersionSamples())
    last = 0.0
    for stop in [*stops, end]:
        for version in (0, 1):
            for name, scrapes in times[version].items():
                new = [t for t in scrapes if last < t <= stop]
                held[version].scrapes.setdefault((name,), []).extend(new)
                held[version].increments.append(Increments((name,), (0,), np.array(new), np.ones(len(new))))
        last = max(last, stop)
        bit_by_bit += alignment.take(held, stop)
    assert [look.time for look in bit_by_bit] == [look.time for look in at_once]
    assert [tuple(look.increments[:, 0]) for look in bit_by_bit] == [tuple(l_.increments[:, 0]) for l_ in at_once]


@settings(deadline=None)
@given(gaps, gaps)
def test_every_event_is_counted_at_most_once_and_the_candidate_never_ahead(baseline, candidate):
    one, two = np.cumsum(baseline).tolist(), np.cumsum(candidate).tolist()
    looks = Alignment(1).take(streams({"a": one}, {"b": two}), 1e9)
    taken = np.sum([look.increments for look in looks], axis=0) if looks else np.zeros((2, 1))
    assert taken[0, 0] <= len(one)
    assert taken[1, 0] <= len(two)
    seen = np.zeros(2)
    for look in looks:
        seen += look.increments[:, 0]
        if look.time - one[0] > 0 and seen[0]:
            newest = two[int(seen[1]) - 1] if seen[1] else -math.inf
            assert newest <= look.time
