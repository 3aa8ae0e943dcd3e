"""A pretended Prometheus that holds samples, and looks made by hand, for tests of the judge without programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from bascule.conventions import OTHER
from bascule.judge import (
    Attendance,
    JointLook,
    PhaseEngine,
    PlanStep,
    Schema,
    ServiceScrapes,
    Sight,
    Surroundings,
    outcome_of,
)
from bascule.prometheus import NO_DATA, Matrix, Sample, Series
from bascule.spec import Selector, Spec
from bascule.spec.quantities import parse_duration

SEGMENTS = ("enterprise", "api_partners", "freemium")
RATES = {"enterprise": 8.0, "api_partners": 12.0, "freemium": 20.0}  # requests per second of both versions together

Key = tuple[tuple[str, str], ...]  # labels


@dataclass
class PretendPrometheus:
    """Answers `raw`, `instant`, `scalar` and `label_values` from the samples it was given; `now` is its clock."""

    now: float = 0.0
    samples: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    plan: PlanStep | None = None
    url: str = "http://pretended"
    asked: list[tuple[float, float]] = field(default_factory=list)  # begin and end of each range that was asked for

    def add(self, time: float, text: str, **labels: str) -> None:
        """One scrape: exposition text, as an instance with these target labels."""
        for line in text.splitlines():
            name, value = line.rsplit(" ", 1)
            metric, _, inside = name.partition("{")
            own = dict(re.findall(r'(\w+)="([^"]*)"', inside))
            key = tuple(sorted({"__name__": metric, **own, **labels}.items()))
            self.samples.setdefault(key, []).append((time, float(value)))

    def raw(self, selector: str, seconds: float, at: float | None = None) -> list[Series]:
        end = self.now if at is None else at
        found = []
        for key, points in self.samples.items():
            if not _selects(selector, key):
                continue
            if within := [(t, v) for t, v in points if end - seconds < t <= end]:
                times, values = np.array(within).T
                found.append(Series(dict(key), times, values))
        return found

    def has_samples(self, selectors: Iterable[str], seconds: float, at: float | None = None) -> bool:
        return any(self.raw(selector, seconds, at) for selector in selectors)

    def matrix(self, selector: str, seconds: float, at: float | None = None) -> Matrix:
        end = self.now if at is None else at
        self.asked.append((end - seconds, end))
        return Matrix.of((each.labels, each.times, each.values) for each in self.raw(selector, seconds, at))

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        if expression.startswith("count(last_over_time("):
            metric = expression.split("(")[-1].split("[")[0]
            return [Sample({}, 1.0, self.now)] if any(dict(k)["__name__"] == metric for k in self.samples) else []
        if found := re.fullmatch(r"(?:group by \((.*?)\) |group |topk\(1, |count)\(?(.*?)\)", expression):
            return self._series_now(found[1], found[2])
        if expression.startswith("sum by ("):
            return self._increases(expression, self.now if at is None else at)
        return self._plan_samples(expression)

    def _series_now(self, by: str | None, selector: str) -> list[Sample]:
        """The series that a selector matches of late, with these labels alone, or with all."""
        wanted = by.split(", ") if by else None
        labels = [each.labels for each in self.raw(selector, 300)]
        return [
            Sample({k: v for k, v in own.items() if wanted is None or k in wanted}, 1.0, self.now) for own in labels
        ]

    def _increases(self, expression: str, at: float) -> list[Sample]:
        """`sum by (labels) (increase(selector[1h]))`, or over another time."""
        found = re.fullmatch(r"sum by \((.*?)\) \(increase\((.*)\[(\w+)\]\)\)", expression)
        assert found is not None
        sums: dict[tuple[tuple[str, str], ...], float] = {}
        for series in self.raw(found[2], parse_duration(found[3]), at):
            key = tuple((name, series.labels.get(name, "")) for name in found[1].split(", "))
            sums[key] = sums.get(key, 0.0) + float(series.values[-1] - series.values[0])
        return [Sample(dict(key), value, at) for key, value in sums.items()]

    def _plan_samples(self, expression: str) -> list[Sample]:
        plan = self.plan
        if plan is None:
            return []
        if "bascule_planned_share_ratio" in expression:
            return [Sample({"user_segment": name}, share, self.now) for name, share in plan.shares.items()]
        if "started" in expression:
            return [Sample({}, plan.started, self.now)]
        return [Sample({}, float(plan.number), self.now)] if "bascule_phase" in expression else []

    def scalar(self, expression: str, at: float | None = None) -> object:
        if expression == "max(timestamp(up))":
            return max(points[-1][0] for key, points in self.samples.items() if dict(key)["__name__"] == "up")
        if expression.startswith("min(timestamp("):
            asked = re.findall(r"timestamp\((.*?})\)", expression)
            return min((each.times[-1] for one in asked for each in self.raw(one, 300)), default=NO_DATA)
        return self.now if expression == "time()" else NO_DATA

    def label_values(self, label: str, selector: str | None = None) -> list[str]:
        wanted = Selector.parse(selector) if selector else None
        return sorted(
            {dict(k)[label] for k in self.samples if label in dict(k) and (wanted is None or _matches(wanted, dict(k)))}
        )


@cache
def _selects(selector: str, key: Key) -> bool:
    return _matches(Selector.parse(selector), dict(key))


def _matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    if labels["__name__"] != selector.metric:
        return False
    for matcher in selector.matchers:
        value = labels.get(matcher.label, "")
        if matcher.operator.startswith(("=~", "!~")):
            hit = re.fullmatch(matcher.value, value) is not None
        else:
            hit = value == matcher.value
        if hit == matcher.operator.startswith("!"):
            return False
    return True


@dataclass
class Bench:
    """An engine fed by hand, second by second, with seeded traffic of both versions."""

    spec: Spec
    bounds: Mapping[str, Sequence[float]]
    plan: PlanStep
    seed: int = 1
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.schema = Schema(self.spec, self.bounds)
        self._column = cache(self.schema.column)
        self.engine = PhaseEngine(self.schema, self.plan)
        self.time = self.plan.started
        self.up = (1.0, 1.0)
        self.seen = [self.time, self.time]
        self.course: list[tuple[float, float]] = []

    def history(self, seconds: int, **behaviour: object) -> None:
        """V1 alone, before the phase."""
        self.time = self.plan.started - seconds
        self.run(seconds, shares=dict.fromkeys(self.rates, 0.0), **behaviour)

    def earlier(self, *stretches: tuple[int, Mapping[str, object]]) -> None:
        """Both versions before the phase: seconds and behaviour of each stretch, by turns."""
        self.time = self.plan.started - sum(seconds for seconds, _ in stretches)
        for seconds, behaviour in stretches:
            self.run(seconds, **behaviour)

    def run(
        self,
        seconds: int,
        shares: Mapping[str, float] | None = None,
        errors: Sequence[Mapping[str, float] | float] = (0.0002, 0.0002),
        accuracy: Sequence[float] = (0.82, 0.955),
        latency: Sequence[float] = (0.02, 0.014),
        stars: Sequence[Sequence[float]] = ((0.1, 0.4, 0.5), (0.1, 0.4, 0.5)),
        candidate: bool = True,
        nameless: Sequence[float] = (0.0, 0.0),
    ) -> None:
        """So many joint evaluations, one a second; `candidate` False: it is no longer scraped; `nameless`: failures a
        second that name no segment."""
        shares = self.plan.shares if shares is None else shares
        for _ in range(seconds):
            increments = np.zeros((2, len(self.schema.columns)))
            for segment, rate in self.rates.items():
                share = shares.get(segment, 0.0)
                for version, traffic in ((0, rate * (1 - share)), (1, rate * share if candidate else 0.0)):
                    own = errors[version]
                    wrong = own.get(segment, 0.0002) if isinstance(own, Mapping) else own
                    self._serve(increments[version], segment, traffic, wrong, accuracy[version], latency[version])
                    self._rate(increments[version], segment, traffic, stars[version])
            for version, failures in enumerate(nameless):
                for part in ("events", "bad") if failures else ():
                    self._add(increments[version], "errors", part, OTHER, failures)
            self.time += 1.0
            self.seen = [self.time, self.time if candidate else self.seen[1]]
            self.course.append((self.time, 1.0 if candidate else 0.0))
            self.engine.feed(JointLook(self.time, 1.0, increments, self.time - 1.0))
        self.up = (1.0, 1.0 if candidate else 0.0)

    def _serve(
        self, into: np.ndarray, segment: str, traffic: float, wrong: float, right: float, latency: float
    ) -> None:
        n = int(self.random.poisson(traffic))
        bad = int(self.random.binomial(n, wrong))
        self._add(into, "errors", "events", segment, n)
        self._add(into, "errors", "bad", segment, bad)
        self._add(into, "accuracy", "events", segment, n - bad)
        self._add(into, "accuracy", "good", segment, int(self.random.binomial(n - bad, right)))
        times = self.random.lognormal(np.log(latency), 0.3, n)
        self._add(into, "latency", "events", segment, n)
        self._add_buckets(into, "latency", segment, times)

    def _rate(self, into: np.ndarray, segment: str, traffic: float, odds: Sequence[float]) -> None:
        given = self.random.choice([3, 4, 5], int(self.random.poisson(0.3 * traffic)), p=odds)
        self._add(into, "satisfaction", "events", segment, len(given))
        self._add(into, "satisfaction", "sum", segment, int(given.sum()))
        self._add_buckets(into, "satisfaction", segment, given)

    def _add_buckets(self, into: np.ndarray, signal: str, segment: str, values: np.ndarray) -> None:
        bounds = self.bounds.get(signal, ())
        for bound, count in zip(bounds, np.searchsorted(np.sort(values), bounds, "right").tolist(), strict=True):
            self._add(into, signal, bound, segment, count)

    def _add(self, into: np.ndarray, signal: str, part: str | float, segment: str, amount: float) -> None:
        if signal in self.spec.signals:
            into[self._column(signal, part, segment)] += amount

    def around(self, **more: object) -> Surroundings:
        sights = (Sight(self.seen[0], self.up[0]), Sight(self.seen[1], self.up[1]))
        times, found = np.array(self.course).reshape(-1, 2).T
        scrapes = ServiceScrapes(times, np.ones(len(times)), found, 1.0)
        return Surroundings(**{"now": self.time, "sights": sights, "attendance": Attendance((scrapes,)), **more})

    def outcome(self, **more: object):
        return outcome_of(self.engine, self.around(**more))

    def line(self, signal: str, segment: str):
        return next(line for line in self.outcome().lines if (line.signal, line.segment) == (signal, segment))
