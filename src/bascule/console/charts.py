"""The courses behind the charts: range queries, put on one grid of times, with marks for what happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bascule.console import queries
from bascule.console.answers import HOLDING
from bascule.console.grid import Grid, listed
from bascule.console.parts import JournalReading, Parts
from bascule.console.views.concerns import Concern, concern_of
from bascule.conventions import SEGMENT, TOTAL_SEGMENT, TROUBLES, EntryKind
from bascule.spec import Spec

KEPT_FOR = 2.0  # seconds that an answer serves every viewer
WINDOWS = {"15m": 900.0, "1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0, "7d": 604_800.0, "all": 35 * 86_400.0}
DEFAULT_WINDOW = "1h"


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart: a value for each time of the grid, None where there is no data."""

    label: str
    role: str  # "actual", "planned", "baseline" or "candidate"
    values: list[float | None]
    query: str


@dataclass(frozen=True)
class ChartMark:
    """A moment or a span of time worth seeing on the chart (Unix seconds)."""

    kind: str
    label: str
    start: float
    end: float | None


@dataclass(frozen=True)
class Chart:
    times: list[float]
    lines: list[ChartLine]
    unit: str
    note: str = ""
    marks: list[ChartMark] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Span:
    """What a chart shows: the last `window`, or the time from `start` to `end` (Unix seconds)."""

    window: str = DEFAULT_WINDOW
    start: float | None = None
    end: float | None = None


class Charts:
    """Answers charts, each asked of Prometheus at most once in KEPT_FOR seconds for all viewers together."""

    def __init__(self, parts: Parts, clock: Callable[[], float] = time.time) -> None:
        self.parts = parts
        self._clock = clock
        self._kept: dict[tuple[object, ...], tuple[float, Chart]] = {}
        self._lock = threading.Lock()

    def share(self, span: Span) -> Chart:
        return self._keep(("share", span), lambda: self._share(self._grid(span)))

    def signal(self, signal: str, segment: str, span: Span) -> Chart:
        key = ("signal", signal, segment, span)
        return self._keep(key, lambda: self._signal(signal, segment, self._grid(span)))

    def knows(self, signal: str, segment: str) -> bool:
        """Whether it can be asked for: what the judge speaks of, and what the spec declares."""
        declared = {TOTAL_SEGMENT, *self.parts.spec.segments.named}
        is_declared = signal in self.parts.spec.signals and segment in declared
        return is_declared or (signal, segment) in known_signals(self.parts)

    def _keep(self, key: tuple[object, ...], make: Callable[[], Chart]) -> Chart:
        with self._lock:
            self._kept = {k: kept for k, kept in self._kept.items() if self._clock() - kept[0] < KEPT_FOR}
            if key not in self._kept:
                self._kept[key] = (self._clock(), make())
            return self._kept[key][1]

    def _grid(self, span: Span) -> Grid:
        scrape = self.parts.spec.stack.scrape.interval
        if span.start is not None and span.end is not None:
            return Grid.between(span.start, span.end, scrape)
        return Grid.over(WINDOWS[span.window], scrape, self._clock(), self._first())

    def _first(self) -> float | None:
        journal = self.parts.journal.reading.value
        return min((entry.at.timestamp() for entry in journal.timeline), default=None) if journal else None

    def _share(self, grid: Grid) -> Chart:
        spec = self.parts.spec
        actual, planned = queries.share_by_segment(spec, grid.step), queries.planned_by_segment(spec)
        # The plan is for segments, where there are any; what it means for all of them depends on their mix.
        steps = self._lines(planned, grid, SEGMENT, "planned")
        parts = self._lines(actual, grid, spec.segments.label, "actual")
        lines = [
            *(line for line in parts if line.label != TOTAL_SEGMENT),
            *(line for line in steps if line.label != TOTAL_SEGMENT or not spec.segments.named),
            *self._lines(queries.share_total(spec, grid.step), grid, "", "actual"),
        ]
        return Chart(grid.times, lines, "share", "", self._marks(grid, TOTAL_SEGMENT))

    def _lines(self, query: str, grid: Grid, label: str, role: str) -> Iterable[ChartLine]:
        for labels, values in grid.courses(self.parts.prometheus, query):
            yield ChartLine(labels.get(label, "") or TOTAL_SEGMENT, role, listed(values), query)

    def _signal(self, name: str, segment: str, grid: Grid) -> Chart:
        spec = self.parts.spec
        declared = spec.signals.get(name)
        scale = declared.measured_in.scale if declared else 1.0
        lines = [
            self._version_line(queries.values(spec, name, segment, version, grid.step), grid, version, role, scale)
            for role, version in zip(("baseline", "candidate"), spec.versions.both, strict=True)
        ]
        note = "mix-adjusted over all segments, since the phase began" if segment == TOTAL_SEGMENT else ""
        unit = declared.measured_in.base if declared else ""
        return Chart(grid.times, lines, unit, note or queries.statistic(declared), self._marks(grid, segment))

    def _version_line(self, query: str, grid: Grid, version: str, role: str, scale: float) -> ChartLine:
        """`scale`: base units in one of the signal's own."""
        found = grid.courses(self.parts.prometheus, query)
        values: list[float | None] = listed(found[0][1] * scale) if found else [None] * len(grid.times)
        return ChartLine(version.upper(), role, values, query)

    def _marks(self, grid: Grid, segment: str) -> list[ChartMark]:
        """Phases, annotations and alerts that touch the grid; alerts of other segments are left out."""
        journal = self.parts.journal.reading.value or JournalReading()
        found = [*_moments(journal), *_alerts(self.parts.spec, journal, segment)]
        return [mark for mark in found if mark.start <= grid.end and (mark.end is None or mark.end >= grid.start)]


def _moments(journal: JournalReading) -> Iterable[ChartMark]:
    for entry in journal.timeline:
        if entry.kind == EntryKind.VERDICT:  # it is at the move's own mark
            continue
        share = "" if entry.share is None else f"{entry.share:.0%}"
        kind = EntryKind.FAULT if entry.kind in TROUBLES else entry.kind
        yield ChartMark(kind, share or entry.text, entry.at.timestamp(), entry.at.timestamp())


def _alerts(spec: Spec, journal: JournalReading, segment: str) -> Iterable[ChartMark]:
    """Only the migration's own: a mail server that fails says nothing about a version."""
    for incident in journal.incidents:
        about = incident.labels.get(SEGMENT, TOTAL_SEGMENT)
        is_ours = concern_of(spec, incident) is Concern.MIGRATION
        calls = is_ours and incident.severity != HOLDING
        if calls and incident.starts is not None and (TOTAL_SEGMENT in (segment, about) or about == segment):
            end = incident.resolved.timestamp() if incident.resolved else None
            yield ChartMark("alert", incident.alert, incident.starts.timestamp(), end)


def known_signals(parts: Parts) -> Mapping[tuple[str, str], Any]:
    """The signals and segments that the judge speaks of; nothing else can be asked for."""
    opinion = parts.judge.reading.value
    return {(each.signal, each.segment): each for each in opinion.signals} if opinion else {}
