"""Raw samples of every signal of both versions, as increments at the samples' own timestamps.

Nothing is interpolated or averaged: samples are read raw, and an increment belongs to the scrape that brought it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.schema import Column, CounterFeed, Schema
from bascule.prometheus import Prometheus, Series
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.counters import EVENTS, bound_of

STALE_SECONDS = 5.0  # an instance without a sample for longer is gone (or for 2.5 scrape intervals, if longer)
HUGE = 1e9  # no counter grows by more between two scrapes
INSTANCE_LABELS = ("job", "instance")

Instance = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Increments:
    """What one series added to the columns it feeds: `amounts` (n,) at the scrapes `times` (n,)."""

    instance: Instance
    columns: tuple[int, ...]
    times: Floats
    amounts: Floats


@dataclass(eq=False)
class VersionSamples:
    """What one version's instances brought and no look has used yet."""

    increments: list[Increments] = field(default_factory=list)
    scrapes: dict[Instance, list[float]] = field(default_factory=dict)

    def newest(self) -> float:
        """When the version was last scraped with success; -inf if never."""
        return max((times[-1] for times in self.scrapes.values() if times), default=-math.inf)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a signal's series, and when it was last so (infinity: until it is mended)."""

    what: str
    time: float


@dataclass(eq=False)
class _Counter:
    """The last sample of one series, and the columns it feeds."""

    columns: tuple[int, ...]
    time: float
    value: float


class SampleReader:
    """Reads the raw samples of every signal of both versions, and keeps what it has seen of each series.

    A counter that falls has been reset: it counts from zero. A series that appears on an instance which was scraped
    before began at zero: its first value counts. On an instance that is seen for the first time it does not.
    """

    def __init__(self, schema: Schema, prometheus: Prometheus) -> None:
        self.streams = (VersionSamples(), VersionSamples())
        self.up: tuple[dict[Instance, list[tuple[float, float]]], ...] = ({}, {})
        self.problems: dict[str, Trouble] = {}  # signal -> what is wrong with its series
        self._owner: dict[tuple[tuple[str, str], ...], int] = {}
        self._schema = schema
        self._prometheus = prometheus
        self._counters: dict[tuple[object, ...], _Counter] = {}
        self._first: dict[tuple[int, Instance], float] = {}
        self._seen: set[tuple[CounterFeed, int]] = set()
        self._queries = _queries(schema)

    def read(self, start: float, end: float) -> None:
        """Take in the samples in (start, end], Unix seconds."""
        self.take(self.fetch(start, end))

    def fetch(self, start: float, end: float) -> Answers:
        """What Prometheus holds of (start, end]; changes nothing here, so that it may run beside `take`."""
        counters = [(query, series) for query in self._queries for series in self._raw(query.text, start, end)]
        presence = [(version, series) for version, text in enumerate(up_selectors(self._schema.spec)) if text
                    for series in self._raw(text, start, end)]  # fmt: skip
        return Answers(counters, presence)

    def take(self, answers: Answers) -> None:
        """Take in what was fetched; samples already seen are passed over."""
        for query, series in answers.counters:
            self._note_first(query, series)
        for query, series in answers.counters:
            self._take(query, series)
        for version, series in answers.presence:
            self._take_up(version, series)

    def _raw(self, selector: str, start: float, end: float) -> list[Series]:
        return self._prometheus.raw(selector, end - start, end)

    def silent_feeds(self) -> list[CounterFeed]:
        """The feeds whose selector has matched no series of either version so far."""
        return [feed for feed in self._schema.feeds if not self._versions_seen(feed)]

    def missing_feeds(self, version: int) -> list[CounterFeed]:
        """Those that count a signal's events, and have shown series of the other version alone so far."""
        other = {BASELINE, CANDIDATE} - {version}
        counting = [feed for feed in self._schema.feeds if feed.counter.part == EVENTS]
        return [feed for feed in counting if self._versions_seen(feed) == other]

    def _versions_seen(self, feed: CounterFeed) -> set[int]:
        return {version for version in (BASELINE, CANDIDATE) if (feed, version) in self._seen}

    def _note_first(self, query: _Query, series: Series) -> None:
        version = query.version_of(series)
        if version is not None and len(series.times):
            key, time = (version, _instance(series)), float(series.times[0])
            self._first[key] = min(time, self._first.get(key, time))

    def _take(self, query: _Query, series: Series) -> None:
        version = query.version_of(series)
        if version is None:
            return
        times, values = self._clean(query, series)
        key = (version, query.text, tuple(sorted(series.labels.items())))
        counter = self._counters.get(key)
        fresh = times > counter.time if counter is not None else np.ones(len(times), bool)
        times, values = times[fresh], values[fresh]
        if len(times) == 0:
            return
        if counter is None:
            counter = self._counters[key] = self._new_counter(query, series, version, times, values)
        self._append(query, version, _instance(series), counter, times, values)

    def _new_counter(self, query: _Query, series: Series, version: int, times: Floats, values: Floats) -> _Counter:
        self._seen.update((feed, version) for feed in query.feeds)
        labels = tuple(sorted(series.labels.items()))
        if self._owner.setdefault(labels, version) != version:
            self._trouble(query, "its selector matches the same series for both versions", math.inf)
        born = self._first[version, _instance(series)] < times[0]
        return _Counter(tuple(self._columns_of(query, series)), -math.inf, 0.0 if born else float(values[0]))

    def _append(self, query: _Query, version: int, instance: Instance, counter: _Counter,
                times: Floats, values: Floats) -> None:  # fmt: skip
        before = np.concatenate(([counter.value], values[:-1]))
        amounts = np.where(values >= before, values - before, values)
        counter.time, counter.value = float(times[-1]), float(values[-1])
        stream = self.streams[version]
        _merge(stream.scrapes.setdefault(instance, []), times)
        real = (amounts > 0) & (amounts < HUGE)
        if (amounts >= HUGE).any():
            what = f"its counters grew by more than {HUGE:.0e} between two scrapes"
            self._trouble(query, what, float(times[amounts >= HUGE][-1]))
        if counter.columns and real.any():
            stream.increments.append(Increments(instance, counter.columns, times[real], amounts[real]))

    def _clean(self, query: _Query, series: Series) -> tuple[Floats, Floats]:
        sound = np.isfinite(series.values) & (series.values >= 0)
        if not sound.all():
            what = "its series gave values that no counter can have (NaN, infinite or negative)"
            self._trouble(query, what, float(series.times[~sound][-1]))
        return series.times[sound], series.values[sound]

    def _trouble(self, query: _Query, what: str, time: float) -> None:
        self.problems.update({feed.signal: Trouble(what, time) for feed in query.feeds})

    def _columns_of(self, query: _Query, series: Series) -> Iterator[int]:
        for feed in query.feeds:
            part = feed.counter.part_of(series.labels.get("le"))
            leaf = self._schema.strata[feed.signal].leaf_of(series.labels)
            column = self._schema.columns.get(Column(feed.signal, part, leaf)) if part is not None else None
            if column is not None:
                yield column

    def _take_up(self, version: int, series: Series) -> None:
        instance = _instance(series)
        seen = self.up[version].setdefault(instance, [])
        last = seen[-1][0] if seen else -math.inf
        seen.extend((float(t), float(v)) for t, v in zip(series.times, series.values, strict=True) if t > last)


@dataclass(frozen=True, eq=False)
class Answers:
    """The series of each selector, and `up` of each version."""

    counters: Sequence[tuple[_Query, Series]]
    presence: Sequence[tuple[int, Series]]


def _instance(series: Series) -> Instance:
    return tuple(series.labels.get(label, "") for label in INSTANCE_LABELS)


@dataclass(frozen=True)
class _Query:
    """One selector asked of Prometheus, everything it feeds, and how its series tell their version."""

    text: str
    feeds: tuple[CounterFeed, ...]
    version: int | None
    label: str = ""
    versions: tuple[str, str] = ("", "")

    def version_of(self, series: Series) -> int | None:
        if self.version is not None:
            return self.version
        value = series.labels.get(self.label, "")
        return self.versions.index(value) if value in self.versions else None


def _queries(schema: Schema) -> list[_Query]:
    """Equal selectors are asked once; with a version label, once for both versions."""
    grouped: dict[str, list[CounterFeed]] = {}
    for feed in schema.feeds:
        grouped.setdefault(str(feed.counter.selector), []).append(feed)
    versions = schema.spec.versions
    queries = []
    for feeds in grouped.values():
        selector = feeds[0].counter.selector
        if versions.select is None and versions.label is not None:
            both = Matcher(versions.label, "=~", "|".join(versions.both))
            text = str(selector.where(both))
            queries.append(_Query(text, tuple(feeds), None, versions.label, versions.both))
            continue
        for version, name in enumerate(versions.both):
            queries.append(_Query(str(selector.where(*versions.matchers(name))), tuple(feeds), version))
    return queries


def up_selectors(spec: Spec) -> tuple[str, str]:
    """`up` of each version's targets; empty where the spec names neither services nor matchers for the version."""
    return _up_selector(spec, spec.versions.baseline), _up_selector(spec, spec.versions.candidate)


def _up_selector(spec: Spec, version: str) -> str:
    jobs = [name for name, service in spec.services.items() if service.version == version]
    if jobs:
        return str(Selector("up", (Matcher("job", "=~", "|".join(jobs)),)))
    return str(Selector("up", spec.versions.matchers(version))) if spec.versions.select is not None else ""


def stale_seconds(spec: Spec) -> float:
    return max(STALE_SECONDS, 2.5 * spec.stack.scrape.interval)


def find_bounds(spec: Spec, prometheus: Prometheus) -> dict[str, tuple[float, ...]]:
    """The finite bucket bounds that each histogram has in both versions, ascending.

    A bound that one version lacks cannot be compared: nothing would lie below it there.
    """
    found = {}
    for name, signal in spec.signals.items():
        for counter in signal.counters:
            if counter.buckets:
                selectors = [counter.selector.where(*spec.versions.matchers(version)) for version in spec.versions.both]
                known = [bounds for selector in selectors if (bounds := _bounds_found(prometheus, selector))]
                found[name] = tuple(sorted(set.intersection(*known))) if known else ()
    return found


def _bounds_found(prometheus: Prometheus, selector: Selector) -> set[float]:
    values = prometheus.label_values("le", str(selector))
    return {bound for value in values if math.isfinite(bound := bound_of(value))}


def _merge(known: list[float], times: Floats) -> None:
    """Add new scrape times, kept ascending."""
    last = known[-1] if known else -math.inf
    later = [float(time) for time in times if time > last]
    missed = {float(time) for time in times if time <= last}.difference(known[-len(times) - 5 :])
    known.extend(later)
    if missed:
        known[:] = sorted({*known, *missed})
