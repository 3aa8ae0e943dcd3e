"""Everything a report reads from Prometheus, each selector once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bascule.prometheus import Prometheus
from bascule.promql import Unproven, traffic_signal, unproven
from bascule.sla.counters import growth
from bascule.sla.counts import GrowthCounts, fitting, grouped
from bascule.sla.pieces import Floats, Key, Pieces
from bascule.sla.report import Planned
from bascule.sla.rules import read_growth
from bascule.sla.uptime import ServiceTime, Uptime
from bascule.sla.windows import Calendar
from bascule.spec import Selector, Spec
from bascule.spec.growth import GrowthRule, group_labels
from bascule.spec.signals import SignalPart

_AT_ONCE: Final = 3
_LOOK_BACK: Final = 300.0  # seconds for which Prometheus takes a sample for the present one


@dataclass
class Data:
    """A span's readings. GrowthCounts come with maintenance left out; each selector is read when first asked for."""

    prometheus: Prometheus
    spec: Spec
    pieces: Pieces
    calendar: Calendar
    uptime: Uptime
    excluded: Mapping[str, Floats]
    interval: float  # seconds between scrapes
    rules: Mapping[str, GrowthRule] = field(default_factory=dict)
    _sources: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, GrowthCounts] = field(default_factory=dict)
    _read: dict[str, dict[Key, Floats]] = field(default_factory=dict)
    _unproven: dict[tuple[str, str], tuple[Unproven, ...]] = field(default_factory=dict)

    def counts(self, selector: Selector, within: Selector | None = None) -> GrowthCounts:
        """Events of a selector. `within`: the selector of all events, read instead where it holds these too.

        Bad events often have series of their own that come and go; only beside all the others of their process can
        be known whether one that comes back has restarted.
        """
        name = str(selector)
        if name not in self._counts:
            grown = self._grown(selector, within)
            self._counts[name] = grouped(self.spec, grown, self.pieces).without(self.excluded)
        return self._counts[name]

    def read_ahead(self, signals: Iterable[SignalPart]) -> None:
        """Read several signals at once: Prometheus answers each query on one core."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.total, signals))

    def source(self, selector: Selector, within: Selector | None = None) -> str:
        """Where a selector's events were read from: raw, rules or mixed."""
        self.counts(selector, within)
        return self._sources[str(selector)]

    def _grown(self, selector: Selector, within: Selector | None) -> dict[Key, Floats]:
        wide = within if within is not None and _holds(within, selector) else selector
        labels = self._telling(wide)
        rule = self.rules.get(str(selector))
        ruled = read_growth(self.prometheus, rule, wide, self.pieces, self.uptime, labels) if rule is not None else None
        self._sources[str(selector)] = ruled.source if ruled is not None else "raw"
        if ruled is not None:
            return ruled.rows
        name = str(wide)
        if name not in self._read:
            self._read[name] = growth(self.prometheus, wide, self.pieces, self.uptime, labels)
        return fitting(self._read[name], selector.matchers)

    def _telling(self, wide: Selector) -> tuple[str, ...]:
        """The labels by which a selector's events are grouped, and by which others that it holds are taken from it."""
        counted = (each for signal in self.spec.signals.values() for each in signal.growing.values())
        narrower = (each.matchers for each in counted if _holds(wide, each))
        matched = (matcher.label for matchers in narrower for matcher in matchers if matcher not in wide.matchers)
        return tuple(dict.fromkeys((*group_labels(self.spec), *matched)))

    def total(self, signal: SignalPart) -> GrowthCounts:
        """All events of a signal; of a distribution its buckets."""
        return self.counts(next(iter(signal.growing.values())))

    def served(self, signal: SignalPart, **where: str) -> Floats:
        """Events of a signal by piece, (n,); requests where they are more, for the signal's series may be missing."""
        return np.maximum(self.total(signal).where(**where).total, self.traffic.where(**where).total)

    def unproven(self, name: str, version: str) -> tuple[Unproven, ...]:
        """The selectors of a signal that cannot count what they name on a version; none where it served nobody.

        Asked where it last served: it may be gone at the end of the span.
        """
        if (name, version) not in self._unproven:
            self._unproven[name, version] = self._ask_proof(name, version)
        return self._unproven[name, version]

    def _ask_proof(self, name: str, version: str) -> tuple[Unproven, ...]:
        served = np.flatnonzero(self.served(self.spec.signals[name], version=version) > 0)
        if not served.size:
            return ()
        begin, end = (float(edge) for edge in self.pieces.edges[served[-1] : served[-1] + 2])
        return unproven(self.spec, name, version, self.prometheus, end, end - begin + _LOOK_BACK)

    @property
    def traffic(self) -> GrowthCounts:
        """All requests."""
        return self.total(traffic_signal(self.spec))

    def keep(self, job: str) -> Floats:
        """1 where a service is not in planned maintenance, else 0; (n,)."""
        everywhere = self.excluded.get("", np.zeros(len(self.pieces)))
        return np.asarray(1 - np.maximum(everywhere, self.excluded.get(job, everywhere)), dtype=np.float64)

    def up(self, job: str) -> tuple[Floats, Floats]:
        """Seconds up, and seconds watched, of a service; (n,) each, maintenance left out."""
        nothing = np.zeros(len(self.pieces))
        found = self.uptime.services.get(job, ServiceTime(nothing, nothing))
        return found.up * self.keep(job), found.watched * self.keep(job)

    def coverage(self, job: str, start: float, end: float) -> float | None:
        """The share of a window, less maintenance, in which a service was watched; None when all was maintenance."""
        window = self.pieces.within(start, end)
        wanted = float((self.pieces.lengths * self.keep(job))[window].sum())
        return min(1.0, float(self.up(job)[1][window].sum()) / wanted) if wanted > 0 else None


def _holds(wide: Selector, narrow: Selector) -> bool:
    return wide.metric == narrow.metric and set(wide.matchers) <= set(narrow.matchers)


def excluded_pieces(pieces: Pieces, windows: Iterable[Planned]) -> dict[str, Floats]:
    """1 in the pieces that lie in a window, by service; under "" those of every service."""
    result: dict[str, Floats] = {}
    for window in windows:
        inside = pieces.within(max(window.start, pieces.start), min(window.end, pieces.end))
        for job in window.services or ("",):
            result.setdefault(job, np.zeros(len(pieces)))[inside] = 1.0
    return result
