"""The judge's reading and aligning as plain Python: dicts, loops, and nothing remembered but what came.

A second opinion for tests: it shares no code with the judge's. Slow, for it works everything out again at each
evaluation.

    plain = PlainSampling(schema, settle); plain.tick(now, samples that have arrived since the last tick) -> looks
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

HUGE = 1e9
Instance = tuple[int, str, str]  # version, job, instance


@dataclass
class PlainLook:
    """`brought`: by version and column."""

    time: float
    seconds: float
    since: float
    brought: dict[tuple[int, int], float] = field(default_factory=dict)


@dataclass
class Grown:
    """An increment that no evaluation has used yet."""

    instance: Instance
    time: float
    columns: tuple[int, ...]
    amount: float


class PlainSampling:
    """`settle`, `stale`: seconds until a sample is looked at, and until an instance without one is gone."""

    def __init__(self, schema: Any, settle: float, stale: float = 5.0) -> None:
        self._schema, self._settle, self._stale = schema, settle, stale
        self._last: dict[tuple, tuple[float, float]] = {}  # by series: time and value
        self._first: dict[Instance, float] = {}
        self._scrapes: dict[Instance, set[float]] = {}
        self._grown: list[Grown] = []
        self._cut: dict[Instance, float] = {}
        self._time = -math.inf
        self._up: list[tuple[float, float]] = []

    def tick(self, now: float, samples: Iterable[Any]) -> list[PlainLook]:
        """The looks that are due."""
        came = sorted(samples, key=lambda each: each.time)
        for sample in came:
            self._note(sample)
        for sample in came:
            self._read(sample)
        return list(self._looks(now - self._settle))

    def availability(self, now: float) -> dict[int, float]:
        """The candidate's mean `up` in each second of the last 15 minutes."""
        seconds: dict[int, list[float]] = {}
        for time, value in self._up:
            if time > now - 900:
                seconds.setdefault(int(time), []).append(value)
        return {second: sum(values) / len(values) for second, values in sorted(seconds.items())}

    # ------------------------------------------------------------ reading

    def _note(self, sample: Any) -> None:
        """When an instance was first seen is known before any of its series is read."""
        instance = self._instance(dict(sample.labels))
        if instance is not None:
            self._first[instance] = min(sample.time, self._first.get(instance, math.inf))

    def _read(self, sample: Any) -> None:
        labels = dict(sample.labels)
        if labels["__name__"] == "up":
            if labels["job"] == "two":
                self._up.append((sample.time, sample.value))
            return
        instance = self._instance(labels)
        if instance is None or not math.isfinite(sample.value) or sample.value < 0:
            return
        self._scrapes.setdefault(instance, set()).add(sample.time)
        before = self._last.get(sample.labels)
        self._last[sample.labels] = sample.time, sample.value
        if before is None:
            born = self._first[instance] < sample.time
            grown = sample.value if born else 0.0
        else:
            grown = sample.value - before[1] if sample.value >= before[1] else sample.value
        if 0 < grown < HUGE:
            self._grown.append(Grown(instance, sample.time, tuple(self._columns(labels)), grown))

    def _instance(self, labels: dict[str, str]) -> Instance | None:
        version = labels.get("version")
        if version not in ("v1", "v2"):
            return None
        return int(version == "v2"), labels["job"], labels["instance"]

    def _columns(self, labels: dict[str, str]) -> Iterator[int]:
        segment = labels["user_segment"] if labels["user_segment"] in ("a", "b") else "other"
        for signal, part in self._parts(labels):
            if (signal, part) not in (("rating", math.inf),):
                yield self._schema.column(signal, part, segment)

    @staticmethod
    def _parts(labels: dict[str, str]) -> list[tuple[str, str | float]]:
        match labels["__name__"]:
            case "requests_total":
                both: list[tuple[str, str | float]] = [("errors", "events"), ("success", "events")]
                own = {"500": ("errors", "bad"), "200": ("success", "good")}
                return [*both, own[labels["status"]]]
            case "seconds_bucket":
                return [("latency", "events" if labels["le"] == "+Inf" else float(labels["le"]))]
            case "rating_bucket":
                return [("rating", float(labels["le"]))]
            case "rating_sum":
                return [("rating", "sum")]
            case _:
                return [("rating", "events")]

    # ------------------------------------------------------------ aligning

    def _looks(self, until: float) -> Iterator[PlainLook]:
        line: dict[Instance, float] = {}
        for time in sorted(set(self._moments(until))):
            cuts = self._joint(time)
            if cuts is None:
                continue
            since = min(self._cut.get(instance, -math.inf) for instance in cuts)
            look = PlainLook(time, time - self._time if math.isfinite(self._time) else 0.0, since)
            self._cut |= cuts
            self._time = time
            line |= {instance: max(cut, line.get(instance, -math.inf)) for instance, cut in cuts.items()}
            self._use(look, line)
            yield look

    def _moments(self, until: float) -> Iterator[float]:
        """Every scrape of the baseline, and those of the candidate that have none of the baseline near."""
        baseline = {time for instance, times in self._scrapes.items() if instance[0] == 0 for time in times}
        candidate = {time for instance, times in self._scrapes.items() if instance[0] == 1 for time in times}
        yield from (time for time in baseline if self._time < time <= until)
        for time in candidate:
            if self._time < time <= until and self._is_alone(time, baseline, until):
                yield time

    def _is_alone(self, time: float, baseline: set[float], until: float) -> bool:
        before = [each for each in baseline if each <= time]
        if before:
            return time - max(before) > self._stale
        after = min((each for each in baseline if each > time), default=math.inf)
        return after - time > self._stale and until - time > self._stale

    def _joint(self, time: float) -> dict[Instance, float] | None:
        baseline = self._new(0, time)
        if baseline is None:
            return None
        candidate = self._new(1, min(baseline.values(), default=time))
        return None if candidate is None or not (baseline or candidate) else {**baseline, **candidate}

    def _new(self, version: int, time: float) -> dict[Instance, float] | None:
        """The newest scrape by `time` of each live instance; None while one of them has nothing new."""
        found = {}
        for instance, times in self._scrapes.items():
            cut = self._cut.get(instance, -math.inf)
            last = max([cut, *(each for each in times if cut < each <= time)])
            if instance[0] != version or time - last > self._stale:
                continue
            if last <= cut:
                return None
            found[instance] = last
        return found

    def _use(self, look: PlainLook, line: dict[Instance, float]) -> None:
        left = []
        for grown in self._grown:
            if grown.time > line.get(grown.instance, -math.inf):
                left.append(grown)
                continue
            for column in grown.columns:
                key = grown.instance[0], column
                look.brought[key] = look.brought.get(key, 0.0) + grown.amount
        self._grown = left
