"""An objective's events, as a whole and by part: time that services were there, or good and bad events of a signal."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from bascule.alerts.figures import written
from bascule.sla.assess import Events, Together
from bascule.sla.data import Data
from bascule.sla.pieces import Floats
from bascule.sla.report import Note
from bascule.slo import AvailabilitySlo, EventSlo, Goal, Slo
from bascule.spec.model import Named
from bascule.spec.signals import CountedShare, HistogramSignal
from bascule.visible import one_line


@dataclass(frozen=True)
class ObjectivePart:
    """A part of an objective, and its events; without a goal of its own it only informs."""

    dimension: str
    name: str
    goal: Goal
    has_own_goal: bool
    events: Events
    least_events: float
    applies: bool = True


SILENT_EVENTS = 13.0  # expected by what the other version counted, where none came


def silent_seconds(lengths: Floats, own: Floats, other: Floats) -> float:
    """For how long a version counted nothing after its first events, while the other's tell that some were due.

    Lengths (seconds) and events by piece, (n,) each. It is held to the share that it had of both when it counted.
    """
    seen = np.flatnonzero(own > 0)
    if not len(seen):
        return 0.0
    mute = (own == 0) & (other > 0)
    mute[: seen[0]] = False
    counted = other[own > 0].sum()
    due = own.sum() / counted * other[mute].sum() if counted > 0 else other[mute].sum()
    return float(lengths[mute].sum()) if due >= SILENT_EVENTS else 0.0


S = TypeVar("S", bound=Slo, covariant=True)
Counted = Named[CountedShare] | Named[HistogramSignal]


class Measured(ABC, Generic[S]):
    """An objective on the data of a span."""

    def __init__(self, slo: S, data: Data) -> None:
        self.slo = slo
        self.data = data

    @abstractmethod
    def whole(self) -> Events: ...

    @abstractmethod
    def parts(self) -> Iterator[ObjectivePart]: ...

    @property
    @abstractmethod
    def jobs(self) -> list[str]:
        """The services on whose scrapes the figures rest."""

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the events were read from: raw, rules or mixed."""

    @abstractmethod
    def notes(self) -> Iterator[Note]: ...

    @property
    def applies(self) -> bool:
        """A gain is the candidate's: one that has not served anyone yet cannot be judged."""
        versions = self.data.spec.versions
        return not (self.slo.declared.gain and never_served(self.data, versions.candidate))


def measured(slo: Slo, data: Data) -> Measured[Slo]:
    if isinstance(slo, EventSlo):
        return OnEvents(slo, data)
    assert isinstance(slo, AvailabilitySlo)
    return OnScrapes(slo, data)


class OnScrapes(Measured[AvailabilitySlo]):
    """Time up over time watched; up-time is always read raw, for it is cheap."""

    source = "raw"

    def whole(self) -> Events:
        return Together.of(self.data.pieces, [self._of(name) for name in self.jobs])

    def parts(self) -> Iterator[ObjectivePart]:
        for name in self.slo.services:
            yield ObjectivePart("service", name, self.slo.goal, True, self._of(name), self.slo.least_events)
        errors = self.data.spec.errors
        if errors is not None:
            for own in self.slo.own_goals():
                events = events_of(self.data, errors, own.goal, segment=own.segment)
                least = self.data.spec.thresholds.min_requests
                yield ObjectivePart("segment", own.segment, own.goal, True, events, least)

    def _of(self, name: str) -> Events:
        return Events(self.data.pieces, *self.data.up(name))

    @property
    def jobs(self) -> list[str]:
        return [name for name in self.slo.services if name in self.data.uptime.services]

    def notes(self) -> Iterator[Note]:
        for name in self.data.uptime.silent:
            if name in self.jobs:
                yield Note("exporter_silent", {"service": name})
        if self.data.spec.errors is not None and any(self.slo.own_goals()):
            yield from _unproven(self.data, self.data.spec.errors.name, self.data.spec.versions.both)


class OnEvents(Measured[EventSlo]):
    """Good events over all events."""

    def whole(self) -> Events:
        return self._of(self.slo.goal, **self._whose)

    def parts(self) -> Iterator[ObjectivePart]:
        """Versions and segments, and partners where they have a target."""
        for version in self.data.spec.versions.both:
            served = not never_served(self.data, version)
            yield self._part("version", self.slo.goal, False, {"version": version}, served)
        own = {each.segment: each for each in self.slo.own_goals()}
        seen = self.data.total(self.slo.signal).values("segment")
        for segment in dict.fromkeys((*self.data.spec.segments.named, *seen)):
            mine = own.get(segment)
            if mine is None or mine.each_partner:
                yield self._part("segment", self.slo.goal, False, {"segment": segment} | self._whose)
            else:
                yield self._part("segment", mine.goal, True, {"segment": segment} | self._whose)
            if mine is not None and mine.each_partner:
                for partner in self.data.total(self.slo.signal).where(segment=segment).values("partner"):
                    where = {"segment": segment, "partner": partner} | self._whose
                    yield self._part("partner", mine.goal, True, where)

    @property
    def _whose(self) -> dict[str, str]:
        return {"version": self.data.spec.versions.candidate} if self.slo.declared.gain else {}

    def _part(
        self, dimension: str, goal: Goal, own: bool, where: dict[str, str], applies: bool = True
    ) -> ObjectivePart:
        return ObjectivePart(
            dimension, where[dimension], goal, own, self._of(goal, **where), self.slo.least_events, applies
        )

    def _of(self, goal: Goal, **where: str) -> Events:
        return events_of(self.data, self.slo.counted, goal, **where)

    @property
    def jobs(self) -> list[str]:
        exporting = self.data.total(self.slo.signal).values("job")
        return [job for job in self.data.uptime.services if job in exporting]

    @property
    def source(self) -> str:
        first, *others = self.slo.signal.growing.values()
        sources = {self.data.source(first), *(self.data.source(each, first) for each in others)}
        return sources.pop() if len(sources) == 1 else "mixed"

    def notes(self) -> Iterator[Note]:
        if self.slo.declared.gain:
            yield Note("of_candidate", {"candidate": self.data.spec.versions.candidate})
        yield from _unproven(self.data, self.slo.counted.name, self.slo.versions)
        yield from self._silences()
        yield from self._around_the_limit()

    def _silences(self) -> Iterator[Note]:
        """Where one version counted nothing, the figure of both speaks for the other alone."""
        versions, lengths = self.data.spec.versions.both, self.data.pieces.lengths
        totals = [self._of(self.slo.goal, version=version).total for version in versions]
        for (version, other), (own, others) in zip((versions, versions[::-1]), (totals, totals[::-1]), strict=True):
            if (seconds := silent_seconds(lengths, own, others)) > 0:
                share = f"{1 - seconds / float(lengths.sum()):.6f}"
                yield Note(
                    "version_silent", {"version": version, "other": other, "lasting": f"{seconds:g}", "share": share}
                )
        yield from self._contradiction()

    def _around_the_limit(self) -> Iterator[Note]:
        """Which versions have no bucket at the limit, and the buckets on its two sides."""
        limit = self.slo.bound
        if limit is None:
            return
        for version in self.slo.versions:
            for each in self.data.total(self.slo.signal).where(version=version).layouts:
                if each.bounds and limit not in each.bounds:
                    below, above = (self._written(bound) for bound in _neighbours(each.bounds, limit))
                    values = {"limit": self.slo.goal.written, "version": version, "below": below, "above": above}
                    yield Note("no_bucket", values)

    def _written(self, bound: float) -> str:
        return "+Inf" if math.isinf(bound) else written(bound, self.slo.signal.unit)

    def _contradiction(self) -> Iterator[Note]:
        events = self.whole()
        if events.excess is None or not (odd := events.excess > 0).any():
            return
        share = float(events.excess[odd].sum() / max(events.total[odd].sum(), 1.0))
        yield Note("contradiction", {"share": f"{share:.6g}", "lasting": f"{events.pieces.lengths[odd].sum():g}"})


def _neighbours(bounds: Sequence[float], limit: float) -> tuple[float, float]:
    below = max((bound for bound in bounds if bound < limit), default=0.0)
    return below, min(bound for bound in (*bounds, math.inf) if bound > limit)


def events_of(data: Data, counted: Counted, goal: Goal, **where: str) -> Events:
    """Good events and all events of a signal, of some versions, segments or partners."""
    signal, mistrusted = counted.signal, _mistrusted(data, counted, **where)
    total = data.total(signal).where(**where)
    if signal.buckets is not None:
        return replace(Events.of_buckets(total, goal.bound, signal.measured_in), mistrusted=mistrusted)
    assert signal.numerator is not None
    part = data.counts(signal.numerator, signal.all_events).where(**where)
    return replace(Events.of_part(part, total, part_is_bad=signal.counts_bad), mistrusted=mistrusted)


def _mistrusted(data: Data, counted: Counted, version: str = "", **where: str) -> Floats | None:
    """The events of versions on which a selector of the signal is unproven, by piece (n,); None without any."""
    versions = [each for each in data.spec.versions.both if version in ("", each)]
    rows = [
        data.served(counted.signal, version=each, **where) for each in versions if data.unproven(counted.name, each)
    ]
    return np.asarray(np.sum(rows, axis=0), dtype=np.float64) if rows else None


def _unproven(data: Data, name: str, versions: Iterable[str]) -> Iterator[Note]:
    for found in (each for version in versions for each in data.unproven(name, version)):
        yield Note("unproven", {"found": one_line(str(found))})


def never_served(data: Data, version: str) -> bool:
    """The version has not served anyone, while the other has: there is nothing to judge."""
    served = {each: bool(np.any(data.traffic.where(version=each).total > 0)) for each in data.spec.versions.both}
    return not served[version] and any(served.values())
