"""What Prometheus wrote to the judge in the last seconds, answered as Prometheus would answer it.

A sender with one queue keeps the order in which it scraped, and writes `up` of a scrape after all else of it: once that
is here, the scrape is here. Where that is in doubt Prometheus is asked instead, so that nothing is counted wrongly:

1. what is asked for is older than what came, or a scrape is missing (the sender, or this receiver, was started again)
2. the sender is behind
3. samples come out of order (several queues), or differ from what Prometheus holds: each selector is asked both ways
   when it is first used, and once a minute
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bascule.errors import BasculeError, Unreachable
from bascule.judge.pushed.agreement import agree
from bascule.judge.pushed.kept import KeptSamples
from bascule.judge.pushed.scrapes import Scrapes
from bascule.judge.pushed.series import NOT_WANTED, WrittenSeries
from bascule.judge.pushed.written import WriteReader, Written
from bascule.prometheus import Matrix, Prometheus

LOG = logging.getLogger("bascule.judge")
KEPT_SECONDS = 20.0  # of samples
CHECK_SECONDS = 60.0  # between two comparisons of a selector with what Prometheus holds
FORGET_SECONDS = 300.0
DOUBT_SECONDS = 60.0  # for which Prometheus is asked after samples that cannot be relied on
ARRIVAL_SECONDS = 2.0  # from a scrape until its samples are here, at most: else the sender is behind
MOST_SERIES = 2_000_000
TOO_MANY = "more series come than can be kept"
DISORDER = "samples come out of order, or have times of their own; give this receiver one queue (max_shards: 1)"


class PushedSamples:
    """A source of samples, as SampleReader asks for them. `take` is called as requests come, by any thread."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # held while it is asked for its external labels
        self._external: Mapping[str, str] | None = None
        self._doubted_until = self._looked = -math.inf
        self.newest = -math.inf  # Unix seconds, of a sample
        self.doubt = ""  # why Prometheus was last asked although it writes
        self.pushed = self.pulled = 0  # answers
        self._is_told = False  # in the log: why Prometheus is asked
        self._begin(())

    def _begin(self, selectors: tuple[str, ...]) -> None:
        self._series = WrittenSeries(selectors, self._external)
        self._scrapes = Scrapes(self._series)
        self._reader = WriteReader(self._series.row_of)
        self._kept = KeptSamples(len(selectors), KEPT_SECONDS)
        self._since = math.inf  # from when on every sample is here
        self._checked: dict[str, float] = {}  # by selector: when it was last compared with Prometheus

    # ------------------------------------------------------------ writing

    def want(self, selectors: Sequence[str]) -> None:
        """Keep what these match from now on. What came before was not kept for them, and all begins again."""
        with self._lock:
            new = [each for each in selectors if each not in self._series.selectors]
            if new:
                self._begin((*self._series.selectors, *new))

    def take(self, body: bytes) -> None:
        """A request of the remote-write protocol. Raises UsageError where it is none; Unreachable where another one
        still asks for the external labels."""
        external = self._external_labels()
        with self._lock:
            self._series.external = external
            if len(self._reader) > MOST_SERIES:
                self._doubt(TOO_MANY)
            written = self._reader.read(body)
            written = written.some((written.rows != NOT_WANTED) & ~written.stale)
            if len(written.rows):
                self._note(written)

    def _note(self, written: Written) -> None:
        order = self._scrapes.take(written)
        self.newest = max(self.newest, written.newest)
        if order.late:
            self._doubt(DISORDER)
            return
        self._kept.add(written, self._series.wanted[:, written.rows])
        begun = self._since if math.isfinite(self._since) else written.newest
        self._since = max(begun, order.whole_since, self.newest - KEPT_SECONDS)
        self._forget()

    def _forget(self) -> None:
        """Instances come and go: once half of the series are of those that are gone, this begins again."""
        if self.newest - self._looked >= FORGET_SECONDS:
            self._looked = self.newest
            if len(self._series.labels) > 2 * self._scrapes.living(self.newest - FORGET_SECONDS):
                self._begin(tuple(self._series.selectors))

    def _doubt(self, why: str) -> None:
        """Nothing that is here can be relied on."""
        self.doubt, self._doubted_until = why, self.newest + DOUBT_SECONDS
        self._external = None  # it may be another sender by now
        self._begin(tuple(self._series.selectors))

    def _external_labels(self) -> Mapping[str, str]:
        """Asked by one thread at a time: an answer that is long in coming must not take all threads."""
        if (known := self._external) is not None:
            return known
        if not self._asking.acquire(blocking=False):
            what = "the external labels of Prometheus are not known yet"
            raise Unreachable(what, "no action needed: it sends this again")
        try:
            self._external = known = self._prometheus.external_labels()
        except BasculeError:
            self._external = known = {}  # if that is wrong, the comparison finds out, and it is asked again
        finally:
            self._asking.release()
        return known

    # ------------------------------------------------------------ reading

    def has_reached(self, time: float, now: float) -> bool:
        """Whether the scrapes until then have come, of all targets; true where Prometheus is asked in any case."""
        with self._lock:
            return not self._is_current(now) or self._scrapes.oldest(self.newest, ARRIVAL_SECONDS) >= time

    def known_until(self, now: float) -> float:
        """Until when everything is here, but for scrapes that still go on; to be asked before the samples are."""
        with self._lock:
            return min(self.newest, now) if self._is_current(now) else now

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        """The samples of the `seconds` until `at`, Unix seconds. Raises what Prometheus raises."""
        self.want([selector])
        with self._lock:
            found = self._found(selector, at - seconds, at)
            if found is not None and at - self._checked.get(selector, -math.inf) < CHECK_SECONDS:
                self.pushed += 1
                return found.matrix
        self.pulled += 1
        self._tell(self.problem(at))
        held = self._prometheus.matrix(selector, seconds, at)
        if found is not None:
            self._compare(selector, found, held, at)
        return held

    def problem(self, now: float) -> str:
        """Why Prometheus is asked although it writes; empty where nothing is wrong, or it never wrote."""
        with self._lock:
            if self.newest < self._doubted_until:
                return self.doubt
            if math.isfinite(self.newest) and not self._is_current(now):
                return f"the newest sample that Prometheus wrote is {now - self.newest:.0f} s old"
        return ""

    def _tell(self, problem: str) -> None:
        if problem and not self._is_told:
            LOG.warning("Prometheus is asked for the samples that it also writes: %s", problem)
        self._is_told = bool(problem)

    def _found(self, selector: str, start: float, end: float) -> _Found | None:
        """What is here; None where that may not be all."""
        if start < self._since or not self._is_current(end):
            return None
        samples = self._kept.between(self._series.selectors[selector], start, end)
        return _Found(samples, self._scrapes.oldest(self.newest, ARRIVAL_SECONDS), self._series)

    def _is_current(self, now: float) -> bool:
        return self.newest >= max(now - ARRIVAL_SECONDS - self._scrapes.step, self._doubted_until)

    def _compare(self, selector: str, found: _Found, held: Matrix, at: float) -> None:
        """What Prometheus holds, and what it wrote of it."""
        is_right = agree(found.samples, found.series.of(held), found.until)
        with self._lock:
            if found.series is not self._series:
                return  # all has begun again
            if is_right:
                self._checked[selector] = at
            else:
                self._doubt(f"what came of {selector} is not what Prometheus holds")


@dataclass(frozen=True, eq=False)
class _Found:
    """What is here: samples by row and time, until when they are whole, and of which series."""

    samples: Written
    until: float
    series: WrittenSeries

    @property
    def matrix(self) -> Matrix:
        """As Prometheus would answer it."""
        rows, times, values = self.samples.rows, self.samples.times, self.samples.values
        begins = np.flatnonzero(np.append(True, np.diff(rows) != 0)[: len(rows)])
        counts = np.diff(np.append(begins, len(rows)))
        return Matrix(self.series.labels_of(rows[begins]), counts, times, values)
