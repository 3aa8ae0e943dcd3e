"""Which scrapes (or probes) of the candidate's services were due, came, and failed, in the last minutes.

A scrape that was due and did not come is neither a success nor a failure: the availability is known up to it alone.
Of the time of planned maintenance nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bascule.judge.layout import Flags, Floats
from bascule.slo import availability_window

KEPT_SECONDS = 900.0  # of scrapes; and beyond, for as long as a trigger must hold
MISSED_INTERVALS, MISSED_MORE = 1.5, 0.25  # intervals and seconds without a scrape: one was due in them
LATE_INTERVALS = 2.5  # until the next scrape is in: it can take an interval to fail
EARLY_INTERVALS = 0.05  # by which a scrape may come before its time
LONGEST_INTERVAL = 120.0  # between scrapes; what is longer is an absence
NEVER: Floats = np.empty((0, 2))


class ScrapedSecond(NamedTuple):
    """Of one second: its last scrape, how many `came` and `found` the service up, and their shortest interval."""

    time: float
    came: float
    found: float
    step: float

    def and_also(self, other: ScrapedSecond) -> ScrapedSecond:
        return ScrapedSecond(
            max(self.time, other.time), self.came + other.came, self.found + other.found, min(self.step, other.step)
        )


@dataclass(frozen=True)
class UpSamples:
    """Samples of `up` that were not known, (n,) each: whose `jobs`, when (Unix seconds), `up`, and how long after the
    one before of the same target, infinity for its first."""

    jobs: np.ndarray[tuple[int], np.dtype[np.object_]]
    times: Floats
    up: Floats
    steps: Floats

    def of(self, job: str) -> UpSamples:
        return self.where(self.jobs == job)

    def where(self, mine: Flags) -> UpSamples:
        return UpSamples(self.jobs[mine], self.times[mine], self.up[mine], self.steps[mine])

    def by_second(self) -> Iterator[ScrapedSecond]:
        seconds, place = np.unique(np.floor(self.times), return_inverse=True)
        times, steps = np.full(len(seconds), -math.inf), np.full(len(seconds), math.inf)
        np.maximum.at(times, place, self.times)
        np.minimum.at(steps, place, self.steps)
        came, found = np.bincount(place), np.bincount(place, self.up)
        rows = (each.tolist() for each in (times, came, found, steps))
        yield from (ScrapedSecond(*row) for row in zip(*rows, strict=True))


@dataclass(frozen=True, eq=False)
class ServiceScrapes:
    """Of one service, by second in which any of its targets was scraped: when, how many `came`, how many `found` it up.

    (n,) each, ascending. `interval`: the usual one between two scrapes of a target. `planned`: the spans (m, 2) of its
    maintenance, in Unix seconds.
    """

    times: Floats
    came: Floats
    found: Floats
    interval: float
    name: str = ""
    planned: Floats = field(default_factory=NEVER.copy)

    def out_of(self, planned: Floats) -> ServiceScrapes:
        """Without the scrapes of its maintenance."""
        counts = ~_touches(planned, self.times, self.times)
        times, came, found = self.times[counts], self.came[counts], self.found[counts]
        return replace(self, times=times, came=came, found=found, planned=planned)

    def share(self, begin: float, end: float) -> float:
        """Of the scrapes in (begin, end] that came, those that found it up; NaN where none came."""
        within = (self.times > begin) & (self.times <= end)
        came = float(self.came[within].sum())
        return float(self.found[within].sum()) / came if came else math.nan

    def due(self, begin: float, end: float) -> float:
        """Seconds of a span in which scrapes counted."""
        return end - begin - float(_overlaps(self.planned, np.array([begin]), np.array([end]))[0])

    def is_due(self, begin: float, end: float) -> bool:
        """Whether a scrape was due in a span: one came, or there was time for it."""
        return not len(self.planned) or not math.isnan(self.share(begin, end)) or self.due(begin, end) > self._late

    @property
    def _late(self) -> float:
        """Seconds after a scrape by which the next one is in."""
        return LATE_INTERVALS * self.interval + MISSED_MORE

    def absent(self, begin: float, end: float) -> float:
        """Seconds of a span in which scrapes were due, and none came."""
        within = self.times[(self.times > begin) & (self.times <= end)]
        if not len(within):
            return self.due(begin, end)
        points = np.concatenate([[begin], within, [end]])
        gaps = np.diff(points) - _overlaps(self.planned, points[:-1], points[1:])
        allowed = np.full(len(gaps), MISSED_INTERVALS * self.interval + MISSED_MORE)
        allowed[-1] = self._late
        return float(np.where(gaps > allowed, gaps - self.interval, 0.0).sum())

    def counts(self, moments: Floats, hold: float) -> Flags:
        """Of each moment (m,), whether it was not in maintenance within the window of `at`."""
        return ~_touches(self.planned, moments - availability_window(self.interval, hold), moments)

    def at(self, moments: Floats, hold: float) -> Floats:
        """The share of the last scrapes at each moment (m,), those of `availability_window`; NaN where one is due."""
        if not len(self.times):
            return np.full(len(moments), math.nan)
        scrapes = max(1, round(availability_window(self.interval, hold) / self.interval))
        last = np.searchsorted(self.times, moments, "right") - 1
        newest = self.times[np.maximum(last, 0)]
        first = np.searchsorted(self.times, newest - (scrapes - EARLY_INTERVALS) * self.interval, "right")
        came, found = (np.concatenate([[0.0], np.cumsum(row)]) for row in (self.came, self.found))
        known = (last >= 0) & (moments - newest <= MISSED_INTERVALS * self.interval + 1.0)
        count = np.maximum(came[last + 1] - came[first], 1.0)
        return np.where(known, (found[last + 1] - found[first]) / count, math.nan)


def _overlaps(spans: Floats, begins: Floats, ends: Floats) -> Floats:
    """Seconds (n,) of each stretch from `begins` to `ends` that lie in the spans (m, 2)."""
    common = np.minimum(ends, spans[:, 1:]) - np.maximum(begins, spans[:, :1])
    return np.asarray(np.maximum(common, 0.0).sum(axis=0))


def _touches(spans: Floats, begins: Floats, ends: Floats) -> Flags:
    """Of each stretch (n,), whether a moment of it lies within one of the spans (m, 2)."""
    return np.asarray(((begins < spans[:, 1:]) & (ends > spans[:, :1])).any(axis=0))


@dataclass(frozen=True)
class Attended:
    """The availability of a span: of what came, NaN where nothing did, and its bounds whatever else was due."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class AttendanceCourse:
    """The availability at each scrape: `values` of what came, and its bounds whatever else was due, (n,) each."""

    times: Floats
    values: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Attendance:
    """The services' scrapes as they are known at a moment; each service counts the same."""

    services: tuple[ServiceScrapes, ...] = ()

    @property
    def interval(self) -> float:
        """The longest between two scrapes of a service, in seconds; 0 without any."""
        return max((each.interval for each in self.services), default=0.0)

    @property
    def late(self) -> float:
        """After how many seconds without any scrape nothing is known any more."""
        return LATE_INTERVALS * self.interval

    def out_of(self, planned: Mapping[str, Floats]) -> Attendance:
        """Without planned maintenance: its spans (n, 2), in Unix seconds, by service."""
        return Attendance(tuple(each.out_of(planned.get(each.name, NEVER)) for each in self.services))

    def is_planned(self, begin: float, end: float) -> bool:
        """Whether every service was in planned maintenance within a span."""
        span = np.array([begin]), np.array([end])
        return bool(self.services) and all(_touches(each.planned, *span).all() for each in self.services)

    def over(self, begin: float, end: float) -> Attended:
        """The availability of a span, and its bounds: what was due and did not come may have failed, or not."""
        services = [each for each in self.services if each.is_due(begin, end)]
        shares = np.array([each.share(begin, end) for each in services])
        absent = np.array([each.absent(begin, end) / max(each.due(begin, end), 1e-9) for each in services])
        there = ~np.isnan(shares)
        if not there.any():
            return Attended(math.nan, 0.0, 1.0)
        low = np.where(there, shares, 0.0) * (1 - absent)
        return Attended(float(shares[there].mean()), float(low.mean()), float((low + absent).mean()))

    def course(self, hold: float) -> AttendanceCourse:
        """At every scrape, the availability of the window of a trigger that must hold for so many seconds: of the
        services that were not in planned maintenance within it."""
        empty = np.empty(0)
        times = np.unique(np.concatenate([empty, *(each.times for each in self.services)]))
        if not len(times):
            return AttendanceCourse(empty, empty, empty, empty)
        counts = np.array([each.counts(times, hold) for each in self.services])
        shares = np.where(counts, [each.at(times, hold) for each in self.services], math.nan)
        known = ~np.isnan(shares)
        filled, count = np.where(known, shares, 0.0), np.maximum(counts.sum(axis=0), 1)
        low, some = filled.sum(axis=0) / count, known.sum(axis=0)
        values = filled.sum(axis=0) / np.maximum(some, 1)
        high = low + (count - some) / count
        kept = counts.any(axis=0)
        return AttendanceCourse(times[kept], np.where(some > 0, values, math.nan)[kept], low[kept], high[kept])


class AttendanceBook:
    """Takes down the scrapes of `services`, or of all together where none is named."""

    def __init__(self, services: Iterable[str], usual: float, kept: float = KEPT_SECONDS) -> None:
        """`usual`: the interval, where the scrapes do not tell; `kept`: seconds."""
        self._services, self._usual, self.kept = tuple(services), usual, kept
        self._seconds: dict[str, dict[int, ScrapedSecond]] = {name: {} for name in self._services or ("",)}

    def add(self, scrapes: UpSamples) -> None:
        """Those of the services that count."""
        for name, seconds in self._seconds.items():
            for each in (scrapes.of(name) if self._services else scrapes).by_second():
                second = math.floor(each.time)
                seconds[second] = each.and_also(seconds[second]) if second in seconds else each

    @property
    def has_failures(self) -> bool:
        """Whether a scrape did not find its service."""
        return any(each.found < each.came for seconds in self._seconds.values() for each in seconds.values())

    def at(self, now: float) -> Attendance:
        """What is known; what is older than is kept is forgotten."""
        for seconds in self._seconds.values():
            for second in [second for second in seconds if second <= now - self.kept]:
                del seconds[second]
        return Attendance(tuple(self._service(*each) for each in self._seconds.items()))

    def _service(self, name: str, seconds: Mapping[int, ScrapedSecond]) -> ServiceScrapes:
        rows = np.array([seconds[second] for second in sorted(seconds)], dtype=np.float64).reshape(-1, 4)
        steps = rows[:, 3][rows[:, 3] <= max(LONGEST_INTERVAL, LATE_INTERVALS * self._usual)]
        interval = float(np.median(steps)) if len(steps) else self._usual
        return ServiceScrapes(rows[:, 0], rows[:, 1], rows[:, 2], interval, name)
