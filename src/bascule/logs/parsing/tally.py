"""Counting rows into the metrics that Prometheus scrapes.

A `LogTally` is plain data: it is added up, written down with the rows it counts, and read back, so that counters
go on after a restart from exactly what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from bascule import conventions
from bascule.conventions import CLIENT_GAVE_UP, CLIENT_LEFT, OTHER, UNKNOWN
from bascule.logformat import TIME
from bascule.logs.parsing.columnar import column_from
from bascule.logs.parsing.columns import Coded, Rows
from bascule.logs.parsing.leaving import parted
from bascule.logs.parsing.parse import TRACE, UNPARSED
from bascule.logs.parsing.present import LATE_SECONDS, Present
from bascule.logs.parsing.tries import Try, tries_of
from bascule.logs.parsing.versions import VersionFinder

Labels = tuple[str, ...]
Key = tuple[str, Labels]
MAX_VALUES = 500  # distinct endpoints a source may bring into the metrics; the rest count as `other`
MAX_PARTNERS = 50
ABSENT_REASON = "absent"
_NO_ROWS = np.empty(0, np.int64)
_HOUR = 3_600_000_000  # microseconds


@dataclass
class Distribution:
    """How many observations fell into each bucket (the last is beyond all bounds), and their sum."""

    counts: NDArray[np.int64]
    total: float = 0.0

    def add(self, counts: NDArray[np.int64], total: float) -> None:
        self.counts = self.counts + counts
        self.total += total


@dataclass
class LogTally:
    counters: dict[Key, int] = field(default_factory=dict)
    distributions: dict[Key, Distribution] = field(default_factory=dict)

    def count(self, metric: conventions.Metric, labels: Labels, number: int = 1) -> None:
        key = (metric.name, labels)
        self.counters[key] = self.counters.get(key, 0) + number

    def observe(self, metric: conventions.Metric, labels: Labels, counts: NDArray[np.int64], total: float) -> None:
        key = (metric.name, labels)
        if key not in self.distributions:
            self.distributions[key] = Distribution(np.zeros(len(metric.buckets) + 1, np.int64))
        self.distributions[key].add(counts, total)

    def add(self, other: LogTally) -> None:
        for key, number in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + number
        for key, distribution in other.distributions.items():
            if key in self.distributions:
                self.distributions[key].add(distribution.counts, distribution.total)
            else:
                self.distributions[key] = Distribution(distribution.counts, distribution.total)

    def to_json(self) -> dict[str, Any]:
        return {
            "counters": [[name, labels, number] for (name, labels), number in self.counters.items()],
            "distributions": [
                [name, labels, found.counts.tolist(), found.total]
                for (name, labels), found in self.distributions.items()
            ],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> LogTally:
        return cls(
            {(name, tuple(labels)): number for name, labels, number in document["counters"]},
            {
                (name, tuple(labels)): Distribution(np.array(counts, np.int64), total)
                for name, labels, counts, total in document["distributions"]
            },
        )


def families(tally: LogTally) -> Iterator[Metric]:
    """The tally as metric families for prometheus_client."""
    for metric in conventions.METRICS:
        if metric.producer != "logs" or metric.kind == "gauge" or metric is conventions.LOG_SENT:
            continue
        if metric.kind == "counter":
            counter = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
            for (name, labels), number in tally.counters.items():
                if name == metric.name:
                    counter.add_metric(labels, number)
            yield counter
        else:
            yield _histogram(metric, tally)


def _histogram(metric: conventions.Metric, tally: LogTally) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    bounds = [*(str(float(bound)) for bound in metric.buckets), "+Inf"]
    for (name, labels), found in tally.distributions.items():
        if name == metric.name:
            cumulated = np.cumsum(found.counts).tolist()
            family.add_metric(labels, list(zip(bounds, cumulated, strict=True)), found.total)
    return family


# ---------------------------------------------------------------- counting rows


@dataclass
class RowCounter:
    """Counts the rows of one source. Remembers which endpoints and partners it has let into the metrics."""

    source: str
    versions: VersionFinder
    requests: frozenset[str] = frozenset()  # formats of which each line is a request
    patience: float = conventions.PATIENCE_SECONDS  # after which a client that leaves counts as an error
    present: Present | None = None  # None: all rows count, whenever they were
    endpoints: set[str] = field(default_factory=set)
    partners: set[str] = field(default_factory=set)

    def start(self, formats: Iterable[str]) -> LogTally:
        """The counters that exist at zero from the start, so that `rate()` sees the first line."""
        tally = LogTally()
        for name in formats:
            tally.count(conventions.LOG_LINES, (self.source, name), 0)
        tally.count(conventions.LOG_UNPARSED, (self.source,), 0)
        return tally

    def resume(self, tally: LogTally) -> None:
        """Go on from the store's counters, as traffic of now: what was written while nobody read is of now, too.

        Endpoints and partners that are in the metrics already stay there.
        """
        known = any(name == conventions.LOG_LINES.name and labels[0] == self.source for name, labels in tally.counters)
        self.present = Present(time.time() - (LATE_SECONDS if known else 0.0))
        places = {conventions.LOG_REQUESTS.name: self.endpoints, conventions.LOG_USAGE.name: self.partners}
        for name, labels in tally.counters:
            if name in places and labels[3] == self.source and labels[1] not in (OTHER, UNKNOWN):
                places[name].add(labels[1])

    def learn_zone(self, rows: Sequence[Rows], written: float | None) -> None:
        """From rows at the end of a file that was last written to then (Unix seconds)."""
        if self.present is not None and written is not None:
            self.present.learn_zone(rows, written)

    def tally(self, parsed: Iterable[Rows]) -> LogTally:
        tally = LogTally()
        for rows in parsed:
            self._misread(tally, rows)
            if rows.format == UNPARSED:
                tally.count(conventions.LOG_UNPARSED, (self.source,), len(rows))
                continue
            tally.count(conventions.LOG_LINES, (self.source, rows.format), _lines(rows))
            rows = self._of_now(tally, rows)
            asked, left = parted(self._of_users(tally, self._asked(rows)), self.patience)
            if len(left):
                self._left(tally, left)
                self._tries(tally, left)
            if len(asked):
                self._requests(tally, asked)
                self._tries(tally, asked)
            if "accuracy" in rows.columns:
                self._accuracy(tally, rows)
        return tally

    def _misread(self, tally: LogTally, rows: Rows) -> None:
        """Fields that could not be read, by reason; times that are not there are among them."""
        for (name, reason), number in rows.misread.items():
            tally.count(conventions.LOG_MISREAD, (self.source, rows.format, name, reason), number)
        wrong = sum(number for (name, _), number in rows.misread.items() if name == TIME)
        absent = len(rows) - int(np.count_nonzero(rows.times)) - wrong
        if absent:
            tally.count(conventions.LOG_MISREAD, (self.source, rows.format, TIME, ABSENT_REASON), absent)

    def _of_now(self, tally: LogTally, rows: Rows) -> Rows:
        if self.present is None or (now := self.present.is_now(rows)).all():
            return rows
        tally.count(conventions.LOG_LATE, (self.source,), len(rows) - int(now.sum()))
        return rows.select(np.flatnonzero(now))

    def _asked(self, rows: Rows) -> Rows:
        """The rows that are requests."""
        if rows.format in self.requests:
            return rows
        status = rows.columns.get("status")
        return rows.select(np.flatnonzero(status.codes >= 0) if status else _NO_ROWS)

    def _of_users(self, tally: LogTally, rows: Rows) -> Rows:
        """Without the requests of internal callers, which are counted by themselves."""
        caller = rows.columns.get("caller")
        if caller is None:
            return rows
        users = np.flatnonzero(caller.codes < 0)
        tally.count(conventions.LOG_INTERNAL, (self.source,), len(rows) - len(users))
        return rows.select(users)

    def _tries(self, tally: LogTally, rows: Rows) -> None:
        """Each server that a balancer tried, with its own status and time, for the version that was tried."""
        if "upstream_addr" in rows.columns:
            tried = tries_of(rows)
            version = _merged(np.arange(len(tried)), [self.versions.upstream(one.server) or UNKNOWN for one in tried])
            endpoint = self._endpoint(rows.columns, len(rows))
            path = Labelled(endpoint.codes[[one.row for one in tried]], endpoint.texts)
            status = _merged(np.arange(len(tried)), [self._status_of(one) for one in tried])
            for labels, number in _counts([version, path, status]):
                tally.count(conventions.LOG_TRIES, (*labels, self.source), number)
            seconds = column_from("response_time", [one.seconds for one in tried])
            for labels, counts, total in _distributions([version, path], seconds, conventions.LOG_TRY_TIME):
                tally.observe(conventions.LOG_TRY_TIME, (*labels, self.source), counts, total)

    def _left(self, tally: LogTally, rows: Rows) -> None:
        """Requests whose clients left early, for the version that was asked last."""
        version, endpoint = _named(rows.columns, "version", len(rows)), self._endpoint(rows.columns, len(rows))
        for labels, number in _counts([version, endpoint]):
            tally.count(conventions.LOG_LEFT, (*labels, self.source), number)

    def _requests(self, tally: LogTally, rows: Rows) -> None:
        columns = rows.columns
        version, endpoint = _named(columns, "version", len(rows)), self._endpoint(columns, len(rows))
        keys = [version, endpoint, _status(columns, len(rows)), _named(columns, "version_from", len(rows))]
        for (name, path, status, how), number in _counts(keys):
            tally.count(conventions.LOG_REQUESTS, (name, path, status, self.source, how), number)
        for labels, number in _counts([version, self._partner(columns, len(rows)), _hour(rows.times)]):
            tally.count(conventions.LOG_USAGE, (*labels, self.source), number)
        if "response_time" in columns:
            metric = conventions.LOG_RESPONSE_TIME
            for (name, path), counts, total in _distributions([version, endpoint], columns["response_time"], metric):
                tally.observe(metric, (name, path, self.source), counts, total)

    def _accuracy(self, tally: LogTally, rows: Rows) -> None:
        metric = conventions.LOG_ACCURACY
        keys = [_named(rows.columns, "version", len(rows)), _named(rows.columns, "algorithm", len(rows))]
        for labels, counts, total in _distributions(keys, rows.columns["accuracy"], metric):
            tally.observe(metric, labels, counts, total)

    def _status_of(self, one: Try) -> str:
        gave_up = one.status == CLIENT_LEFT and (one.seconds or 0.0) >= self.patience
        return CLIENT_GAVE_UP if gave_up else one.status

    def _endpoint(self, columns: dict[str, Coded], rows: int) -> Labelled:
        """New ones are let in up to the cap."""
        if "endpoint" not in columns:
            return Labelled(np.zeros(rows, np.int64), [UNKNOWN])
        column = columns["endpoint"]
        return _merged(column.codes, [_let_in(path, self.endpoints, MAX_VALUES) for path in column.texts()])

    def _partner(self, columns: dict[str, Coded], rows: int) -> Labelled:
        if "partner" not in columns:
            return Labelled(np.zeros(rows, np.int64), [UNKNOWN])
        column = columns["partner"]
        return _merged(column.codes, [_let_in(name, self.partners, MAX_PARTNERS) for name in column.texts()])


def _let_in(value: str, known: set[str], most: int) -> str:
    if value not in known:
        if len(known) >= most:
            return OTHER
        known.add(value)
    return value


def _hour(times: NDArray[np.int64]) -> Labelled:
    """The hour of the day (UTC) of each row's time (microseconds; 0: without a time)."""
    first, last = (int(times.min()) // _HOUR, int(times.max()) // _HOUR) if len(times) else (0, 0)
    if first == last:  # so it is for almost every chunk
        return Labelled(np.zeros(len(times), np.int64), [f"{first % 24:02d}" if times.any() else UNKNOWN])
    hours = np.where(times == 0, 24, times // _HOUR % 24)
    return Labelled(hours, [*(f"{hour:02d}" for hour in range(24)), UNKNOWN])


def _lines(rows: Rows) -> int:
    """A row is a line, but for stack traces."""
    if rows.format != TRACE:
        return len(rows)
    message = rows.columns["message"]
    heights = np.array([text.count("\n") + 1 for text in message.texts()] + [1])
    return int(heights[message.codes].sum())


@dataclass(frozen=True)
class Labelled:
    """A label's value per row: codes into texts that are all different."""

    codes: NDArray[np.int64]
    texts: list[str]


def _merged(codes: NDArray[Any], texts: Sequence[str]) -> Labelled:
    """Labels for a column's values where several values may share one; absent rows become `unknown`."""
    distinct = list(dict.fromkeys([UNKNOWN, *texts]))
    places = {text: place for place, text in enumerate(distinct)}
    lookup = np.array([*(places[text] for text in texts), 0], np.int64)
    return Labelled(lookup[codes], distinct)


def _named(columns: dict[str, Coded], name: str, rows: int) -> Labelled:
    if name not in columns:
        return Labelled(np.zeros(rows, np.int64), [UNKNOWN])
    return _merged(columns[name].codes, columns[name].texts())


def _status(columns: dict[str, Coded], rows: int) -> Labelled:
    if "status" not in columns:
        return Labelled(np.zeros(rows, np.int64), [UNKNOWN])
    column = columns["status"]
    numbers = [str(int(number)) if 100 <= number <= 599 else OTHER for number in column.values.tolist()]
    return _merged(column.codes, numbers)


def _combined(keys: Sequence[Labelled]) -> NDArray[np.int64]:
    """One number per row for its combination of labels."""
    result = keys[0].codes
    for key in keys[1:]:
        result = result * len(key.texts) + key.codes
    return result


def _labels(number: int, keys: Sequence[Labelled]) -> Labels:
    texts = []
    for key in reversed(keys):
        number, place = divmod(number, len(key.texts))
        texts.append(key.texts[place])
    return tuple(reversed(texts))


def _counts(keys: Sequence[Labelled]) -> Iterator[tuple[Labels, int]]:
    if len(keys[0].codes):
        numbers = np.bincount(_combined(keys))
        for number in np.flatnonzero(numbers).tolist():
            yield _labels(number, keys), int(numbers[number])


def _distributions(
    keys: Sequence[Labelled], values: Coded, metric: conventions.Metric
) -> Iterator[tuple[Labels, NDArray[np.int64], float]]:
    """Per combination of labels: how many values fell into each bucket (le bounds), and their sum."""
    present = values.codes >= 0
    codes = values.codes[present]
    buckets = np.searchsorted(metric.buckets, values.values)[codes]
    width = len(metric.buckets) + 1
    group = _combined([Labelled(key.codes[present], key.texts) for key in keys])
    if not len(group):
        return
    size = int(group.max()) + 1
    counts = np.bincount(group * width + buckets, minlength=size * width).reshape(size, width)
    totals = np.bincount(group, values.values[codes], size)
    for number in np.flatnonzero(counts.sum(axis=1)).tolist():
        yield _labels(number, keys), counts[number], float(totals[number])
