"""The time that a service was there: each second counts the same, whatever its number of targets."""

from __future__ import annotations

import numpy as np
import pytest

from bascule.prometheus import Matrix, RangeGrid, Series
from bascule.sla import Events, Rules, SlaOutcome, assess
from bascule.sla.pieces import Pieces
from bascule.sla.shared import shared_seconds
from bascule.sla.uptime import ServiceTime, read_uptime
from bascule.slo import Goal, SloKind
from bascule.spec import parse

HOUR, DAY, SCRAPE = 3600, 86400, 15
THREE_NINES = Goal(SloKind.AVAILABILITY, 0.999, "99.9%")
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop: {targets: ["127.0.0.1:1"], version: v2}
  cache: {kind: redis, targets: ["127.0.0.1:2"]}
signals: {errors: {kind: ratio, bad: 'requests{status="500"}', total: requests, better: lower}}
phases: [{share: 50%, hold: 1h}, {share: 100%, hold: 1h}]
"""


class Scraped:
    """A Prometheus that scraped targets of one service every 15 s, each with an offset of its own."""

    def __init__(self, job: str = "shop") -> None:
        self.job = job
        self.series: list[Series] = []
        self.raw_questions: list[str] = []

    def target(self, begin: float, end: float, *down: tuple[float, float], metric: str = "up") -> Scraped:
        """A target that is scraped from `begin` to `end` seconds, and is not there in some times."""
        number = len([each for each in self.series if each.labels["__name__"] == metric])
        times = np.arange(begin, end, SCRAPE) + 1 + number % 13
        values = np.ones(len(times))
        for first, last in down:
            values[(times > first) & (times <= last)] = 0
        labels = {"__name__": metric, "job": self.job, "instance": f"i{number}"}
        self.series.append(Series(labels, times, values))
        return self

    def grid(self, expression: str, start: float, end: float, step: float) -> RangeGrid:
        times = start + step * np.arange(round((end - start) / step) + 1)
        seconds = float(expression.rpartition("[")[2].partition("ms]")[0]) / 1000
        of = [each for each in self.series if f"({each.labels['__name__']}" in expression]
        rows = [[self._over(expression, each, at - seconds, at) for at in times] for each in of]
        if "sum by (job)" in expression:
            of, rows = of[:1], [np.nansum(rows, axis=0)] if rows else []
        matrix = Matrix.of((each.labels, times, np.array(row)) for each, row in zip(of, rows, strict=True))
        return RangeGrid(matrix.labels, np.array(rows).reshape(len(rows), len(times)))

    def _over(self, expression: str, series: Series, begin: float, end: float) -> float:
        inside = series.values[(series.times > begin) & (series.times <= end)]
        told = len(inside) if "count_over_time" in expression else float(inside.sum())
        return told if len(inside) else np.nan

    def raw(self, selector: str, seconds: float, at: float) -> list[Series]:
        self.raw_questions += [selector] if selector != "up" else []
        of = [each for each in self.series if selector.startswith(each.labels["__name__"])]
        inside = [(each, (each.times >= at - seconds) & (each.times <= at)) for each in of]
        return [Series(each.labels, each.times[own], each.values[own]) for each, own in inside if own.any()]

    def minutes(self, span: float) -> tuple[float, float]:
        """Seconds up, and seconds with data, as the rules count them: the share of each minute's scrapes."""
        times, values = (np.concatenate([getattr(each, name) for each in self.series]) for name in ("times", "values"))
        minute = np.ceil(times / 60).astype(int) - 1
        scrapes, up = (np.bincount(minute, weights)[: round(span / 60)] for weights in (np.ones(len(times)), values))
        return float(60 * (up / np.maximum(scrapes, 1)).sum()), float(60 * (scrapes > 0).sum())


def time_of(prometheus: Scraped, span: float = DAY) -> ServiceTime:
    return read_uptime(prometheus, parse(SPEC), hours(span)).services[prometheus.job]


def hours(span: float) -> Pieces:
    return Pieces(np.arange(0.0, span + 1, HOUR), HOUR)


def scaled(days: int, *down: tuple[float, float]) -> Scraped:
    """20 targets by day and 2 by night; all that are there are down at some times."""
    prometheus = Scraped()
    for _ in range(2):
        prometheus.target(0, days * DAY, *down)
    for day in range(days):
        for _ in range(18):
            prometheus.target(day * DAY + 8 * HOUR, day * DAY + 20 * HOUR, *down)
    return prometheus


def test_an_hour_of_the_night_counts_as_much_as_one_of_the_day():
    """Two hours of an outage by night, with a tenth of the targets of the day."""
    found = time_of(scaled(3, (DAY + 2 * HOUR, DAY + 4 * HOUR)), 3 * DAY)
    events, span = Events(hours(3 * DAY), found.up, found.watched), (0, 3 * DAY)
    told = assess(THREE_NINES, events, [span], [span], Rules(0.9, 900, 0))
    assert told.outcome is SlaOutcome.FAIL
    assert told.current.bad == pytest.approx(2 * HOUR, abs=SCRAPE)
    assert found.watched.sum() == pytest.approx(3 * DAY, abs=SCRAPE)


@pytest.mark.parametrize(
    "down",
    [
        (2 * HOUR, 4 * HOUR),
        (19.5 * HOUR, 20.5 * HOUR),  # while 18 targets leave
        (20 * HOUR + 600, 20 * HOUR + 1200),
        (7.8 * HOUR, 8.1 * HOUR),
    ],
)
def test_the_report_counts_the_time_that_the_rules_count(down):
    prometheus = scaled(1, down)
    found, (up, watched) = time_of(prometheus), prometheus.minutes(DAY)
    assert found.up.sum() == pytest.approx(up, abs=2 * SCRAPE)
    assert found.watched.sum() == pytest.approx(watched, abs=2 * SCRAPE)


def test_targets_that_change_within_an_hour_are_read_by_the_sample():
    """By half past one, eight of ten are scaled away; then the two that are left fail for a quarter of an hour."""
    prometheus = Scraped()
    for _ in range(2):
        prometheus.target(0, DAY, (5400, 6300))
    for _ in range(8):
        prometheus.target(0, 5400)
    found = time_of(prometheus)
    assert (found.watched - found.up).sum() == pytest.approx(900, abs=SCRAPE)
    assert prometheus.raw_questions == ['up{job="shop"}']


def test_a_service_with_fewer_targets_than_usual_is_watched_as_long_as_one_is():
    found = time_of(Scraped().target(0, DAY).target(0, 6 * HOUR))
    assert found.watched.sum() == pytest.approx(DAY, abs=SCRAPE)
    assert found.up.sum() == pytest.approx(found.watched.sum())


def test_a_time_without_any_target_is_neither_up_nor_down():
    """Both targets are gone from six to half past seven."""
    prometheus = Scraped()
    for _ in range(2):
        prometheus.target(0, 6 * HOUR).target(7.5 * HOUR, DAY)
    found = time_of(prometheus)
    assert found.watched.sum() == pytest.approx(DAY - 1.5 * HOUR, abs=2 * SCRAPE)
    assert found.up.sum() == pytest.approx(found.watched.sum())


def test_one_of_two_targets_that_is_down_is_half_of_the_service():
    found = time_of(Scraped().target(0, DAY).target(0, DAY, (0, 6 * HOUR)))
    assert found.up.sum() / found.watched.sum() == pytest.approx(1 - 0.25 / 2, abs=1e-4)
    assert found.watched.sum() == pytest.approx(DAY, abs=SCRAPE)


@pytest.mark.parametrize("overlap", [0, 300, -300], ids=["at once", "five minutes of both", "five minutes of none"])
def test_a_pod_that_replaces_another_is_the_same_service(overlap):
    found = time_of(Scraped().target(0, 5.5 * HOUR).target(5.5 * HOUR - overlap, DAY))
    assert found.watched.sum() == pytest.approx(DAY + min(overlap, 0), abs=2 * SCRAPE)
    assert found.up.sum() == pytest.approx(found.watched.sum())


def test_targets_that_come_and_go_are_not_read_by_the_sample_while_all_are_up():
    prometheus = scaled(3)
    assert time_of(prometheus, 3 * DAY).watched.sum() == pytest.approx(3 * DAY, abs=SCRAPE)
    assert prometheus.raw_questions == []


def test_an_exporter_tells_of_the_time_that_its_scrapes_cover():
    """Two nodes of a cache; at half past one one of them is taken away, and then the other fails for ten minutes."""
    prometheus = Scraped("cache").target(0, DAY).target(0, 5400)
    prometheus.target(0, DAY, (5700, 6300), metric="redis_up").target(0, 5400, metric="redis_up")
    found = time_of(prometheus)
    assert (found.watched - found.up).sum() == pytest.approx(600, abs=SCRAPE)
    assert prometheus.raw_questions == ['up{job="cache"}', 'redis_up{job="cache"}']


def test_a_second_is_shared_by_the_targets_that_are_watched_in_it():
    """Five seconds of one, five of both while one is down, ten of the other."""
    one = Series({}, np.array([10.0, 15.0]), np.array([1.0, 0.0]))
    other = Series({}, np.array([15.0, 20.0, 25.0]), np.ones(3))
    assert shared_seconds([one, other], [one, other], 5.0) == (5 + 5 / 2 + 10, 20)
    assert shared_seconds([], [], 5.0) == (0, 0)


def test_a_gap_between_samples_is_time_that_nobody_watched():
    late = Series({}, np.array([10.0, 15.0, 60.0]), np.ones(3))
    assert shared_seconds([late], [late], 5.0) == (15, 15)
