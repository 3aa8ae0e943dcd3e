"""Where both versions' samples are cut, so that they are compared over the same seconds.

The candidate is never looked at further ahead than the baseline (an incident of both would look like the candidate's).
Instances of both versions are numbered together; what stands for each of them is (I,), -inf for "none".
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import BASELINE, CANDIDATE, Flags, Floats, Indices
from bascule.judge.sampling.table import Growth, Instances, News, joined
from bascule.spec import Spec

STALE_SECONDS = 5.0  # an instance without a sample for longer is gone (or for 2.5 scrape intervals, if longer)


def stale_seconds(spec: Spec) -> float:
    """After how many seconds without a sample an instance is gone."""
    return max(STALE_SECONDS, 2.5 * spec.stack.scrape.interval)


@dataclass(frozen=True, eq=False)
class JointLook:
    """What both versions did between the evaluation before and `time`: increments (2, columns), and the seconds
    between."""

    time: float
    seconds: float
    increments: Floats
    since: float  # no sample behind this evaluation is older


class Alignment:
    """Cuts the scrapes of both versions at joint moments.

    An evaluation is taken at a baseline scrape as soon as every live instance of both versions has something new; of
    the candidate only samples that are no younger than the baseline's are used. A missing scrape therefore delays the
    evaluation and loses nothing. Which looks there are depends on the samples' timestamps alone, so a replay takes the
    same ones.
    """

    def __init__(self, instances: Instances, columns: int, stale_seconds: float = STALE_SECONDS) -> None:
        self._instances, self._columns, self._stale = instances, columns, stale_seconds
        self._sides = (_Scrapes(), _Scrapes())
        self._growth: list[Growth] = []
        self._time = -math.inf

    def add(self, news: News) -> None:
        """What an answer brought."""
        versions = self._instances.versions[news.scraped]
        for version, scrapes in enumerate(self._sides):
            mine = versions == version
            scrapes.add(news.scraped[mine], news.scrape_times[mine], len(self._instances))
        if len(news.growth.times):
            self._growth.append(news.growth)

    @property
    def time(self) -> float:
        """Of the last evaluation, Unix seconds; -inf before the first."""
        return self._time

    def newest(self, version: int) -> float:
        """When the version was last scraped with success, Unix seconds; -inf if never."""
        return self._sides[version].newest_of_all

    def oldest_known(self, since: float) -> float:
        """The oldest of the instances' newest scrapes, of those scraped since then; infinity where there are none."""
        newest = np.concatenate([scrapes.newest for scrapes in self._sides])
        return float(newest[newest > since].min(initial=math.inf))

    def take(self, until: float) -> list[JointLook]:
        """The looks that the samples up to `until` allow; what they use is removed."""
        for scrapes in self._sides:
            scrapes.sort(len(self._instances))
        moments = list(self._moments(until))
        return self._looks(moments) if moments else []

    def newer(self, since: float) -> Flags:
        """The instances that have been scraped since then, (I,)."""
        for scrapes in self._sides:
            scrapes.sort(len(self._instances))
        return np.maximum(*(scrapes.newest for scrapes in self._sides)) >= since

    def keep(self, kept: Flags) -> None:
        """Forget all instances but those kept (I,)."""
        places = np.cumsum(kept) - 1
        for scrapes in self._sides:
            scrapes.keep(kept, places)
        self._growth = [growth.some(kept[growth.instances]).numbered(places) for growth in self._growth]

    # ------------------------------------------------------------ moments

    def _moments(self, until: float) -> list[_Moment]:
        times, found, place = self._candidates(until), [], 0
        while (place := self._first_joint(times, place)) < len(times):
            moment = self._joint(times[place])
            assert moment is not None
            found.append(moment)
            for scrapes, cuts in zip(self._sides, moment.cuts, strict=True):
                scrapes.cut_at(cuts)
            self._time = moment.time
        return found

    def _first_joint(self, times: Sequence[float], place: int) -> int:
        """Once every live instance has something new this stays so until there is an evaluation: so by bisection."""
        return bisect_left(range(len(times)), True, lo=place, key=lambda at: self._joint(times[at]) is not None)

    def _joint(self, time: float) -> _Moment | None:
        """The evaluation at a moment; None while a live instance has nothing new."""
        baseline = self._sides[BASELINE].fresh(time, self._stale)
        if baseline is None:
            return None
        horizon = float(baseline[baseline > -math.inf].min(initial=time))
        candidate = self._sides[CANDIDATE].fresh(horizon, self._stale)
        if candidate is None:
            return None
        since = min(scrapes.cut_of(own) for scrapes, own in zip(self._sides, (baseline, candidate), strict=True))
        seconds = time - self._time if math.isfinite(self._time) else 0.0
        return _Moment(time, seconds, since, (baseline, candidate))

    def _candidates(self, until: float) -> list[float]:
        """Moments at which there may be an evaluation: the baseline's scrapes, and the candidate's while it is
        alone."""
        lead, follow = (np.unique(scrapes.times) for scrapes in self._sides)
        moments = np.union1d(lead, follow[self._is_alone(follow, lead, until)])
        return [float(time) for time in moments[(moments > self._time) & (moments <= until)]]

    def _is_alone(self, times: Floats, lead: Floats, until: float) -> Flags:
        """Where no baseline scrape is near: none shortly before, and for the very first ones none shortly after."""
        place = np.searchsorted(lead, times, side="right")
        before = np.maximum(self._sides[BASELINE].cut.max(initial=-math.inf), np.append(-math.inf, lead)[place])
        after = np.append(lead, math.inf)[place]
        waited = (after - times > self._stale) & (until - times > self._stale)
        return np.where(np.isfinite(before), times - before > self._stale, waited)

    # ------------------------------------------------------------ looks

    def _looks(self, moments: Sequence[_Moment]) -> list[JointLook]:
        lines = np.maximum.accumulate([np.maximum(*moment.cuts) for moment in moments], axis=0)
        increments = np.zeros((len(moments), 2, self._columns + 1))
        if self._growth:
            self._growth = [self._spread(joined(self._growth), lines, increments)]
        return [
            JointLook(moment.time, moment.seconds, brought[:, : self._columns], moment.since)
            for moment, brought in zip(moments, increments, strict=True)
        ]

    def _spread(self, growth: Growth, lines: Floats, into: Floats) -> Growth:
        """Add each increment to the first evaluation whose cut of its instance is not before it; the rest is left."""
        look = _first_reached(lines, growth.instances, growth.times)
        used = look < len(lines)
        side = 2 * look[used] + self._instances.versions[growth.instances[used]]
        places = side[:, None] * into.shape[-1] + growth.columns[used]
        amounts = np.repeat(growth.amounts[used], places.shape[1])
        into += np.bincount(places.ravel(), amounts, minlength=into.size).reshape(into.shape)
        return growth.some(~used)


@dataclass(frozen=True, eq=False)
class _Moment:
    """An evaluation to be taken; `cuts`: the newest scrape of each live instance, (I,) by version."""

    time: float
    seconds: float
    since: float
    cuts: tuple[Floats, Floats]


class _Scrapes:
    """The scrapes of one version: where each instance was cut last, and what came after that."""

    def __init__(self) -> None:
        self.cut, self.newest = np.empty(0), np.empty(0)
        self.newest_of_all = -math.inf
        self.times, self._instances = np.empty(0), np.empty(0, np.intp)  # after the cuts, by time
        self._added: list[tuple[Indices, Floats]] = []

    def add(self, instances: Indices, times: Floats, many: int) -> None:
        """Scrapes, each once for every series that it brought; `many`: how many instances there are by now."""
        self._size(many)
        news = times != self.newest[instances]
        if news.any():
            instances, times = _once(instances[news], times[news])
            np.maximum.at(self.newest, instances, times)
            self.newest_of_all = max(self.newest_of_all, float(times.max()))
            self._added.append((instances, times))

    def sort(self, many: int) -> None:
        """Put what was added in its place."""
        self._size(many)
        both = [(self._instances, self.times), *self._added]
        instances, times = (np.concatenate([each[side] for each in both]) for side in (0, 1))
        instances, times = _once(instances, times)
        order = np.argsort(times, kind="stable")
        self._instances, self.times, self._added = instances[order], times[order], []
        self._drop_cut()

    def fresh(self, time: float, stale: float) -> Floats | None:
        """The newest scrape by `time` of each live instance; None while one of them has nothing new."""
        last = self.cut.copy()
        end = np.searchsorted(self.times, time, side="right")
        last[self._instances[:end]] = self.times[:end]  # of several the last counts
        live = time - last <= stale
        if (live & (last <= self.cut)).any():
            return None
        return np.where(live, last, -math.inf)

    def cut_of(self, cuts: Floats) -> float:
        """The oldest of the present cuts of those that are cut again."""
        return float(self.cut[cuts > -math.inf].min(initial=math.inf))

    def cut_at(self, cuts: Floats) -> None:
        """Cut again; -inf leaves an instance as it is."""
        self.cut = np.where(cuts > -math.inf, cuts, self.cut)
        self._drop_cut()

    def keep(self, kept: Flags, places: Indices) -> None:
        """Forget all instances but those kept (I,), which get the numbers `places`."""
        self.sort(len(kept))
        self.cut, self.newest = self.cut[kept], self.newest[kept]
        stays = kept[self._instances]
        self._instances, self.times = places[self._instances[stays]], self.times[stays]

    def _drop_cut(self) -> None:
        left = self.times > self.cut[self._instances]
        self._instances, self.times = self._instances[left], self.times[left]

    def _size(self, many: int) -> None:
        more = np.full(many - len(self.cut), -math.inf)
        if len(more):
            self.cut, self.newest = np.concatenate([self.cut, more]), np.concatenate([self.newest, more])


def _once(instances: Indices, times: Floats) -> tuple[Indices, Floats]:
    """Each pair once."""
    order = np.lexsort((times, instances))
    instances, times = instances[order], times[order]
    once = np.append(True, (np.diff(instances) != 0) | (np.diff(times) != 0))[: len(times)]
    return instances[once], times[once]


def _first_reached(lines: Floats, instances: Indices, times: Floats) -> Indices:
    """Of the evaluations, whose lines (M, I) rise, the first that reaches each time at its instance; M where none
    does."""
    low, high = np.zeros(len(times), np.intp), np.full(len(times), len(lines))
    for _ in range(len(lines).bit_length()):
        middle = (low + high) // 2
        reached = lines[np.minimum(middle, len(lines) - 1), instances] >= times
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low
