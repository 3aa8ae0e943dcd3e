"""What an engine holds that abilities can be measured by: the raw samples of some targets' `up`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bascule.discover.server import CLOCK_SECONDS
from bascule.errors import BasculeError, QueryRejected
from bascule.prometheus import Prometheus, Series
from bascule.spec.quantities import parse_duration

MOST_TARGETS = 300
FEWEST_SAMPLES = 6  # of a series, to measure by
SPANS = (300.0, 3600.0)  # seconds that are read; the second where samples are rare
Key = tuple[tuple[str, str], ...]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Held:
    """`now`: the engine's clock, Unix seconds, `ahead` of this machine's by so many.

    `labels`: those of the `up` that was read, of the last `seconds`; `declared`: by job, the seconds between scrapes as
    the engine says (under an empty name, as the spec does); `refused`: why no more was read; `replica_label`: by which
    the spec tells replicas apart.
    """

    prometheus: Prometheus
    now: float
    ahead: float
    labels: Labels
    seconds: float
    series: tuple[Series, ...]
    declared: Mapping[str, float]
    refused: str = ""
    replica_label: str | None = None

    @property
    def selector(self) -> str:
        return exactly("up", self.labels)

    @property
    def steady(self) -> list[Series]:
        """Series with enough samples, those of targets that were scraped last first."""
        enough = [each for each in self.series if len(each.times) >= FEWEST_SAMPLES]
        return sorted(enough, key=lambda each: -each.times[-1])

    def declared_of(self, series: Series) -> float:
        """Seconds between scrapes, NaN where nobody says."""
        return self.declared.get(series.labels.get("job", ""), self.declared.get("", math.nan))


def read_held(prometheus: Prometheus, interval: float | None, replica_label: str | None) -> Held:
    """`interval`, in seconds, and `replica_label` by the spec, where there is one. Raises what Prometheus raises."""
    ahead = _ahead(prometheus)
    now = time.time() + ahead
    spoken = {} if interval is None else {"": interval}
    labels, seconds, series, refused = _read(prometheus, now)
    declared = spoken | _declared(prometheus)
    return Held(prometheus, now, ahead, labels, seconds, tuple(series), declared, refused, replica_label)


def spacing(series: Series) -> float:
    """Seconds between samples, usually."""
    return float(np.median(np.diff(series.times)))


def key_of(labels: Labels) -> Key:
    """A series, whatever it is the value of."""
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def exactly(metric: str, labels: Labels) -> str:
    """A selector of a metric (of all, where it is empty) with these values of labels."""
    return f"{metric}{{{_matchers(labels)}}}"


def named(metrics: Iterable[str], labels: Labels) -> str:
    """A selector of several metrics with these values of labels."""
    return f'{{__name__=~"{"|".join(metrics)}", {_matchers(labels)}}}'


def target_labels(labels: Labels) -> Labels:
    return {name: labels[name] for name in ("job", "instance") if name in labels}


def _matchers(labels: Labels) -> str:
    """JSON escapes what PromQL does."""
    pairs = ((name, value) for name, value in labels.items() if name != "__name__")
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in pairs)


def _ahead(prometheus: Prometheus) -> float:
    """Seconds that its clock is before (or, negative, behind) this machine's; zero where they agree.

    By its HTTP server: what `time()` says may be the past on purpose.
    """
    began, there, ended = time.time(), prometheus.clock(), time.time()
    off = 0.0 if there is None else there - min(max(there, began), ended)
    return off if abs(off) > CLOCK_SECONDS else 0.0


def _read(prometheus: Prometheus, now: float) -> tuple[Labels, float, list[Series], str]:
    """As much of `up` as is asked for in passing: less where it is refused, longer where it holds few samples."""
    labels: Labels = {}
    series: list[Series] = []
    refused: list[BasculeError] = []
    for labels in _narrowing(prometheus):
        for seconds in SPANS:
            try:
                series = prometheus.raw(exactly("up", labels), seconds, now)
            except BasculeError as error:
                refused.append(error)
                break
            if any(len(each.times) >= FEWEST_SAMPLES for each in series):
                return labels, seconds, series, refused[0].what if refused else ""
    if refused and not series:
        raise refused[0]
    return labels, SPANS[-1], series, ""


def _narrowing(prometheus: Prometheus) -> Iterator[Labels]:
    """All targets, unless they are many; those of the smallest job; one."""
    jobs = {each.labels.get("job", ""): each.value for each in prometheus.instant("count by (job) (up)")}
    if sum(jobs.values()) <= MOST_TARGETS:
        yield {}
    if jobs:
        smallest = {"job": min(jobs, key=lambda job: jobs[job])}
        yield smallest
        yield from (target_labels(each.labels) for each in prometheus.instant(exactly("up", smallest))[:1])


def _declared(prometheus: Prometheus) -> dict[str, float]:
    try:
        targets = [target for target in prometheus.targets() if target.scrape_interval]
        return {target.job: parse_duration(target.scrape_interval) for target in targets}
    except (QueryRejected, ValueError):
        return {}
