"""From Prometheus to an engine: reading, cutting and feeding, for the live loop, a restart and a backtest alike."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.layout import BASELINE, CANDIDATE, Flags, Floats
from bascule.judge.pushed import PushedSamples
from bascule.judge.sampling.alignment import Alignment, stale_seconds
from bascule.judge.sampling.bounds import find_bounds
from bascule.judge.sampling.crowd import Crowd
from bascule.judge.sampling.forgotten import DroppedHistory
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.planned import planned_work
from bascule.judge.sampling.presence import NO_SOONER
from bascule.judge.sampling.proof import Proof
from bascule.judge.sampling.queries import oldest_scrape, unscraped_jobs
from bascule.judge.sampling.reading import OVERLAP_SECONDS, Answers, SampleReader
from bascule.judge.sampling.rules import firing_against
from bascule.judge.sampling.schema import Schema
from bascule.judge.sampling.strata import find_strata
from bascule.judge.sampling.surroundings import Sight, Surroundings
from bascule.judge.statistics.history import LOOKBACK_SECONDS
from bascule.prometheus import NO_DATA, Prometheus
from bascule.promql import left, unanswered
from bascule.spec import Selector, Spec
from bascule.spec.counters import Statistic
from bascule.states import Cause, Missing

PIECE_SECONDS, FIRST_SECONDS = 600.0, 15.0  # of history asked for at once
MOST_SAMPLES = 2e6  # in a piece
FORGET_SECONDS = 900.0  # an instance that has not been scraped for so long is forgotten
FORGET_CHECK_SECONDS = 60.0
SELECTOR_CHECK_SECONDS = 10.0
TROUBLE_SECONDS = 60.0  # absurd values make a signal "no data" for so long
PROBES_LATE_SECONDS = 5.0  # that probes come at longer intervals than scrapes, and take longer
LEFT_WINDOW = "1m"
BUCKETLESS = {
    Statistic.QUANTILE: Missing(Cause.BUCKET, "no finite bucket of its histogram is in both versions"),
    Statistic.MEAN: Missing(Cause.SCATTER, "neither its sum of squares nor the buckets of its values are counted"),
}
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
        forgotten: DroppedHistory | None = None,
        pushed: PushedSamples | None = None,
    ) -> None:
        self.spec, self.plan = spec, plan
        self._prometheus, self._pushed = prometheus, pushed
        self.bounds = find_bounds(spec, prometheus)
        schema = Schema(spec, self.bounds, find_strata(spec, prometheus, plan.started))
        self.engine = PhaseEngine(schema, plan, carried)
        self.reader = SampleReader(schema, pushed or prometheus)
        if pushed is not None:
            pushed.want(self.reader.selectors)
        self._stale = stale_seconds(spec)
        self._oldest_scrape = oldest_scrape(spec)
        self._crowd = Crowd(spec, prometheus, plan)
        self._firing: tuple[str, ...] = ()
        self._alignment = Alignment(self.reader.instances, len(schema.columns), self._stale)
        self.read_until = -math.inf  # Unix seconds
        self._reach, self._left_out_until = reach, -math.inf
        self.forgotten = forgotten
        self._selectors_checked = -math.inf
        self._misnamed: dict[str, Missing] = {}
        self._proof = Proof(spec, prometheus)
        self._stored: float | None = None
        self._unanswered: float | None = None
        self._left: tuple[float, float] = (0.0, 0.0)
        self._planned: Mapping[str, Floats] = {}
        self._forgotten = -math.inf  # when it was last looked who is gone

    def advance(self, now: float) -> None:
        """Read everything up to `now` (Prometheus' clock, Unix seconds), weigh what is complete, and look around.

        Raises what Prometheus raises; what was read until then is not lost.
        """
        self.weigh(now)
        self.look_around(now)

    def weigh(self, now: float) -> None:
        """The first half: the samples, and with them the alarms. Raises what Prometheus raises."""
        if math.isinf(self.read_until):
            self._begin(now)
        self._check_proof(now)
        if self.read_until < self._left_out_until:
            self._read_on(self.plan.started)
            self._forget(self._left_out_until)  # or what was counted meanwhile would come at once
            self.read_until = self._left_out_until
        self._read_on(now)

    def _begin(self, now: float) -> None:
        """Where to read from. At 100 % the baseline is what it did before the step: that hour is read however long ago
        it was, and what lies between the step's beginning and the reach is left out."""
        history, reach = max(self.plan.started - LOOKBACK_SECONDS, self._kept_from), now - self._reach
        if self.engine.alone and history < self.plan.started < reach - FORGET_SECONDS:
            self.read_until, self._left_out_until = history, reach
        else:
            self.read_until = max(history, reach)

    def _read_on(self, now: float) -> None:
        known = self._pushed.known_until(now) if self._pushed is not None else now
        for end, answers in self._answers(now):
            for news in self.reader.take(answers):
                self._alignment.add(news)
            self.read_until = max(self.read_until, end)
            for look in self._alignment.take(max(min(end, known) - self.settle_seconds, self._complete(end))):
                self.engine.feed(look)
            self._forget(end)

    def look_around(self, now: float) -> None:
        """The second: what a verdict rests on besides evaluations. Raises what Prometheus raises."""
        self._check_selectors(now)
        self._crowd.look(now)
        self._firing = firing_against(self.spec, self._prometheus, now)
        self._check_store(now)
        self._ask_balancer(now)
        self._check_planned(now)
        self._left = self._clients_left(BASELINE, now), self._clients_left(CANDIDATE, now)

    @property
    def identity(self) -> str:
        """What its state depends on, besides the samples of that server."""
        schema = self.engine.schema
        of_schema = list(schema.columns), schema.bounds, schema.strata
        return repr((self._prometheus.url, self.spec.model_dump_json(), self.plan, self.forgotten, of_schema))

    @property
    def shared(self) -> dict[str, object]:
        """What every watch of that identity has, by name."""
        schema = self.engine.schema
        return {"schema": schema, "layout": schema.layout, "plan": self.plan, "spec": self.spec}

    def remembered(self) -> dict[str, Any]:
        """All that follows from the samples that it has read."""
        reader = self.reader.remembered()
        return {"engine": self.engine, "alignment": self._alignment, "reader": reader, "until": self.read_until}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Go on from what another watch of the same identity has read."""
        self.engine, self._alignment = remembered["engine"], remembered["alignment"]
        self.reader.recall(remembered["reader"])
        self.read_until = remembered["until"]

    def _answers(self, now: float) -> Iterator[tuple[float, Answers]]:
        """What is still to be read, each with its end; of much, a piece is fetched while the one before is weighed."""
        if now - self.read_until <= OVERLAP_SECONDS:
            yield now, self.reader.fetch_on(self.read_until, now, self._alignment)
            return
        with ThreadPoolExecutor(1) as ahead:
            waiting: deque[tuple[float, Future[Answers]]] = deque()
            for start, end in self._pieces(now):
                waiting.append((end, ahead.submit(self.reader.fetch, start - OVERLAP_SECONDS, end)))
                if len(waiting) > 1:
                    end, fetched = waiting.popleft()
                    yield end, fetched.result()
            for end, fetched in waiting:
                yield end, fetched.result()

    def _pieces(self, now: float) -> Iterator[tuple[float, float]]:
        start = self.read_until
        while start < now:
            if not len(self.reader):
                start = self._first_samples(start, now)
            end = min(now, start + self._piece_seconds())
            yield start, end
            start = end

    def _first_samples(self, start: float, now: float) -> float:
        """Where to begin reading: a server that is younger than what is looked back at has nothing to read."""
        step = FIRST_SECONDS
        while self._is_empty(start, step, now):
            start += step
            step = min(2 * step, PIECE_SECONDS)
        while step > FIRST_SECONDS:
            step /= 2
            if self._is_empty(start, step, now):
                start += step
        return start

    def _is_empty(self, start: float, seconds: float, now: float) -> bool:
        end = start + seconds
        return end < now and not self._prometheus.has_samples(self.reader.selectors, seconds + OVERLAP_SECONDS, end)

    def _piece_seconds(self) -> float:
        """So long that a piece of history has about MOST_SAMPLES; nothing is known of the first."""
        known = len(self.reader)
        longest = MOST_SAMPLES * self.spec.stack.scrape.interval / known if known else FIRST_SECONDS
        return min(PIECE_SECONDS, max(longest, OVERLAP_SECONDS))

    def _forget(self, now: float) -> None:
        """Instances come and go; one that comes back after so long is a new one, as it is to a judge that starts."""
        if now - self._forgotten >= FORGET_CHECK_SECONDS:
            self._forgotten = now
            kept = self._alignment.newer(now - FORGET_SECONDS)
            if not kept.all():
                self._alignment.keep(kept)
                self.reader.keep(kept, now - FORGET_SECONDS)

    @property
    def _kept_from(self) -> float:
        """From when on samples are read, of what is not forgotten; reading begins a little before."""
        return self.forgotten.before + OVERLAP_SECONDS if self.forgotten is not None else -math.inf

    @property
    def own_since(self) -> float:
        """Alarms from before this moment need not be found again in what is read."""
        return self.plan.started if self.forgotten is None else max(self.plan.started, self.forgotten.at)

    def _complete(self, now: float) -> float:
        """Until when every scrape is known: `up` comes with all else of a scrape, and is asked first. -inf where an
        instance has no `up` of its own."""
        since = now - self._stale
        live = self._alignment.newer(since)
        known = [self._complete_of(version, since, live) for version in (BASELINE, CANDIDATE)]
        return min(*known, now)

    def _complete_of(self, version: int, since: float, live: Flags) -> float:
        instances, presence = self.reader.instances.names(version, live), self.reader.presence[version]
        if not instances <= presence.names(since):
            return -math.inf
        return presence.complete(since) if instances else math.inf

    @property
    def due(self) -> float:
        """When the scrape is due that allows the next evaluation (Unix seconds); -inf while that is unknown."""
        return self._alignment.time + self.interval

    @property
    def interval(self) -> float:
        """Seconds between two evaluations: between two scrapes of the baseline."""
        return self.reader.presence[BASELINE].interval or self.spec.stack.scrape.interval

    def is_in(self, due: float) -> bool:
        """Whether the scrape that is due then is in, and all that go with it. Raises what Prometheus raises."""
        begun = due - NO_SOONER * self.interval
        if self._pushed is not None and not self._pushed.has_reached(begun, due):
            return False
        oldest = self._prometheus.scalar(self._oldest_scrape) if self._oldest_scrape else NO_DATA
        return isinstance(oldest, float) and oldest >= begun

    @property
    def settle_seconds(self) -> float:
        """A sample carries the time its scrape began, and arrives when it ended: nearly always within this."""
        return self.spec.stack.scrape.timeout / 2

    def newest(self, version: int) -> float:
        """When a version was last scraped with success, Unix seconds; -inf if never."""
        return self._alignment.newest(version)

    def surroundings(self, now: float) -> Surroundings:
        """What a verdict at `now` rests on besides looks."""
        sights = self._sight(BASELINE, now), self._sight(CANDIDATE, now)
        attendance = self.reader.attendance.at(now).out_of(self._planned)
        problems, crowd = self._problems(now), self._crowd
        known = crowd.partners, crowd.users, self._firing
        found = Surroundings(
            now, sights, attendance, problems, self._stale, *known, self._stored, self._unanswered, self._left
        )
        return replace(found, forgotten=self.forgotten)

    def _sight(self, version: int, now: float) -> Sight:
        up = self.reader.presence[version].standing(now - self._stale)
        probe = self.reader.probes[version].standing(now - self._stale - PROBES_LATE_SECONDS)
        depends = bool(unscraped_jobs(self.spec, self.spec.versions.both[version])) or probe.value is not None
        interval = self.reader.presence[version].interval
        return Sight(self.newest(version), up.value, up.job, probe if depends else None, interval)

    def _check_selectors(self, now: float) -> None:
        """A selector that never matched anything is a misnamed metric, unless other series of the metric exist."""
        if now - self._selectors_checked < SELECTOR_CHECK_SECONDS:
            return
        self._selectors_checked = now
        self._misnamed = {
            feed.signal: Missing(Cause.NO_SERIES, f"no series of {feed.counter.selector.metric}")
            for feed in self.reader.silent_feeds()
            if not self._is_exported(feed.counter.selector.metric, now)
        }
        for version, name in enumerate(self.spec.versions.both):
            if self._is_expected(version):
                for feed in self.reader.missing_feeds(version):
                    what = f"no series of {feed.counter.selector} of {name}"
                    cause = Cause.NO_BASELINE if version == BASELINE else Cause.NO_SERIES
                    self._misnamed[feed.signal] = Missing(cause, what)

    def _check_proof(self, now: float) -> None:
        if now - self._selectors_checked >= SELECTOR_CHECK_SECONDS:
            self._proof.check(now, [name for v, name in enumerate(self.spec.versions.both) if self._is_expected(v)])
            self.engine.mistrusted = frozenset(self._proof.problems)

    def _check_store(self, now: float) -> None:
        """Where a version is stale, whether everything is: then it is not the version's fault."""
        self._stored = None
        if min(self.newest(BASELINE), self.newest(CANDIDATE)) < now - self._stale:
            newest = self._prometheus.scalar("max(timestamp(up))", now)
            self._stored = newest if isinstance(newest, float) else None

    def _check_planned(self, now: float) -> None:
        """Where a scrape failed, whether it was planned."""
        if self.reader.attendance.has_failures:
            self._planned = planned_work(self._prometheus, self.reader.attendance.kept, now, self._stale)

    def _ask_balancer(self, now: float) -> None:
        """Where neither version counts a request, whether nobody asks, or nobody answers."""
        since = self.engine.silence.no_traffic_since(now)
        expression = unanswered(self.spec, now - since) if since is not None else None
        asked = self._prometheus.scalar(expression, now) if expression is not None else None
        self._unanswered = asked if isinstance(asked, float) else None

    def _clients_left(self, version: int, now: float) -> float:
        """In the last minute, of a version that counts nothing: they are in no other counter."""
        silence = self.engine.silence
        if silence.gap(version) is None and silence.no_traffic_since(now) is None:
            return 0.0
        asked = self._prometheus.scalar(left(self.spec, self.spec.versions.both[version], LEFT_WINDOW), now)
        return asked if isinstance(asked, float) else 0.0

    def _is_exported(self, metric: str, now: float) -> bool:
        return bool(self._prometheus.instant(f"count(last_over_time({Selector(metric)}[5m]))", now))

    def _is_expected(self, version: int) -> bool:
        share = self.plan.share(TOTAL_SEGMENT)
        return share is None or (share > 0 if version == CANDIDATE else share < 1)

    def _problems(self, now: float) -> dict[str, Missing]:
        """By signal: misnamed metrics, histograms without buckets, and troubles of the last minute."""
        bucketless = {name: BUCKETLESS[self.spec.signals[name].statistic] for name, b in self.bounds.items() if not b}
        recent = {name: each.what for name, each in self.reader.problems.items() if each.time > now - TROUBLE_SECONDS}
        return {**self._misnamed, **bucketless, **self._proof.problems, **recent}
