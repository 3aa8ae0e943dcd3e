"""Raw samples to increments: nothing invented, nothing lost, whatever the series look like."""

from __future__ import annotations

import math

import judge_arrivals
import numpy as np
import pytest
from judge_arrivals import BEGIN, steady

from bascule.judge import (
    CANDIDATE,
    Alignment,
    Growth,
    News,
    SampleReader,
    Schema,
    find_bounds,
    probe_selectors,
    up_selectors,
)
from bascule.prometheus import Matrix
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
    """Answers `matrix` with the given series, cut to the window asked for."""

    def __init__(self, *series: tuple[dict[str, str], list[tuple[float, float]]]) -> None:
        self.series = list(series)

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        found = []
        for labels, points in self.series:
            within = [(t, v) for t, v in points if at - seconds < t <= at]
            if within and self._hit(selector, labels):
                found.append((labels, *np.array(within).T))
        return Matrix.of(found)

    @staticmethod
    def _hit(selector: str, labels: dict[str, str]) -> bool:
        if not selector.startswith(labels["__name__"] + "{"):
            return False
        return 'status="' not in selector or f'status="{labels.get("status")}"' in selector

    def label_values(self, label: str, selector: str) -> list[str]:
        return [labels[label] for labels, _ in self.series if label in labels]


def series(
    points: list[tuple[float, float]],
    status: str = "200",
    version: str = "v1",
    segment: str = "a",
    instance: str = "x:1",
    name: str = "requests_total",
    **more: str,
):
    labels = {"__name__": name, "version": version, "user_segment": segment, "job": "j", "instance": instance, **more}
    return (labels if name != "requests_total" else {**labels, "status": status}), points


class Read(SampleReader):
    """Keeps what it has read."""

    def __init__(self, *all_series, schema: Schema | None = None, until: float = 100.0) -> None:
        self.schema = schema or Schema(parse(SPEC), {"latency": (0.1, 0.5)})
        self.grown: list[Growth] = []
        super().__init__(self.schema, Source(*all_series))
        self.read(0.0, until)

    def read(self, start: float, end: float) -> list[News]:
        news = super().read(start, end)
        self.grown += [each.growth for each in news]
        return news

    def total(self, part: str = "events", segment: str = "a", version: int = 0) -> float:
        column = self.schema.column("errors", part, segment)
        return sum(
            float(amount)
            for each in self.grown
            for instance, amount, columns in zip(each.instances, each.amounts, each.columns, strict=True)
            if column in columns and self.instances.versions[instance] == version
        )


def test_increments_are_differences_and_the_first_sample_is_only_a_start():
    reader = Read(series([(1, 100), (2, 103), (3, 110)]))
    assert reader.total() == 10


def test_a_counter_that_falls_was_reset_and_counts_from_zero():
    reader = Read(series([(1, 100), (2, 105), (3, 2), (4, 6)]))
    assert reader.total() == 11


def test_a_series_that_falls_again_and_again_is_no_counter():
    """Its growth cannot be told: each fall would count as a beginning from zero."""
    workers = Read(series([(at, 100 * at if at % 2 else 60 * at) for at in range(1, 20)]))
    assert "fall repeatedly" in workers.problems["errors"].what.text
    restarts = Read(series([(at, at % 6) for at in range(1, 40)]))
    assert "errors" not in restarts.problems


def test_a_reset_of_one_instance_leaves_the_other_alone():
    reader = Read(series([(1, 100), (2, 1)], instance="x:1"), series([(1.5, 50), (2.5, 60)], instance="y:1"))
    assert reader.total() == 11


def test_the_first_error_of_a_known_instance_counts():
    """A counter is born with its first error; taking that sample as the start would lose it."""
    reader = Read(series([(1, 10), (2, 20), (3, 30)]), series([(3, 2)], status="500"))
    assert reader.total("bad") == 2


def test_what_an_unknown_instance_counted_before_it_was_seen_does_not_count():
    reader = Read(series([(50, 4000), (51, 4001)], instance="late:1"))
    assert reader.total() == 1


def test_reading_the_same_samples_again_adds_nothing():
    reader = Read(series([(1, 0), (2, 5), (3, 9)]))
    reader.read(0.0, 100.0)
    reader.read(2.0, 100.0)
    assert reader.total() == 9


@pytest.mark.parametrize("absurd", [math.nan, math.inf, -4.0])
def test_values_no_counter_can_have_are_left_out_and_named(absurd):
    reader = Read(series([(1, 0), (2, absurd), (3, 7)]))
    assert reader.total() == 7
    assert "no counter can have" in reader.problems["errors"].what.text


def test_a_series_that_matches_both_versions_is_named():
    spec = parse(SPEC.replace("{label: version, baseline", "{select: {v1: 'job=\"j\"', v2: 'job=~\"j|k\"'}, baseline"))
    reader = Read(series([(1, 0), (2, 5)]), schema=Schema(spec, {"latency": ()}))
    assert "both versions" in reader.problems["errors"].what.text


def test_a_leap_no_service_can_make_is_left_out():
    reader = Read(series([(1, 0), (2, 1e15), (3, 1e15 + 5)]))
    assert reader.total() == 5


def test_undeclared_segments_count_for_the_total_alone():
    reader = Read(series([(1, 0), (2, 5)], segment="unheard_of"))
    assert reader.total(segment="other") == 5


def test_a_selector_that_matched_nothing_is_told():
    reader = Read(series([(1, 0), (2, 5)]))
    assert [str(feed.counter.selector) for feed in reader.silent_feeds()] == [
        'requests_total{status="500"}',
        "seconds_bucket",
    ]


def test_bad_events_of_a_good_counter_and_of_bounds_are_the_rest():
    schema = Schema(parse(SPEC), {"latency": (0.1, 0.5)})
    increments = np.zeros((2, len(schema.columns)))
    for name, part, amount in (
        ("success", "events", 10),
        ("success", "good", 7),
        ("latency", "events", 10),
        ("latency", 0.1, 4),
        ("latency", 0.5, 9),
    ):
        increments[0, schema.column(name, part, "a")] = amount
    counts = schema.counts(increments)
    bad = {
        (p.signal, p.bound): counts.baseline_bad[i]
        for i, p in enumerate(schema.pairs)
        if p.segment == "a"
        for i in [int(np.searchsorted(schema.layout.pair_of, schema.pairs.index(p)))]
    }
    assert bad[("success", None)] == 3
    assert bad[("latency", 0.1)] == 6
    assert bad[("latency", 0.5)] == 1


def test_bounds_are_those_the_histogram_has():
    labels = [{"__name__": "seconds_bucket", "le": le} for le in ("0.5", "+Inf", "0.1", "soon")]
    assert find_bounds(parse(SPEC), Source(*((each, []) for each in labels))) == {"latency": (0.1, 0.5)}


def test_up_is_asked_of_the_services_of_each_version():
    assert up_selectors(parse(SPEC)) == ('up{job=~"one"}', 'up{job=~"two"}')


HEALTHY = """
  one: {targets: ["127.0.0.1:8001"], version: v1, metrics: none, health: /health}
  two: {targets: ["127.0.0.1:8002"], version: v2, health: /health}
probes:
  door: {url: "http://127.0.0.1:8000/", version: v2}
"""


def test_probes_are_asked_of_health_addresses_and_of_probes_that_name_a_version():
    """A service without metrics has no `up` of its own: that of its job is the exporter's."""
    begin, end = SPEC.index("  one:"), SPEC.index("signals:")
    spec = parse(SPEC[:begin] + HEALTHY.strip("\n") + "\n" + SPEC[end:])
    assert up_selectors(spec) == ("", 'up{job=~"two"}')
    assert probe_selectors(spec) == ('probe_success{job=~"one"}', 'probe_success{job=~"health-two|probe-door"}')


def test_a_series_in_pieces_or_twice_and_with_labels_in_another_order_is_one():
    labels, points = series([(1, 0), (2, 5), (3, 9)])
    turned = dict(reversed(labels.items()))
    assert Read((labels, points[:2]), (turned, points), (labels, points[1:])).total() == 9


# ---------------------------------------------------------------- how much is asked for


class Following:
    """A reader that evaluates each second what a Prometheus with these samples holds by then."""

    def __init__(self, samples) -> None:
        self.source = judge_arrivals.Arrivals(samples, now=BEGIN)
        schema = Schema(judge_arrivals.spec(), judge_arrivals.BOUNDS)
        self.reader = SampleReader(schema, self.source)
        self.alignment = Alignment(self.reader.instances, len(schema.columns))

    def on(self, seconds: int) -> set[int]:
        """How far back counters were asked for in these seconds."""
        self.source.asked.clear()
        for _ in range(seconds):
            self.source.now += 1
            answers = self.reader.fetch_on(self.source.now - 1, self.source.now, self.alignment)
            for news in self.reader.take(answers):
                self.alignment.add(news)
            self.alignment.take(self.source.now)
        return {round(end - begin) for text, begin, end in self.source.asked if not text.startswith("up")}


def test_only_what_can_be_new_is_asked_for():
    """Back to the oldest of the targets' newest scrapes: 1.75 s here; where one is late by four more, to that."""
    prompt, late = Following(steady({"one:0": 0, "two:0": 0})), Following(steady({"one:0": 0, "two:0": 4}))
    assert prompt.on(10) == {16, 2}  # the first time all that may be late
    assert prompt.on(10) == {2}
    late.on(10)
    assert late.on(10) == {6}


def test_a_target_that_is_new_is_read_as_far_back_as_it_may_be_late():
    follow = Following(steady({"one:0": 0, "two:0": 0, "two:1": 8}, begin={"two:1": 20}))
    follow.on(28)
    assert follow.on(1) == {16}
    assert follow.on(1) == {10}


def test_a_target_that_is_gone_is_waited_for_no_longer_than_it_may_be_late():
    samples = steady({"one:0": 0, "two:0": 0, "two:1": 0})
    follow = Following(each for each in samples if dict(each.labels)["instance"] != "two:1" or each.time < BEGIN + 20)
    follow.on(20)
    assert max(follow.on(16)) in (15, 16)
    assert follow.on(5) == {2}


def test_where_up_is_not_told_all_that_may_be_late_is_read_again():
    follow = Following(each for each in steady({"one:0": 0, "two:0": 0}) if dict(each.labels)["__name__"] != "up")
    assert follow.on(10) == {16}
    assert follow.alignment.newest(CANDIDATE) == BEGIN + 9.25
