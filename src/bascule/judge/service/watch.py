"""From Prometheus to an engine: reading, cutting and feeding, for the live loop, a restart and a backtest alike."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.layout import BASELINE, CANDIDATE
from bascule.judge.sampling.alignment import Alignment
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.reading import Answers, SampleReader, find_bounds, stale_seconds
from bascule.judge.sampling.schema import Schema
from bascule.judge.sampling.strata import find_strata
from bascule.judge.sampling.surroundings import AVAILABILITY_SECONDS, Sight, Surroundings
from bascule.judge.statistics.history import LOOKBACK_SECONDS
from bascule.prometheus import Prometheus
from bascule.spec import Selector, Spec

CHUNK_SECONDS = 600.0  # of history asked for at once
OVERLAP_SECONDS = 15.0  # each look re-reads so much, for scrapes may come late
SELECTOR_CHECK_SECONDS = 10.0
TROUBLE_SECONDS = 60.0  # absurd values make a signal "no data" for so long
REACH_SECONDS = 86400.0  # of a phase that a judge reads again when it starts


class PhaseWatch:
    """One phase being watched: an engine, and what feeds it.

    The first `advance` reads the history before the phase and what there is of the phase (`reach`: how far back);
    later ones read on. All take the same path, so a judge that starts late ends up where one that never stopped is.
    """

    def __init__(
        self,
        spec: Spec,
        prometheus: Prometheus,
        plan: PlanStep,
        carried: Iterable[Alarm] = (),
        reach: float = math.inf,
    ) -> None:
        self.spec, self.plan = spec, plan
        self._prometheus = prometheus
        self.bounds = find_bounds(spec, prometheus)
        schema = Schema(spec, self.bounds, find_strata(spec, prometheus, plan.started))
        self.engine = PhaseEngine(schema, plan, carried)
        self.reader = SampleReader(schema, prometheus)
        self._stale = stale_seconds(spec)
        self._alignment = Alignment(len(schema.columns), self._stale)
        self._read_until = -math.inf
        self._reach = reach
        self._selectors_checked = -math.inf
        self._misnamed: dict[str, str] = {}

    def advance(self, now: float) -> None:
        """Read everything up to `now` (Prometheus' clock) and weigh what has settled."""
        if math.isinf(self._read_until):
            self._read_until = max(self.plan.started - LOOKBACK_SECONDS, now - self._reach)
        for end, answers in self._chunks(now):
            self.reader.take(answers)
            self._read_until = end
            for look in self._alignment.take(self.reader.streams, end - self.settle_seconds):
                self.engine.feed(look)
        self._check_selectors(now)

    def _chunks(self, now: float) -> Iterator[tuple[float, Answers]]:
        """What is still to be read, chunk by chunk; the next one is asked for while one is weighed."""
        spans = list(_spans(self._read_until, now))
        with ThreadPoolExecutor(1) as ahead:
            waiting = deque(ahead.submit(self.reader.fetch, *span) for span in spans[:2])
            for number, (_, end) in enumerate(spans, start=2):
                yield end, waiting.popleft().result()
                waiting.extend(ahead.submit(self.reader.fetch, *span) for span in spans[number : number + 1])

    @property
    def settle_seconds(self) -> float:
        """A sample carries the time its scrape began, and arrives when it ended: nearly always within this."""
        return self.spec.stack.scrape.timeout / 2

    def surroundings(self, now: float) -> Surroundings:
        return Surroundings(
            now=now,
            sights=(self._sight(BASELINE, now), self._sight(CANDIDATE, now)),
            availability=self._availability(now),
            problems=self._problems(now),
            stale=self._stale,
        )

    def _sight(self, version: int, now: float) -> Sight:
        latest = [samples[-1] for samples in self.reader.up[version].values() if samples]
        fresh = [value for time, value in latest if now - time <= self._stale]
        up = (max(fresh) if fresh else 0.0) if latest else None
        return Sight(self.reader.streams[version].newest(), up)

    def _availability(self, now: float) -> list[tuple[float, float]]:
        """The candidate's `up`, averaged over its instances, at each second that had a scrape."""
        seconds: dict[int, list[float]] = {}
        for samples in self.reader.up[CANDIDATE].values():
            samples[:] = [(time, value) for time, value in samples if time > now - AVAILABILITY_SECONDS]
            for time, value in samples:
                seconds.setdefault(int(time), []).append(value)
        return [(float(second), float(np.mean(values))) for second, values in sorted(seconds.items())]

    def _check_selectors(self, now: float) -> None:
        """A selector that never matched anything is a misnamed metric, unless other series of the metric exist."""
        if now - self._selectors_checked < SELECTOR_CHECK_SECONDS:
            return
        self._selectors_checked = now
        self._misnamed = {
            feed.signal: f"no series of {feed.counter.selector.metric}"
            for feed in self.reader.silent_feeds()
            if not self._is_exported(feed.counter.selector.metric, now)
        }
        for version, name in enumerate(self.spec.versions.both):
            if self._is_expected(version):
                for feed in self.reader.missing_feeds(version):
                    self._misnamed[feed.signal] = f"no series of {feed.counter.selector} of {name}"

    def _is_exported(self, metric: str, now: float) -> bool:
        return bool(self._prometheus.instant(f"count(last_over_time({Selector(metric)}[5m]))", now))

    def _is_expected(self, version: int) -> bool:
        share = self.plan.share(TOTAL_SEGMENT)
        return share is None or (share > 0 if version == CANDIDATE else share < 1)

    def _problems(self, now: float) -> dict[str, str]:
        """By signal: misnamed metrics, histograms without buckets, and troubles of the last minute."""
        what = "no finite bucket of its histogram is in both versions"
        bucketless = {name: what for name, found in self.bounds.items() if not found}
        recent = {name: each.what for name, each in self.reader.problems.items() if each.time > now - TROUBLE_SECONDS}
        return {**self._misnamed, **bucketless, **recent}


def _spans(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Pieces of CHUNK_SECONDS at most, each with what is read again."""
    while start < end:
        until = min(end, start + CHUNK_SECONDS)
        yield start - OVERLAP_SECONDS, until
        start = until
