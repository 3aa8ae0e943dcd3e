"""An SLA of the spec resolved: what it measures, its goal, and the PromQL of its events.

Rule, report, page, gate and check ask here. Figures of all of them are of both versions' events; those of an SLA that
wants a gain over the baseline are the candidate's, for the baseline is what it improves on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from bascule.promql import (
    EXCESS,
    EventExpressions,
    availability_of,
    event_counts,
    increase,
    of_versions,
    out_of_maintenance,
    scraped,
)
from bascule.slo.burn import LONG_TIERS, SHORT_TIERS, WEEK_SECONDS, Tier
from bascule.slo.goal import Goal, SloKind
from bascule.spec import Objective, Role, Selector, Spec
from bascule.spec.growth import grown
from bascule.spec.model import Named, Segment, Sla
from bascule.spec.quantities import format_duration
from bascule.spec.signals import CountedShare, HistogramSignal
from bascule.spec.slas import services_counted
from bascule.states import Cause

MINUTE = 60.0
LEAST_WINDOW, LEAST_SCRAPES = 15.0, 4.0  # seconds and scrapes that a trigger on availability looks back over


@dataclass(frozen=True)
class OwnGoal:
    """The objective of a segment, or of each of its partners, beyond the common one."""

    segment: str
    goal: Goal
    each_partner: bool = False


@dataclass(frozen=True)
class Slo(ABC):
    """One objective. Windows of its expressions are in seconds and end now."""

    spec: Spec
    name: str
    goal: Goal

    @property
    def declared(self) -> Sla:
        return self.spec.slas.named[self.name]

    @property
    def window(self) -> float:
        """Seconds of the window that the budget is for."""
        return self.declared.window

    @property
    def window_kind(self) -> str:
        """`rolling`, `daily`, `month` or `quarter`."""
        return "daily" if self.declared.aggregate == "daily" else self.declared.calendar or "rolling"

    @property
    def budget(self) -> float:
        """The ratio of events that may be bad."""
        return self.goal.budget

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The burn rates that are told, but for those that not even a total outage reaches."""
        tiers = LONG_TIERS if self.window >= WEEK_SECONDS else SHORT_TIERS
        return tuple(tier for tier in tiers if tier.rate * self.budget < 1)

    @property
    @abstractmethod
    def least_events(self) -> float:
        """Fewer events than this decide nothing; 0 where time is counted."""

    @property
    @abstractmethod
    def counted_apart(self) -> tuple[str, ...]:
        """The services (`job`) whose events are counted apart, each with the whole budget; none: all together."""

    @property
    @abstractmethod
    def untold(self) -> Cause:
        """Why events that are there may not tell what is spent."""

    @property
    def counts_in(self) -> str:
        return "events" if self.least_events else "seconds"

    @abstractmethod
    def minute(self) -> EventExpressions:
        """Events of the last minute: in all, or seconds by service (`job`); absent without data."""

    @abstractmethod
    def promql(self, window: float) -> str:
        """The share of good events in the window: one sample, or none without data or where it is unknown."""

    @abstractmethod
    def events(self, window: float) -> str:
        """All events of the window (looks, of services): one sample, or none without any series."""

    def own_goals(self) -> Iterator[OwnGoal]:
        """What segments and partners have for this objective beyond the common one."""
        for name, segment in self.spec.segments.named.items():
            own = self._own_objective(segment)
            if own is not None:
                each_partner = self.goal.kind is SloKind.CEILING and segment.partner_label is not None
                yield OwnGoal(name, Goal.of(self._own_kind, Objective.parse(own)), each_partner)

    @property
    def _own_kind(self) -> SloKind:
        return self.goal.kind

    @abstractmethod
    def _own_objective(self, segment: Segment) -> str | None:
        """A segment's own target, written as an objective; None where it has none."""


@dataclass(frozen=True)
class AvailabilitySlo(Slo):
    """Services being there, by their scrapes: each service counts the same, whatever its targets."""

    @property
    def services(self) -> tuple[str, ...]:
        return services_counted(self.spec)

    @property
    def least_events(self) -> float:
        return 0.0

    @property
    def counted_apart(self) -> tuple[str, ...]:
        return self.services

    @property
    def untold(self) -> Cause:
        return Cause.NO_SERIES

    def minute(self) -> EventExpressions:
        """Planned maintenance has no part in it."""
        over = format_duration(self._reach)
        watched, there = scraped(self.services, over), self._by_service(self._reach)
        total, bad = f"{MINUTE:g} * {watched}", f"{MINUTE:g} * (1 - ({there}))"
        return EventExpressions(out_of_maintenance(total, over), out_of_maintenance(bad, over))

    @property
    def _reach(self) -> float:
        """Seconds of scrapes that tell of a minute: those of two intervals at least, for a minute may hold none."""
        return max(MINUTE, 2 * self.spec.stack.scrape.interval)

    def promql(self, window: float) -> str:
        """Each minute counts the same, whatever its number of targets, as the recorded ones do."""
        minutes = f"[{format_duration(window)}:{format_duration(MINUTE)}]"
        return f"avg(avg_over_time(({self._by_service(self._reach)}){minutes}))"

    def events(self, window: float) -> str:
        return f"sum({scraped(self.services, format_duration(window))})"

    def _by_service(self, window: float) -> str:
        return by_service(self.spec, self.services, window)

    @property
    def _own_kind(self) -> SloKind:
        """A segment has no scrapes of its own: its availability is the share of its requests that did not fail."""
        return SloKind.FLOOR

    def _own_objective(self, segment: Segment) -> str | None:
        return _percent(segment.availability)


@dataclass(frozen=True)
class EventSlo(Slo):
    """Events of a signal, good or bad."""

    counted: Named[CountedShare] | Named[HistogramSignal]

    @property
    def signal(self) -> CountedShare | HistogramSignal:
        return self.counted.signal

    @cached_property
    def bound(self) -> float | None:
        """The limit of a distribution in the signal's own unit, as its buckets have it."""
        if self.signal.buckets is None or self.goal.limit is None:
            return None
        return self.signal.measured_in.of_base(self.goal.limit)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions whose events count."""
        versions = self.spec.versions
        return (versions.candidate,) if self.declared.gain else versions.both

    @property
    def least_events(self) -> float:
        return self.spec.thresholds.min_requests

    @property
    def counted_apart(self) -> tuple[str, ...]:
        return ()

    @property
    def untold(self) -> Cause:
        return Cause.CONTRADICTION if self.bound is None else Cause.BUCKET

    def minute(self) -> EventExpressions:
        return event_counts(lambda selector: self._of_versions(selector, grown), self.signal, self.bound)

    def events(self, window: float) -> str:
        return self._over(window).total

    def promql(self, window: float) -> str:
        found = self._over(window)
        total = f"(({found.total}) > 0)"
        bad = f"({found.bad}) / {total}"
        if not found.unsure:
            return f"1 - (({bad}) >= {-EXCESS:g})"
        worst = f"({found.bad} + {found.unsure}) / {total}"
        return f"1 - (({worst}) <= {self.budget:.6g} or ({bad}) > {self.budget:.6g})"

    def _over(self, window: float) -> EventExpressions:
        over = format_duration(window)
        return event_counts(
            lambda selector: self._of_versions(selector, lambda s: increase(s, over)), self.signal, self.bound
        )

    def _of_versions(self, selector: Selector, each: Callable[[Selector], str]) -> str:
        return of_versions(self.spec, selector, each, *self.versions)

    def _own_objective(self, segment: Segment) -> str | None:
        match self.goal.kind, self.spec.signal_roles[self.counted.name]:
            case SloKind.LATENCY, Role.LATENCY if segment.latency.p95 is not None:
                return f"95% < {segment.latency.p95 * 1000:g}ms"
            case SloKind.CEILING, Role.ERRORS if segment.errors is not None:
                return f"< {_percent(segment.errors)}"
            case SloKind.FLOOR, Role.ACCURACY:
                return _percent(segment.accuracy)
        return None


def availability_window(interval: float, hold: float) -> float:
    """Over how many seconds the availability is taken that a trigger holds against its bound for `hold` seconds.

    A quarter of a minute, and four scrapes at least: one that fails is seen for as long. It is no longer than `hold`
    where that is two scrapes or more, for else one failed scrape alone would fire.
    """
    longest = max(LEAST_WINDOW, LEAST_SCRAPES * interval)
    return min(longest, max(hold, interval))


def availability(spec: Spec, window: float, version: str) -> str:
    """The availability of one version's services over the last `window` seconds, for its gate and its triggers.

    Empty where no service is of that version. Services in planned maintenance are left out.
    """
    services = services_counted(spec, version)
    if not services:
        return ""
    return f"avg({out_of_maintenance(by_service(spec, services, window), format_duration(window))})"


def by_service(spec: Spec, services: Iterable[str], window: float) -> str:
    """The share of scrapes that found each of these services (`job`) there."""
    return availability_of(spec, services, format_duration(window))


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:g}%"
