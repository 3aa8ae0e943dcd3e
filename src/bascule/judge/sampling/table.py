"""Every series that has been read: its last sample, the instance it is of, and the columns that it feeds.

A counter that falls has been reset: it counts from zero. A series that appears on an instance which was scraped before
began at zero: its first value counts. On an instance that is seen for the first time it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

import numpy as np

from bascule.judge.layout import Flags, Floats, Indices
from bascule.judge.sampling.queries import Query
from bascule.judge.sampling.schema import Column, CounterFeed, Schema
from bascule.prometheus import NOBODY, Matrix, SeriesRows, target_of

HUGE = 1e9  # no counter grows by more between two scrapes
FADING, MOST_FALLS = 0.9, 2.5  # of a series' last ten samples: a service that restarts makes fewer of them fall


class Instances:
    """Numbers for the instances (version, job and instance) in the order in which they are first seen."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, tuple[str, ...]], int] = {}
        self._versions = np.empty(0, np.intp)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, version: int, labels: Mapping[str, str]) -> int:
        """The number of the instance that a series with these labels is of."""
        return self._numbers.setdefault((version, target_of(labels)), len(self._numbers))

    def names(self, version: int, some: Flags) -> set[tuple[str, ...]]:
        """Of a version's instances, some (I,): job and instance."""
        return {name for own, name in compress(self._numbers, some) if own == version}

    @property
    def versions(self) -> Indices:
        """The version of each, (I,)."""
        if len(self._versions) != len(self._numbers):
            self._versions = np.array([version for version, _ in self._numbers], np.intp)
        return self._versions

    def keep(self, kept: Flags) -> None:
        """Forget all but those kept (I,); these are numbered again, in the same order."""
        self._versions = self.versions[kept]
        names = [name for name, stays in zip(self._numbers, kept.tolist(), strict=True) if stays]
        self._numbers = {name: number for number, name in enumerate(names)}


@dataclass(frozen=True, eq=False)
class Growth:
    """By how much counters grew: the instance, time and amount of each increment (n,), and its columns (n, k).

    Columns are filled up with the number of columns there are.
    """

    instances: Indices
    times: Floats
    amounts: Floats
    columns: Indices

    def some(self, mask: Flags) -> Growth:
        return Growth(self.instances[mask], self.times[mask], self.amounts[mask], self.columns[mask])

    def numbered(self, places: Indices) -> Growth:
        """With other numbers for the instances, (I,) by the present ones."""
        return Growth(places[self.instances], self.times, self.amounts, self.columns)


def joined(parts: Sequence[Growth]) -> Growth:
    """At least one part."""
    return Growth(
        np.concatenate([part.instances for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.amounts for part in parts]),
        np.concatenate([part.columns for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class News:
    """What an answer brought that was not known: scrapes (instance and time of each sample, (s,)), and growth.

    `absurd`, `leap`: when the last value came that no counter can have, and the last leap that none can make, or -inf.
    `falling`: when a series was last seen that falls repeatedly.
    """

    scraped: Indices
    scrape_times: Floats
    growth: Growth
    absurd: float
    leap: float
    falling: float = -math.inf


class SeriesTable:
    """The rows of every query's series."""

    def __init__(self, schema: Schema, queries: Sequence[Query], instances: Instances) -> None:
        self._schema, self._queries, self._instances = schema, queries, instances
        self._rows = [SeriesRows() for _ in queries]
        self._time, self._value, self._falls = np.empty(0), np.empty(0), np.empty(0)
        self._instance = np.empty(0, np.intp)
        self._columns = np.empty((0, max((len(query.feeds) for query in queries), default=0)), np.intp)
        self._added: list[tuple[int, list[int]]] = []  # instance and columns of rows that are new
        self._first = np.empty(0)  # when each instance was first seen
        self.seen: set[tuple[CounterFeed, int]] = set()  # feeds that have shown series, by version
        self.shared: set[int] = set()  # queries of which a series is in the other version's as well

    def __len__(self) -> int:
        return len(self._time)

    def rows(self, number: int, matrix: Matrix) -> Indices:
        """The row of each series in an answer to a query, (m,). To be asked of all answers before any is taken.

        Whether a series was born on a known instance is told by the first samples of all of them.
        """
        rows = self._rows[number].of(matrix.labels, partial(self._new_row, number))
        if self._added:
            self._append()
        some = (rows != NOBODY) & (matrix.counts > 0)
        starts = (np.cumsum(matrix.counts) - matrix.counts)[some]
        np.minimum.at(self._first, self._instance[rows[some]], matrix.times[starts])
        return rows

    def take(self, rows: Indices, matrix: Matrix) -> News:
        """Take in an answer's samples; those that are known are skipped."""
        each, times, values = in_order(rows, matrix)
        sound = np.isfinite(values) & (values >= 0)
        absurd = float(times[~sound].max(initial=-math.inf))
        fresh = sound & (times > self._time[each])
        each, times, values = each[fresh], times[fresh], values[fresh]
        amounts = self._amounts(each, times, values)
        real = (amounts > 0) & (amounts < HUGE)
        instances = self._instance[each]
        growth = Growth(instances[real], times[real], amounts[real], self._columns[each[real]])
        leap = float(times[amounts >= HUGE].max(initial=-math.inf))
        return News(instances, times, growth, absurd, leap, self._falling(each))

    def keep(self, kept: Flags) -> None:
        """Forget the rows of all instances but those kept (I,)."""
        stays = kept[self._instance]
        for rows in self._rows:
            rows.keep(stays)
        self._time, self._value, self._columns = self._time[stays], self._value[stays], self._columns[stays]
        self._falls = self._falls[stays]
        self._instance = (np.cumsum(kept) - 1)[self._instance[stays]]
        self._first = self._first[kept]

    def _amounts(self, each: Indices, times: Floats, values: Floats) -> Floats:
        """By how much each sample is above the one before it, (n,); ordered by row and time. The last are kept."""
        first = np.diff(each, prepend=NOBODY) != 0
        begun = each[first]
        new = np.isinf(self._time[begun])
        born = self._first[self._instance[begun]] < times[first]
        self._value[begun[new]] = np.where(born, 0.0, values[first])[new]
        before = np.roll(values, 1)
        before[first] = self._value[begun]
        last = np.diff(each, append=NOBODY) != 0
        self._count_falls(each, values < before)
        self._time[each[last]], self._value[each[last]] = times[last], values[last]
        return np.where(values >= before, values - before, values)

    def _count_falls(self, each: Indices, falls: Flags) -> None:
        """Of each row, how many of its last ten samples fell, older ones fading; ordered by row and time."""
        if not falls.any() and not self._falls.any():
            return
        ends = np.searchsorted(each, each, side="right")
        weights = FADING ** (ends - 1 - np.arange(len(each)))
        brought = np.bincount(each, np.where(falls, weights, 0.0), len(self._falls))
        self._falls = self._falls * FADING ** np.bincount(each, minlength=len(self._falls)) + brought

    def _falling(self, each: Indices) -> float:
        """When one of these rows last had a sample, of those that are no counters: -inf where all are."""
        odd = each[self._falls[each] > MOST_FALLS]
        return float(self._time[odd].max(initial=-math.inf))

    def _new_row(self, number: int, labels: Mapping[str, str], written: bytes) -> int:
        query = self._queries[number]
        version = query.version_of(labels)
        if version is None:
            return NOBODY
        self.seen.update((feed, version) for feed in query.feeds)
        self.shared.update(self._sharing(number, written))
        self._added.append((self._instances.number(version, labels), list(self._columns_of(query, labels))))
        return len(self) + len(self._added) - 1

    def _append(self) -> None:
        instances, columns = zip(*self._added, strict=True)
        width, none = self._columns.shape[1], len(self._schema.columns)
        padded = [[*own, *[none] * (width - len(own))] for own in columns]
        self._columns = np.concatenate([self._columns, np.array(padded, np.intp).reshape(-1, width)])
        self._instance = np.concatenate([self._instance, np.array(instances, np.intp)])
        self._time = _filled(self._time, len(self._instance), -math.inf)
        self._value = _filled(self._value, len(self._instance), 0.0)
        self._falls = _filled(self._falls, len(self._instance), 0.0)
        self._first = _filled(self._first, len(self._instances), math.inf)
        self._added = []

    def _sharing(self, number: int, written: bytes) -> Iterator[int]:
        """This query, where the other version's query of the same counters has the series too."""
        feeds = self._queries[number].feeds
        others = (other for other, query in enumerate(self._queries) if query.feeds == feeds and other != number)
        yield from (number for other in others if written in self._rows[other])

    def _columns_of(self, query: Query, labels: Mapping[str, str]) -> Iterator[int]:
        for feed in query.feeds:
            part = feed.counter.part_of(labels.get("le"))
            leaf = self._schema.strata[feed.signal].leaf_of(labels)
            column = self._schema.columns.get(Column(feed.signal, part, leaf)) if part is not None else None
            if column is not None:
                yield column


def _filled(array: Floats, size: int, value: float) -> Floats:
    return np.concatenate([array, np.full(size - len(array), value)])


def in_order(rows: Indices, matrix: Matrix) -> tuple[Indices, Floats, Floats]:
    """The row (n,), time and value of each sample of known rows, by row and time, each once.

    So a server that answers a series twice, or in pieces, gives the same result.
    """
    each, times, values = np.repeat(rows, matrix.counts), matrix.times, matrix.values
    if (rows == NOBODY).any():
        known = each != NOBODY
        each, times, values = each[known], times[known], values[known]
    same = each[1:] == each[:-1]
    scattered = len(each) > 0 and np.count_nonzero(~same) + 1 > np.count_nonzero(np.bincount(each))
    if scattered or (same & (times[1:] <= times[:-1])).any():
        order = np.lexsort((times, each))
        each, times, values = each[order], times[order], values[order]
        once = np.append(True, (each[1:] != each[:-1]) | (times[1:] != times[:-1]))
        each, times, values = each[once], times[once], values[once]
    return each, times, values
