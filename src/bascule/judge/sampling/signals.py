"""From the spec's signals to counts: what both versions did between two joint looks.

    spec ──Schema──> columns (one counter of one signal in one segment), strata and pairs
    Prometheus ──Reader──> increments at the samples' own timestamps ──Alignment──> joint looks ──Schema──> Counts

Nothing is interpolated or averaged: samples are read raw, an increment belongs to the scrape that brought it, and the
candidate is never looked at further ahead than the baseline (an incident of both would look like the candidate's).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bascule.judge.evidence.history import BASELINE, CANDIDATE, Counts
from bascule.judge.layout import Floats, Layout
from bascule.judge.sampling.strata import Strata, declared
from bascule.prometheus import Prometheus, Series
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.signals import HistogramSignal, MeanSignal, RatioSignal, Signal

STALE_SECONDS = 5.0  # an instance without a sample for longer is gone (or for 2.5 scrape intervals, if longer)
HUGE = 1e9  # no counter grows by more between two scrapes
INSTANCE_LABELS = ("job", "instance")

# ---------------------------------------------------------------- what is counted


@dataclass(frozen=True)
class Column:
    """One counter of one signal in one segment. `part`: total, bad, good, count, sum, squares, or a histogram bound."""

    signal: str
    part: str | float
    segment: str


@dataclass(frozen=True)
class Pair:
    """What is weighed: a signal in a segment; for a histogram, the share of events above one bound."""

    signal: str
    segment: str
    bound: float | None = None


@dataclass(frozen=True)
class Feed:
    """A query, and the columns its series feed: signal and part (None: by the series' `le`)."""

    selector: Selector
    signal: str
    part: str | None


class Schema:
    """Every column, stratum and pair of a spec, given the bounds of its histograms."""

    def __init__(
        self, spec: Spec, bounds: Mapping[str, Sequence[float]], strata: Mapping[str, Strata] | None = None
    ) -> None:
        self.spec = spec
        self.strata = strata or {name: declared(spec, signal) for name, signal in spec.signals.items()}
        self.bounds = {name: tuple(values) for name, values in bounds.items()}
        self.feeds = [feed for name, signal in spec.signals.items() for feed in _feeds(name, signal)]
        self.columns = {column: index for index, column in enumerate(self._columns())}
        parts = list(dict.fromkeys((column.signal, column.part) for column in self.columns))
        self.parts = {part: index for index, part in enumerate(parts)}
        self._part_of = np.array([self.parts[c.signal, c.part] for c in self.columns], np.intp)
        self.pairs: list[Pair] = []
        self._of_pair: dict[Pair, int] = {}
        self._of_cell: dict[tuple[str, str], list[int]] = {}
        self._of_part: dict[tuple[str, str | float, tuple[str, ...]], list[int]] = {}
        self._build()

    def segments(self, signal: str) -> tuple[str, ...]:
        """The strata of a signal."""
        return self.strata[signal].leaves

    def judged_segments(self, signal: str) -> tuple[str, ...]:
        """The segments with a line of their own, the total last."""
        return self.strata[signal].lines

    def index(self, pair: Pair) -> int:
        return self._of_pair[pair]

    def column(self, signal: str, part: str | float, segment: str) -> int:
        return self.columns[Column(signal, part, segment)]

    def columns_of(self, signal: str, part: str | float, segments: tuple[str, ...]) -> list[int]:
        """The columns of one part in these segments; looked up often, so remembered."""
        key = signal, part, segments
        if key not in self._of_part:
            self._of_part[key] = [self.column(signal, part, segment) for segment in segments]
        return self._of_part[key]

    def pairs_of(self, signal: str, segment: str) -> list[int]:
        return self._of_cell.get((signal, segment), [])

    def counts(self, increments: Floats) -> Counts:
        """Events and bad events per stratum of increments (2, columns)."""
        events = increments[:, self._events]
        bad = increments[:, self._bad]
        bad = np.clip(np.where(self._complement, events - bad, bad), 0, None)
        events = np.maximum(events, bad)
        return Counts(events[BASELINE], bad[BASELINE], events[CANDIDATE], bad[CANDIDATE])

    def over_segments(self, amounts: Floats) -> Floats:
        """Sums over the segments: (columns,) -> (parts,), ordered as `parts`."""
        return np.bincount(self._part_of, amounts, minlength=len(self.parts)).astype(np.float64)

    def _columns(self) -> Iterator[Column]:
        for name, signal in self.spec.signals.items():
            for part in _parts(signal, self.bounds.get(name, ())):
                for segment in self.segments(name):
                    yield Column(name, part, segment)

    def _build(self) -> None:
        pools: dict[tuple[str, float | None], int] = {}
        strata: list[tuple[int, int, bool, int]] = []
        for name, signal in self.spec.signals.items():
            for bound in _bounds_of(signal, self.bounds.get(name, ())):
                for segment in self.judged_segments(name):
                    self._of_pair[Pair(name, segment, bound)] = len(self.pairs)
                    self._of_cell.setdefault((name, segment), []).append(len(self.pairs))
                    strata.extend(self._strata(name, signal, bound, segment, len(self.pairs)))
                    pools.setdefault((name, bound), len(pools))
                    self.pairs.append(Pair(name, segment, bound))
        table = np.array(strata, dtype=np.intp).reshape(-1, 4)
        self._events, self._bad, self._complement = table[:, 0], table[:, 1], table[:, 2].astype(bool)
        self.layout = Layout(table[:, 3], np.array([pools[pair.signal, pair.bound] for pair in self.pairs], np.intp))

    def _strata(
        self, name: str, signal: Signal, bound: float | None, segment: str, pair: int
    ) -> Iterator[tuple[int, int, bool, int]]:
        for part in self.strata[name].leaves_of(segment):
            if isinstance(signal, RatioSignal):
                side = "bad" if signal.bad is not None else "good"
                yield self.column(name, "total", part), self.column(name, side, part), side == "good", pair
            elif bound is not None:
                yield self.column(name, "count", part), self.column(name, bound, part), True, pair


def _feeds(name: str, signal: Signal) -> Iterator[Feed]:
    if isinstance(signal, RatioSignal):
        yield Feed(signal.total, name, "total")
        yield Feed(signal.events, name, "bad" if signal.bad is not None else "good")
    elif isinstance(signal, HistogramSignal):
        yield Feed(signal.series("bucket"), name, None)
    elif isinstance(signal, MeanSignal):
        yield Feed(signal.sum, name, "sum")
        yield Feed(signal.count, name, "count")
        if signal.sum_of_squares is not None:
            yield Feed(signal.sum_of_squares, name, "squares")
        elif signal.sum.metric.endswith("_sum"):
            yield Feed(signal.sum.named(signal.sum.metric.removesuffix("_sum") + "_bucket"), name, None)


def _parts(signal: Signal, bounds: Sequence[float]) -> tuple[str | float, ...]:
    if isinstance(signal, RatioSignal):
        return ("total", "bad" if signal.bad is not None else "good")
    if isinstance(signal, HistogramSignal):
        return ("count", *bounds)
    if isinstance(signal, MeanSignal):
        return ("count", "sum", "squares", *bounds)
    return ()


def _bounds_of(signal: Signal, bounds: Sequence[float]) -> Sequence[float | None]:
    if isinstance(signal, RatioSignal):
        return (None,)
    return bounds if isinstance(signal, HistogramSignal) else ()


# ---------------------------------------------------------------- reading raw samples

Instance = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Increments:
    """What one series added to the columns it feeds: `amounts` (n,) at the scrapes `times` (n,)."""

    instance: Instance
    columns: tuple[int, ...]
    times: Floats
    amounts: Floats


@dataclass(eq=False)
class Stream:
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


class Reader:
    """Reads the raw samples of every signal of both versions, and keeps what it has seen of each series.

    A counter that falls has been reset: it counts from zero. A series that appears on an instance which was scraped
    before began at zero: its first value counts. On an instance that is seen for the first time it does not.
    """

    def __init__(self, schema: Schema, prometheus: Prometheus) -> None:
        self.streams = (Stream(), Stream())
        self.up: tuple[dict[Instance, list[tuple[float, float]]], ...] = ({}, {})
        self.problems: dict[str, Trouble] = {}  # signal -> what is wrong with its series
        self._owner: dict[tuple[tuple[str, str], ...], int] = {}
        self._schema = schema
        self._prometheus = prometheus
        self._counters: dict[tuple[object, ...], _Counter] = {}
        self._first: dict[tuple[int, Instance], float] = {}
        self._seen: set[tuple[Feed, int]] = set()
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

    def silent_feeds(self) -> list[Feed]:
        """The feeds whose selector has matched no series of either version so far."""
        return [feed for feed in self._schema.feeds if not self._versions_seen(feed)]

    def missing_feeds(self, version: int) -> list[Feed]:
        """Those that count a signal's events, and have shown series of the other version alone so far."""
        other = {BASELINE, CANDIDATE} - {version}
        counting = [feed for feed in self._schema.feeds if self._counts_events(feed)]
        return [feed for feed in counting if self._versions_seen(feed) == other]

    def _versions_seen(self, feed: Feed) -> set[int]:
        return {version for version in (BASELINE, CANDIDATE) if (feed, version) in self._seen}

    def _counts_events(self, feed: Feed) -> bool:
        is_histogram = isinstance(self._schema.spec.signals[feed.signal], HistogramSignal)
        return feed.part in ("total", "count") or (feed.part is None and is_histogram)

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
            part = feed.part if feed.part is not None else self._bucket_part(feed, series)
            leaf = self._schema.strata[feed.signal].leaf_of(series.labels)
            column = self._schema.columns.get(Column(feed.signal, part, leaf))
            if column is not None:
                yield column

    def _bucket_part(self, feed: Feed, series: Series) -> str | float:
        """The bound of a bucket's series; the last bucket counts everything (a mean has a counter for that)."""
        bound = _number(series.labels.get("le", ""))
        counts_all = isinstance(self._schema.spec.signals[feed.signal], HistogramSignal)
        return "count" if bound == math.inf and counts_all else bound

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
    feeds: tuple[Feed, ...]
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
    grouped: dict[str, list[Feed]] = {}
    for feed in schema.feeds:
        grouped.setdefault(str(feed.selector), []).append(feed)
    versions = schema.spec.versions
    queries = []
    for feeds in grouped.values():
        selector = feeds[0].selector
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
        for feed in _feeds(name, signal):
            if feed.part is None:
                own = (_bounds_found(prometheus, feed.selector.where(*spec.versions.matchers(version)))
                       for version in spec.versions.both)  # fmt: skip
                known = [bounds for bounds in own if bounds]
                found[name] = tuple(sorted(set.intersection(*known))) if known else ()
    return found


def _bounds_found(prometheus: Prometheus, selector: Selector) -> set[float]:
    values = prometheus.label_values("le", str(selector))
    return {bound for value in values if math.isfinite(bound := _number(value))}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _merge(known: list[float], times: Floats) -> None:
    """Add new scrape times, kept ascending."""
    last = known[-1] if known else -math.inf
    later = [float(time) for time in times if time > last]
    missed = {float(time) for time in times if time <= last}.difference(known[-len(times) - 5 :])
    known.extend(later)
    if missed:
        known[:] = sorted({*known, *missed})


# ---------------------------------------------------------------- joint looks


@dataclass(frozen=True, eq=False)
class JointLook:
    """What both versions did between the look before and `time`: increments (2, columns), and the seconds between."""

    time: float
    seconds: float
    increments: Floats
    since: float  # no sample behind this look is older


class Alignment:
    """Cuts two streams of scrapes at joint moments.

    A look is taken at a baseline scrape as soon as every live instance of both versions has something new; of the
    candidate only samples that are no younger than the baseline's are used. A missing scrape thus delays the look and
    loses nothing. Which looks there are depends on the samples' timestamps alone, so a replay takes the same ones.
    """

    def __init__(self, columns: int, stale_seconds: float = STALE_SECONDS) -> None:
        self._columns = columns
        self._stale = stale_seconds
        self._cuts: tuple[dict[Instance, float], dict[Instance, float]] = ({}, {})
        self._time = -math.inf

    def take(self, streams: Sequence[Stream], until: float) -> list[JointLook]:
        """The looks that the samples up to `until` allow; what they use is removed from the streams."""
        moments = self._moments(streams, until)
        return self._cut(streams, moments) if moments else []

    def _moments(self, streams: Sequence[Stream], until: float) -> list[_Moment]:
        scrapes = [{name: np.array(times) for name, times in stream.scrapes.items()} for stream in streams]
        moments = []
        cuts = (dict(self._cuts[0]), dict(self._cuts[1]))
        for time in self._candidates(scrapes, until):
            moment = _joint(scrapes, cuts, time, self._stale)
            if moment is not None:
                moments.append(moment)
                cuts[0].update(moment.cuts[0])
                cuts[1].update(moment.cuts[1])
        return moments

    def _candidates(self, scrapes: Sequence[Mapping[Instance, Floats]], until: float) -> list[float]:
        """Moments at which there may be a look: the baseline's scrapes, and the candidate's while it is alone."""
        lead, follow = (
            np.unique(np.concatenate([np.empty(0), *scrapes[version].values()])) for version in (BASELINE, CANDIDATE)
        )
        moments = np.union1d(lead, follow[self._is_alone(follow, lead, until)])
        return [float(time) for time in moments[(moments > self._time) & (moments <= until)]]

    def _is_alone(self, times: Floats, lead: Floats, until: float) -> NDArray[np.bool_]:
        """Where no baseline scrape is near: none shortly before, and for the very first ones none shortly after."""
        place = np.searchsorted(lead, times, side="right") - 1
        padded = np.concatenate((lead, [np.inf]))
        before = times - np.where(place >= 0, padded[np.maximum(place, 0)], -np.inf)
        waited = (padded[place + 1] - times > self._stale) & (until - times > self._stale)
        return np.asarray(np.where(place >= 0, before > self._stale, waited))

    def _cut(self, streams: Sequence[Stream], moments: Sequence[_Moment]) -> list[JointLook]:
        increments = np.zeros((len(moments), 2, self._columns))
        for version, stream in enumerate(streams):
            _assign(stream, [moment.cuts[version] for moment in moments], increments[:, version])
        looks = []
        for moment, amounts in zip(moments, increments, strict=True):
            since = min((self._cuts[v].get(i, -math.inf) for v in (0, 1) for i in moment.cuts[v]), default=-math.inf)
            seconds = moment.time - self._time if math.isfinite(self._time) else 0.0
            looks.append(JointLook(moment.time, seconds, amounts, since))
            for version in (0, 1):
                self._cuts[version].update(moment.cuts[version])
            self._time = moment.time
        for version, stream in enumerate(streams):
            _forget_scrapes(stream, self._cuts[version])
        return looks


@dataclass(frozen=True)
class _Moment:
    time: float
    cuts: tuple[dict[Instance, float], dict[Instance, float]]


def _joint(scrapes: Sequence[Mapping[Instance, Floats]], cuts: Sequence[Mapping[Instance, float]],
           time: float, stale: float) -> _Moment | None:  # fmt: skip
    baseline = _new_samples(scrapes[BASELINE], cuts[BASELINE], time, stale)
    if baseline is None:
        return None
    horizon = min(baseline.values(), default=time)
    candidate = _new_samples(scrapes[CANDIDATE], cuts[CANDIDATE], horizon, stale)
    return None if candidate is None or not (baseline or candidate) else _Moment(time, (baseline, candidate))


def _new_samples(scrapes: Mapping[Instance, Floats], cuts: Mapping[Instance, float], time: float,
                 stale: float) -> dict[Instance, float] | None:  # fmt: skip
    """The newest sample by `time` of every live instance; None while one of them has nothing new."""
    newest = {}
    for instance, times in scrapes.items():
        place = int(np.searchsorted(times, time, side="right"))
        last = float(times[place - 1]) if place else cuts.get(instance, -math.inf)
        if time - last > stale:
            continue
        if last <= cuts.get(instance, -math.inf):
            return None
        newest[instance] = last
    return newest


def _assign(stream: Stream, cuts: Sequence[Mapping[Instance, float]], into: Floats) -> None:
    """Add each increment to the first look whose cut of its instance is not before it; keep the rest."""
    lines: dict[Instance, Floats] = {}
    left = []
    for part in stream.increments:
        if part.instance not in lines:
            lines[part.instance] = np.maximum.accumulate([cut.get(part.instance, -math.inf) for cut in cuts])
        look = np.searchsorted(lines[part.instance], part.times, side="left")
        used = look < len(cuts)
        for column in part.columns:
            np.add.at(into[:, column], look[used], part.amounts[used])
        if not used.all():
            left.append(Increments(part.instance, part.columns, part.times[~used], part.amounts[~used]))
    stream.increments = left


def _forget_scrapes(stream: Stream, cuts: Mapping[Instance, float]) -> None:
    """Drop the scrapes before each instance's cut; the cut itself stays, for it tells that the instance lives."""
    for instance, times in stream.scrapes.items():
        cut = cuts.get(instance, -math.inf)
        stream.scrapes[instance] = [time for time in times if time >= cut] or times[-1:]
