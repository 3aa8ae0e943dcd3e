"""Events of a signal, by who served whom: counter growth summed into groups, maintenance left out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bascule.buckets import pooled
from bascule.sla.pieces import Floats, Key, Pieces
from bascule.spec import Matcher, Spec
from bascule.spec.counters import bound_of


@dataclass(frozen=True)
class EventGroup:
    """Whose events: `job` is the service; version, segment and partner are empty where the series says nothing."""

    job: str = ""
    version: str = ""
    segment: str = ""
    partner: str = ""
    bound: float = math.inf  # a histogram bucket's upper bound, in the signal's unit
    layout: tuple[
        float, ...
    ] = ()  # every bound of that histogram: only counts of one layout can be added bucket by bucket


@dataclass(frozen=True, eq=False)
class GrowthCounts:
    """Growth by group and piece: `table[group]` (n,)."""

    pieces: Pieces
    table: Mapping[EventGroup, Floats]

    def where(self, **wanted: str) -> GrowthCounts:
        """The groups whose fields have these values; an empty value means any."""
        asked = {name: value for name, value in wanted.items() if value}
        kept = {g: row for g, row in self.table.items() if all(getattr(g, n) == v for n, v in asked.items())}
        return GrowthCounts(self.pieces, kept)

    def without(self, excluded: Mapping[str, Floats]) -> GrowthCounts:
        """The same with the pieces of each service's maintenance emptied; `excluded[job]` (n,) is 1 where planned."""
        everywhere = excluded.get("", np.zeros(len(self.pieces)))
        kept = {g: row * (1 - np.maximum(everywhere, excluded.get(g.job, everywhere))) for g, row in self.table.items()}
        return GrowthCounts(self.pieces, kept)

    @property
    def total(self) -> Floats:
        """All groups together, by piece (n,)."""
        if not self.table:
            return np.zeros(len(self.pieces))
        return np.asarray(np.sum(list(self.table.values()), axis=0), dtype=np.float64)

    def values(self, field: str) -> list[str]:
        """The values of a field that occur, sorted, without the empty one."""
        return sorted({getattr(group, field) for group in self.table} - {""})

    def at_bound(self, bound: float) -> GrowthCounts:
        return GrowthCounts(self.pieces, {g: row for g, row in self.table.items() if g.bound == bound})

    @property
    def bounds(self) -> list[float]:
        return sorted({group.bound for group in self.table})

    @property
    def layouts(self) -> list[GrowthCounts]:
        """The histograms of each layout of bounds."""
        tables: dict[tuple[float, ...], dict[EventGroup, Floats]] = {}
        for group, row in self.table.items():
            tables.setdefault(group.layout, {})[group] = row
        return [GrowthCounts(self.pieces, table) for _, table in sorted(tables.items())]

    def buckets(self, window: slice) -> dict[float, float]:
        """Cumulative bucket counts of a window, of all layouts together."""
        return pooled(each._buckets(window) for each in self.layouts)

    def _buckets(self, window: slice) -> dict[float, float]:
        return {bound: float(self.at_bound(bound).total[window].sum()) for bound in self.bounds}


def grouped(spec: Spec, grown: Mapping[Key, Floats], pieces: Pieces) -> GrowthCounts:
    """The growth of both versions' series, summed into groups: what no version served is nobody's to judge."""
    table: dict[EventGroup, Floats] = {}
    layouts = _layouts(grown)
    for key, row in sorted(grown.items(), key=lambda item: sorted(item[0])):
        group = replace(group_of(spec, key), layout=layouts.get(_but_bound(key), ()))
        if group.version in spec.versions.both:
            table[group] = table[group] + row if group in table else row
    return GrowthCounts(pieces, table)


def _layouts(keys: Iterable[Key]) -> dict[Key, tuple[float, ...]]:
    """The bounds of each histogram, by its labels but for `le`."""
    bounds: dict[Key, list[float]] = defaultdict(list)
    for key in keys:
        if (le := dict(key).get("le")) is not None:
            bounds[_but_bound(key)].append(bound_of(le))
    return {key: tuple(sorted(found)) for key, found in bounds.items()}


def _but_bound(key: Key) -> Key:
    return frozenset(label for label in key if label[0] != "le")


def fitting(grown: Mapping[Key, Floats], matchers: Iterable[Matcher]) -> dict[Key, Floats]:
    """The series that fit all the matchers."""
    wanted = tuple(matchers)
    return {key: row for key, row in grown.items() if _fits(wanted, dict(key))}


def _fits(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.accepts(labels.get(matcher.label, "")) for matcher in matchers)


def group_of(spec: Spec, key: Key) -> EventGroup:
    labels = dict(key)
    return EventGroup(
        job=labels.get("job", ""),
        version=version_of(spec, labels),
        segment=labels.get(spec.segments.label, ""),
        partner=_partner(spec, labels),
        bound=float(labels.get("le", "inf")),
    )


def version_of(spec: Spec, labels: Mapping[str, str]) -> str:
    """The version whose matchers fit, or what the version label says, or nothing."""
    for version in spec.versions.both:
        if _fits(spec.versions.matchers(version), labels):
            return version
    return labels.get(spec.versions.label or "", "")


def _partner(spec: Spec, labels: Mapping[str, str]) -> str:
    segment = spec.segments.named.get(labels.get(spec.segments.label, ""))
    label = segment.partner_label if segment and segment.partner_label else None
    return labels.get(label, "") if label else ""


__all__ = ["GrowthCounts", "EventGroup", "fitting", "group_of", "grouped", "version_of"]
