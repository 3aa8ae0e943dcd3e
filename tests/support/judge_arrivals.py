"""Random worlds of scrapes for tests of the judge's reading: instances that come, go and come back, late and lost
scrapes, resets, births of series, and values that no counter can have; served as a Prometheus would at each moment.

Times are whole milliseconds, as Prometheus keeps them; values are multiples of 1/64, so that sums are exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np

from bascule.prometheus import Matrix, Series
from bascule.spec import Selector, Spec, parse

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
  rating: {kind: mean, sum: rating_sum, count: rating_count, better: higher}
segments: {a: {}, b: {}}
phases: [{share: 10%, hold: 1h}]
"""
BOUNDS = {"latency": (0.1, 0.5), "rating": (1.0, 2.0)}
BEGIN = 1_000_000.0
ABSURD = (float("nan"), float("inf"), -4.0)
LATEST = 9.0  # seconds at most from a scrape until it can be read


@cache
def spec() -> Spec:
    return parse(SPEC)


Row = tuple[dict[str, str], np.ndarray, np.ndarray]  # labels, times, values


class Sample(NamedTuple):
    """One sample of a series, and when Prometheus has it."""

    labels: tuple[tuple[str, str], ...]
    time: float
    value: float
    arrival: float


@dataclass
class Arrivals:
    """What a Prometheus holds as time goes on; `now` is its clock. `shuffled`: series come in another order each time,
    labels too, and some series twice."""

    samples: Iterable[Sample]
    now: float = 0.0
    shuffled: np.random.Generator | None = None
    asked: list[tuple[str, float, float]] = field(default_factory=list)  # selector, begin and end of each question

    def __post_init__(self) -> None:
        rows: dict[tuple[tuple[str, str], ...], list[tuple[float, float, float]]] = {}
        for each in sorted(self.samples, key=lambda sample: sample.time):
            rows.setdefault(each.labels, []).append((each.time, each.value, each.arrival))
        self._rows = [(dict(labels), np.array(points).T) for labels, points in rows.items()]
        self._chosen = cache(self._matching)

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        self.asked.append((selector, at - seconds, at))
        found = list(self._within(selector, at - seconds, at))
        if self.shuffled is None:
            return Matrix.of(found)
        found = [self._reordered(found[i]) for i in self.shuffled.integers(0, len(found) or 1, 2 * len(found))] + found
        made = Matrix.of(found)
        return Matrix([_written(labels) for labels, _, _ in found], made.counts, made.times, made.values)

    def raw(self, selector: str, seconds: float, at: float) -> list[Series]:
        """The same for who reads series by series."""
        return [Series(*row) for row in self._within(selector, at - seconds, at)]

    def _within(self, selector: str, begin: float, end: float) -> Iterator[Row]:
        for labels, (times, values, arrivals) in self._chosen(selector):
            some = (times >= begin) & (times <= end) & (arrivals <= self.now)
            if some.any():
                yield labels, times[some], values[some]

    def _matching(self, selector: str) -> list[tuple[dict[str, str], np.ndarray]]:
        wanted = Selector.parse(selector)
        return [row for row in self._rows if _matches(wanted, row[0])]

    def _reordered(self, row: Row) -> Row:
        labels = list(row[0].items())
        self.shuffled.shuffle(labels)
        return dict(labels), *row[1:]


def _written(labels: dict[str, str]) -> bytes:
    return ", ".join(f'"{name}": "{value}"' for name, value in labels.items()).encode()


def _matches(selector: Selector, labels: dict[str, str]) -> bool:
    def holds(operator: str, wanted: str, value: str) -> bool:
        hit = re.fullmatch(wanted, value) is not None if "~" in operator else wanted == value
        return hit is not operator.startswith("!")

    return labels["__name__"] == selector.metric and all(
        holds(each.operator, each.value, labels.get(each.label, "")) for each in selector.matchers
    )


# ---------------------------------------------------------------- drawing


def drawn(seed: int, seconds: int = 60) -> list[Sample]:
    """A world of one to four instances a version, each of another character."""
    random = np.random.default_rng(seed)
    found = []
    for version, job in (("v1", "one"), ("v2", "two")):
        for number in range(random.integers(0 if seed % 7 == 0 else 1, 5)):
            found += _instance(random, {"version": version, "job": job, "instance": f"{job}:{number}"}, seconds)
    return found


def evaluations(seed: int, seconds: int) -> list[float]:
    """When a judge looks at such a world: in steps of its own, and long enough for all of it to be seen."""
    random = np.random.default_rng(seed + 10**6)
    step, time, found = random.choice([0.7, 2, 5, 14]), BEGIN - random.uniform(0, 1), []
    while time < BEGIN + seconds + 20:
        time += step * random.uniform(0.7, 1.0)
        found.append(round(float(time), 3))
    return found


def steady(late: Mapping[str, float], begin: Mapping[str, int] | None = None, seconds: int = 60) -> Iterator[Sample]:
    """Targets by name (`one:0` is the baseline's, `two:0` the candidate's), scraped each second and read so much later.

    Each counts one request a second. `begin`: the second at which one appears, where that is not the first.
    """
    for name, delay in late.items():
        job = name.partition(":")[0]
        target = {"job": job, "instance": name}
        own = target | {"version": "v1" if job == "one" else "v2", "user_segment": "a", "status": "200"}
        for second in range((begin or {}).get(name, 0), seconds):
            time = BEGIN + second + 0.25
            for labels, value in (({"__name__": "up", **target}, 1.0), ({"__name__": "requests_total", **own}, second)):
                yield Sample(tuple(sorted(labels.items())), time, float(value), time + delay)


def _instance(random: np.random.Generator, target: dict[str, str], seconds: int) -> Iterator[Sample]:
    process, arrived = _Process(random), 0.0
    offset, jitter = random.uniform(0, 1), random.choice([0.0, 0.01, 0.3])
    lost, late = random.choice([0.0, 0.1, 0.5]), random.choice([0.0, 0.2, 2.0, LATEST])
    away = _absences(random, seconds)
    for second in range(seconds):
        time = round(BEGIN + second + offset + random.uniform(0, jitter), 3)
        if any(begin <= second < end for begin, end in away):
            process.is_gone(random)
            continue
        arrived = max(arrived, time + random.uniform(0, late))
        failed = random.random() < lost
        job = (("__name__", "up"), ("instance", target["instance"]), ("job", target["job"]))
        yield Sample(job, time, float(not failed), arrived)
        process.serve(random)
        for labels, value in () if failed else process.page(random):
            yield Sample(tuple(sorted({**labels, **target}.items())), time, value, arrived)


def _absences(random: np.random.Generator, seconds: int) -> list[tuple[float, float]]:
    """When an instance is not scraped: before it comes, after it goes, and in between, for longer or shorter."""
    found = []
    if random.random() < 0.3:
        found.append((0, random.integers(1, seconds)))
    if random.random() < 0.2:
        found.append((random.integers(1, seconds), seconds))
    for _ in range(random.integers(0, 3)):
        begin = random.integers(0, seconds)
        found.append((begin, begin + random.choice([2, 4, 7, 20])))
    return found


class _Process:
    """Counters as a process has them."""

    def __init__(self, random: np.random.Generator) -> None:
        self._resets = random.choice([0.0, 0.05])
        self._absurd = random.choice([0.0, 0.0, 0.02])
        self._counts: dict[tuple[tuple[str, str], ...], float] = {}
        self._add(random, int(random.integers(0, 3)) * 1000)

    def is_gone(self, random: np.random.Generator) -> None:
        if random.random() < 0.1:
            self._counts = {}

    def serve(self, random: np.random.Generator) -> None:
        if random.random() < self._resets:
            self._counts = {}
        self._add(random, int(random.integers(0, 4)))

    def _add(self, random: np.random.Generator, requests: int) -> None:
        segment = random.choice(["a", "b", "elsewhere"])
        status = random.choice(["200", "200", "500"])
        took, stars = random.integers(1, 64) / 64, random.choice([1.0, 2.0, 3.0])
        grown = {("requests_total", "status", status): float(requests), ("rating_count", "", ""): float(requests)}
        grown["rating_sum", "", ""] = requests * stars * took
        grown |= {("seconds_bucket", "le", le): float(requests * (took <= float(le))) for le in ("0.1", "0.5", "+Inf")}
        grown |= {("rating_bucket", "le", le): float(requests * (stars <= float(le))) for le in ("1.0", "2", "+Inf")}
        for (metric, name, value), amount in grown.items():
            own = {"__name__": metric, "user_segment": segment} | ({name: value} if name else {})
            key = tuple(sorted(own.items()))
            self._counts[key] = self._counts.get(key, 0.0) + amount

    def page(self, random: np.random.Generator) -> Iterator[tuple[dict[str, str], float]]:
        for labels, value in self._counts.items():
            if random.random() < self._absurd:
                value = float(random.choice([*ABSURD, 1e12]))
            yield dict(labels), value
