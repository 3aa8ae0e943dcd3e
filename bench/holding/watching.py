"""What is seen of a stack under load, from its own metrics, its journal and the pages that viewers have open."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bascule.conventions import JUDGE_TICK, LOG_LAG_SECONDS, ROLE_RESTARTS, Severity
from bascule.errors import BasculeError
from bascule.prometheus import Series
from bench.harness import Bar
from bench.holding.seeing import Points, ages, lost, seen
from bench.holding.shop import JOBS_WAITING
from bench.holding.standing import Standing

LAG = 2.0  # seconds at most
EVALUATIONS = 50  # a minute at least
CALM_SECONDS, CALM_PAUSE = 5.0, 1.0  # for which everything must hold to be called settled; between two looks
UNKNOWN_SECONDS = 2.0  # that an evaluation may take until it is scraped
KNOWN_BEFORE = 60.0  # seconds of evaluations before a span, which viewers may still see


@dataclass(frozen=True)
class Course:
    """A figure over time, and its bound: `most`, or `least` where there must be as much. One that is counted (`sums`)
    has a point for each event; of others the worst point counts."""

    name: str
    unit: str
    points: Points
    most: float = math.inf
    least: float = -math.inf
    sums: bool = False
    passes: bool = True  # whether it must hold for the load to count as carried at this moment

    @property
    def figure(self) -> float | None:
        """What is held against the bound; None where nothing is known."""
        values = [value for _, value in self.points]
        if self.sums:
            return math.fsum(values)
        if not values:
            return None
        return min(values) if self.least > -math.inf else max(values)

    @property
    def gave_way(self) -> float | None:
        """When it was first beyond its bound; None while it holds."""
        beyond = [at for at, value in self.points if value > self.most or value < self.least]
        return beyond[0] if beyond else None

    def bar(self) -> Bar:
        if self.least > -math.inf:
            return Bar(self.name, self.figure, self.unit, self.least, "at_least")
        return Bar(self.name, self.figure, self.unit, self.most)

    @property
    def holds(self) -> bool:
        return self.bar().holds


def courses(house: Standing, start: float, end: float) -> list[Course]:
    """All figures between two moments (Unix seconds). Raises what Prometheus and the journal raise."""
    ask = house.prometheus
    up = ask.raw("up", end - start, end)
    ticks = _ticks(house, start - KNOWN_BEFORE, end)
    interval = house.spec.stack.scrape.interval
    records = seen(house.folder, start, end)
    return [
        Course("scrapes that are missing", "scrapes", [*_never(up, house, start, end, interval),
               *_missing(up, start, end, interval)], most=0, sums=True),
        Course("scrapes that failed", "scrapes", _failed(up), most=0, sums=True),
        Course("evaluations of the judge in a minute, fewest", "evaluations", _paces(ticks, start, end),
               least=EVALUATIONS, passes=False),
        Course("lag of the judge, longest", "s", _judge_lags(ask.raw(JUDGE_TICK.name, end - start, end)), most=LAG),
        Course("lag of the log reader, longest", "s", _values(ask.raw(LOG_LAG_SECONDS.name, end - start, end)),
               most=LAG),
        Course("age of what a viewer sees, longest", "s", ages(records, ticks, house.steps), most=LAG),
        Course("viewers without figures, most", "viewers", [(each["at"], each["without"]) for each in records],
               most=0),
        Course("streams refused or cut off", "streams", lost(records), most=0, sums=True),
        Course("alarms that page", "alarms", _paging(house, start, end), most=0, sums=True, passes=False),
        Course("restarts of roles and programs", "restarts", _restarts(ask.raw(ROLE_RESTARTS.name, end - start, end)),
               most=0, sums=True, passes=False),
    ]  # fmt: skip


def looked(house: Standing, start: float, end: float) -> list[Course]:
    """As `courses`; a part that does not answer has given way, too."""
    try:
        return courses(house, start, end)
    except BasculeError as error:
        return [Course(f"answers of the stack: {error.what}", "answers", [(end, 0.0)], least=1)]


def settled(house: Standing, since: float, seconds: float) -> float | None:
    """Seconds after `since` from which the load was carried, for as long as CALM_SECONDS; None where it was not within
    `seconds`."""
    while (now := time.time()) - since < seconds + CALM_SECONDS:
        if now - since >= CALM_SECONDS and _is_calm(house, now - CALM_SECONDS, now):
            return max(0.0, now - CALM_SECONDS - since)
        time.sleep(CALM_PAUSE)
    return None


def _is_calm(house: Standing, start: float, end: float) -> bool:
    try:
        return all(each.holds for each in courses(house, start, end) if each.passes)
    except BasculeError:
        return False


# ---------------------------------------------------------------- scrapes


def _never(up: Sequence[Series], house: Standing, start: float, end: float, interval: float) -> Points:
    """Every scrape of the jobs that have no sample at all."""
    jobs = {*house.spec.services, *house.spec.role_jobs, "prometheus", "alertmanager"}
    absent = jobs - {series.labels["job"] for series in up}
    return [(start, math.floor((end - start) / interval)) for _ in absent]


def _missing(up: Sequence[Series], start: float, end: float, interval: float) -> Points:
    """Where more than an interval passes without a sample of a target, how many there should have been."""
    found: Points = []
    for series in up:
        times = np.concatenate(([start], series.times, [end]))
        for before, after in pairwise(times):
            is_edge = before == start or after == end
            count = math.floor((after - before) / interval) if is_edge else round((after - before) / interval) - 1
            if count > 0 and after - before > 1.5 * interval:
                found.append((float(before + interval), count))
    return sorted(found)


def _failed(up: Sequence[Series]) -> Points:
    return sorted((float(at), 1.0) for series in up for at in series.times[series.values == 0])


def _restarts(counted: Sequence[Series]) -> Points:
    """A counter that begins again is that of a launcher that was started again, which is one, too."""
    return sorted(
        (float(at), abs(float(change)))
        for series in counted
        for at, change in zip(series.times[1:], np.diff(series.values), strict=True)
        if change
    )


# ---------------------------------------------------------------- the judge, the logs


def _ticks(house: Standing, start: float, end: float) -> list[float]:
    """When the judge began its evaluations."""
    found = house.prometheus.raw(JUDGE_TICK.name, end - start, end)
    return sorted({float(value) for series in found for value in series.values})


def _paces(ticks: Sequence[float], start: float, end: float) -> Points:
    """Evaluations a minute, over each minute that lies within the span, or over all of a shorter one. The newest are
    not scraped yet."""
    known = max(start + 1.0, end - UNKNOWN_SECONDS)
    window = min(60.0, known - start)
    ends = np.arange(start + window, known + 0.5, 1.0)
    counts = [bisect_right(ticks, at) - bisect_right(ticks, at - window) for at in ends]
    return [(float(at), 60.0 / window * count) for at, count in zip(ends, counts, strict=True)]


def _judge_lags(told: Sequence[Series]) -> Points:
    """How old the last evaluation was at each scrape of the judge."""
    return [
        (float(at), round(float(at - value), 3))
        for series in told
        for at, value in zip(series.times, series.values, strict=True)
    ]


def _values(told: Sequence[Series]) -> Points:
    return sorted(
        (float(at), round(float(value), 3))
        for series in told
        for at, value in zip(series.times, series.values, strict=True)
    )


# ---------------------------------------------------------------- people


def _paging(house: Standing, start: float, end: float) -> Points:
    """Incidents of which people are told at once, besides those that the bench raises itself."""
    found = [each for each in house.journal.incidents(start) if start <= each.received.timestamp() <= end]
    paging = [each for each in found if Severity.of(each.severity).pages and each.alert != JOBS_WAITING]
    return sorted((each.received.timestamp(), 1.0) for each in paging)
