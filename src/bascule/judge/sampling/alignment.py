"""Where both versions' samples are cut, so that they are compared over the same seconds.

The candidate is never looked at further ahead than the baseline (an incident of both would look like the candidate's).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.reading import STALE_SECONDS, Increments, Instance, VersionSamples


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

    def take(self, streams: Sequence[VersionSamples], until: float) -> list[JointLook]:
        """The looks that the samples up to `until` allow; what they use is removed from the streams."""
        moments = self._moments(streams, until)
        return self._cut(streams, moments) if moments else []

    def _moments(self, streams: Sequence[VersionSamples], until: float) -> list[_Moment]:
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

    def _cut(self, streams: Sequence[VersionSamples], moments: Sequence[_Moment]) -> list[JointLook]:
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


def _assign(stream: VersionSamples, cuts: Sequence[Mapping[Instance, float]], into: Floats) -> None:
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


def _forget_scrapes(stream: VersionSamples, cuts: Mapping[Instance, float]) -> None:
    """Drop the scrapes before each instance's cut; the cut itself stays, for it tells that the instance lives."""
    for instance, times in stream.scrapes.items():
        cut = cuts.get(instance, -math.inf)
        stream.scrapes[instance] = [time for time in times if time >= cut] or times[-1:]
