"""Raw samples of every signal of both versions, and of `up`, read and noted as news.

Nothing is interpolated or averaged: samples are read raw, and an increment belongs to the scrape that brought it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from bascule.judge.layout import BASELINE, CANDIDATE, Flags
from bascule.judge.sampling.alignment import Alignment
from bascule.judge.sampling.attendance import KEPT_SECONDS, AttendanceBook, UpSamples
from bascule.judge.sampling.presence import Presence
from bascule.judge.sampling.queries import Query, probe_selectors, queries_of, unscraped_jobs, up_selectors
from bascule.judge.sampling.schema import CounterFeed, Schema
from bascule.judge.sampling.table import HUGE, Instances, News, SeriesTable
from bascule.prometheus import Matrix
from bascule.spec import Spec
from bascule.spec.counters import EVENTS
from bascule.spec.slas import services_counted
from bascule.states import Cause, Missing

REMEMBERED = ("instances", "presence", "probes", "attendance", "problems", "_table")
OVERLAP_SECONDS = 15.0  # read again at most, for scrapes may come late
ASKED_AT_ONCE = 2
JUST_BEFORE = 0.001  # Prometheus 3 leaves out the sample at which a range begins
SHARED = Missing(Cause.UNPROVEN, "its selector matches the same series for both versions")
ABSURD = Missing(Cause.IMPOSSIBLE_VALUES, "its series gave values that no counter can have (NaN, infinite or negative)")
LEAP = Missing(Cause.IMPOSSIBLE_VALUES, f"its counters grew by more than {HUGE:.0e} between two scrapes")
FALLING = Missing(
    Cause.IMPOSSIBLE_VALUES,
    "its series fall repeatedly: several processes answer as one target, or they are not counters",
)


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a signal's series, and when it was last so (Unix seconds; infinity: until it is fixed)."""

    what: Missing
    time: float


@dataclass(frozen=True, eq=False)
class Answers:
    """The samples of each query, in the order of the queries; of `up` and of probes by version (None: not asked)."""

    counters: Sequence[Matrix]
    presence: Sequence[Matrix | None]
    probes: Sequence[Matrix | None] = ()


class SampleSource(Protocol):
    """Who has the samples: Prometheus, or what it wrote."""

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        """Those of a selector in the `seconds` until `at`, Unix seconds."""


class SampleReader:
    """Reads what is new, and keeps what it has seen of each series. Raises what Prometheus raises."""

    def __init__(self, schema: Schema, source: SampleSource) -> None:
        self.instances = Instances()
        self.presence = Presence(), Presence()
        self.probes = Presence(), Presence()
        self.attendance = _attendance(schema.spec)
        self.problems: dict[str, Trouble] = {}  # signal -> what is wrong with its series
        self._schema, self._source = schema, source
        self._up_selectors, self._probe_selectors = up_selectors(schema.spec), probe_selectors(schema.spec)
        self._unscraped = unscraped_jobs(schema.spec, schema.spec.versions.candidate)
        self._queries = queries_of(schema)
        self._pool = ThreadPoolExecutor(ASKED_AT_ONCE, "judge-reads")
        self._table = SeriesTable(schema, self._queries, self.instances)

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._table)

    @property
    def selectors(self) -> list[str]:
        """All that are asked for."""
        asked = (*self._up_selectors, *self._probe_selectors, *(query.text for query in self._queries))
        return [selector for selector in dict.fromkeys(asked) if selector]

    def read(self, start: float, end: float) -> list[News]:
        """Take in the samples in (start, end], Unix seconds."""
        return self.take(self.fetch(start, end))

    def fetch(self, start: float, end: float) -> Answers:
        """What Prometheus holds of (start, end]; changes nothing here, so that it may run beside `take`."""
        return self._with_counters(self._presence(start, end), start, end)

    def fetch_on(self, start: float, end: float, alignment: Alignment) -> Answers:
        """The same, as far as it can be new to who has read until `start`.

        A scrape brings `up` together with all else, and `up` is asked first: of a target whose `up` was known, nothing
        older is new. Series may carry times of their own: of an instance, nothing older than its newest scrape is new.
        """
        floor = start - OVERLAP_SECONDS
        presence = self._presence(floor, end)
        known = [self._covered(version, presence, alignment, end) for version in (BASELINE, CANDIDATE)]
        begin = min(*known, alignment.oldest_known(end - OVERLAP_SECONDS), end)
        return self._with_counters(presence, max(floor, begin - JUST_BEFORE), end)

    def _covered(self, version: int, presence: Sequence[Matrix | None], alignment: Alignment, end: float) -> float:
        """Until when a version's scrapes are known, by its `up`; -inf where that does not tell."""
        told = presence[version]
        if told is None or not any(matrix.labels for matrix in presence if matrix is not None):
            return -math.inf
        if not told.labels and alignment.newest(version) > end - OVERLAP_SECONDS:
            return -math.inf  # it is scraped, and has no `up`
        return self.presence[version].covered(told)

    def take(self, answers: Answers) -> list[News]:
        """Note what was fetched; samples already seen are skipped."""
        for version, matrix in enumerate(answers.presence):
            if matrix is not None:
                self._note_scraped(version, self.presence[version].take(matrix))
        for version, matrix in enumerate(answers.probes):
            if matrix is not None:
                self._note_scraped(version, self.probes[version].take(matrix, self._unscraped))
        rows = [self._table.rows(number, matrix) for number, matrix in enumerate(answers.counters)]
        news = [self._table.take(own, matrix) for own, matrix in zip(rows, answers.counters, strict=True)]
        for number, each in enumerate(news):
            self._note_troubles(number, each)
        return news

    def silent_feeds(self) -> list[CounterFeed]:
        """The feeds whose selector has matched no series of either version so far."""
        return [feed for feed in self._schema.feeds if not self._versions_seen(feed)]

    def missing_feeds(self, version: int) -> list[CounterFeed]:
        """Those that count a signal's events, and have shown series of the other version alone so far."""
        other = {BASELINE, CANDIDATE} - {version}
        counting = [feed for feed in self._schema.feeds if feed.counter.part == EVENTS]
        return [feed for feed in counting if self._versions_seen(feed) == other]

    def keep(self, kept: Flags, since: float) -> None:
        """Forget the series of all instances but those kept (I,), and the targets whose `up` is from before `since`."""
        self._table.keep(kept)
        self.instances.keep(kept)
        for presence in (*self.presence, *self.probes):
            presence.forget(since)

    def remembered(self) -> dict[str, object]:
        """All that was seen."""
        return {name: getattr(self, name) for name in REMEMBERED}

    def recall(self, remembered: Mapping[str, object]) -> None:
        """See what another reader of the same schema has seen."""
        vars(self).update({name: remembered[name] for name in REMEMBERED})

    def _presence(self, start: float, end: float) -> list[Matrix | None]:
        return self._each(self._up_selectors, start, end)

    def _each(self, selectors: Iterable[str], start: float, end: float) -> list[Matrix | None]:
        return [self._source.matrix(text, end - start, end) if text else None for text in selectors]

    def _with_counters(self, presence: Sequence[Matrix | None], start: float, end: float) -> Answers:
        def ask(query: Query) -> Matrix:
            return self._source.matrix(query.text, end - start, end)

        probes = self._each(self._probe_selectors, min(start, end - OVERLAP_SECONDS), end)
        return Answers(list(self._pool.map(ask, self._queries)), presence, probes)

    def _note_scraped(self, version: int, scrapes: UpSamples) -> None:
        if version == CANDIDATE:
            self.attendance.add(scrapes)

    def _versions_seen(self, feed: CounterFeed) -> set[int]:
        return {version for version in (BASELINE, CANDIDATE) if (feed, version) in self._table.seen}

    def _note_troubles(self, number: int, news: News) -> None:
        shared = math.inf if number in self._table.shared else -math.inf
        for what, time in ((ABSURD, news.absurd), (LEAP, news.leap), (FALLING, news.falling), (SHARED, shared)):
            self._trouble(self._queries[number].feeds, Trouble(what, time))

    def _trouble(self, feeds: Iterable[CounterFeed], trouble: Trouble) -> None:
        for feed in feeds:
            known = self.problems.get(feed.signal)
            if trouble.time > -math.inf and (known is None or trouble.time >= known.time):
                self.problems[feed.signal] = trouble


def _attendance(spec: Spec) -> AttendanceBook:
    """Of the candidate's services; kept for as long as the longest trigger must hold, and what it looks back over."""
    longest = max((rollback.hold for rollback in spec.rollback), default=0.0)
    services = services_counted(spec, spec.versions.candidate)
    return AttendanceBook(services, spec.stack.scrape.interval, KEPT_SECONDS + longest)
