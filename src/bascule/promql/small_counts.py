"""Targets of segments and partners over windows that hold enough events: five minutes, an hour, a day.

The shortest window that can tell a miss is the one that counts; for a small partner that is a day. A ratio is beyond
its target by three standard errors of a ratio that is exactly on target; in the longer windows by two events more,
because a handful of bad events is not normally distributed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bascule import conventions as names
from bascule.conventions import Alert, Recorded
from bascule.promql.counts import rates
from bascule.promql.expressions import WINDOW_SECONDS, indent
from bascule.spec import Selector, Spec
from bascule.spec.uses import uses_instrument
from bascule.units import time_text

LEAST_FORMAT_CHECKS = 10
WINDOWS = {"5m": 300.0, "1h": 3600.0, "1d": 86400.0}  # in seconds
BY_PARTNER, BY_SEGMENT = "version, partner", "version, user_segment"
_LONGER = (("1h", "5m", "15m"), ("1d", "1h", "1h"))  # window, the shorter one, and where a recovery shows
_SPARE_EVENTS = 2
_RECOVERED = 3  # times 1 / target: so many events without a bad one are rarer than 5 % at the target


@dataclass(frozen=True)
class WindowedTarget(ABC):
    """What a segment or its partners are to get, and which alert tells that they do not.

    `name` tells it from other targets in recorded series; `segment` is whose it is. `events` are per second, over five
    minutes, by the labels `by`; a window with fewer than `least` tells nothing.
    """

    alert: str
    segment: str
    name: str
    by: str
    events: str
    least: int

    @property
    def telling(self) -> float:
        """The events from which on a window tells enough: longer ones need not be looked at."""
        return self.least

    @property
    @abstractmethod
    def parts(self) -> Mapping[Recorded, str]:
        """What is counted besides the events, per second over five minutes."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """The value of the alert where a longer window decides; the value that is recorded is in its braces."""

    @abstractmethod
    def missed(self, window: str) -> str:
        """The condition that the target is missed within a recorded window, if that holds enough events."""

    @abstractmethod
    def kept(self, window: str) -> str:
        """The condition that it is kept again."""

    @abstractmethod
    def smallest(self, events: float, window: float) -> str:
        """The smallest miss that a window (in seconds) with so many events can tell, in words; empty: too few."""

    def windows(self, events: float) -> Iterator[tuple[str, str]]:
        """The windows that are looked at with so many events in five minutes, each with the smallest miss it tells."""
        before = 0.0
        for window, seconds in WINDOWS.items():
            within = events * seconds / WINDOW_SECONDS
            if before < self.telling and (told := self.smallest(within, seconds)):
                yield window, told
            before = within

    def within(self, series: Recorded, window: str) -> str:
        return f'{series}{{target="{self.name}",window="{window}"}}'


@dataclass(frozen=True)
class EventTarget(WindowedTarget):
    """A ratio of events that may be bad; `bad` per second. `shows_good`: the alert shows the share of the others."""

    bad: str
    allowed: float
    shows_good: bool = False

    @property
    def telling(self) -> float:
        """Enough for a doubled target."""
        return max(self.least, 9 * (1 - self.allowed) / self.allowed) if self.allowed else self.least

    @property
    def parts(self) -> Mapping[Recorded, str]:
        return {Recorded.TARGET_BAD_EVENTS: self.bad}

    @property
    def shown(self) -> str:
        return "1 - {}" if self.shows_good else "{}"

    def missed(self, window: str) -> str:
        events, bad = self.within(Recorded.TARGET_EVENTS, window), self.within(Recorded.TARGET_BAD_EVENTS, window)
        error = f" + 3 * sqrt({self.allowed * (1 - self.allowed):.6g} / {events}) + {_SPARE_EVENTS} / {events}"
        return f"{bad} / {events} > {self.allowed:.6g}{error if self.allowed else ''}"

    def kept(self, window: str) -> str:
        enough = _RECOVERED / self.allowed if self.allowed else self.least
        events, bad = self.within(Recorded.TARGET_EVENTS, window), self.within(Recorded.TARGET_BAD_EVENTS, window)
        return f"{bad} == 0 and {events} >= {enough:g}"

    def smallest(self, events: float, window: float) -> str:
        if events < self.least:
            return ""
        error = 3 * math.sqrt(self.allowed * (1 - self.allowed) / events)
        spare = _SPARE_EVENTS / events if window > WINDOW_SECONDS else 0.0
        share = min(1.0, self.allowed + error + spare) if self.allowed else 1 / events
        return f"{float(f'{100 * share:.2g}'):g} % bad events"  # never an exponent


@dataclass(frozen=True)
class QuantileTarget(WindowedTarget):
    """The longest that 95 % of a segment's answers may take; `limit` in the unit of the buckets, `scale` to seconds."""

    buckets: str
    limit: float
    scale: float

    @property
    def parts(self) -> Mapping[Recorded, str]:
        return {Recorded.TARGET_BUCKETS: self.buckets}

    @property
    def shown(self) -> str:
        return "{}" if self.scale == 1 else f"{self.scale:g} * {{}}"

    def missed(self, window: str) -> str:
        return f"{self._p95(window)} > {self.limit:.12g}"

    def kept(self, window: str) -> str:
        enough = f"{self.within(Recorded.TARGET_EVENTS, window)} >= {self.least}"
        return f"{self._p95(window)} <= {self.limit:.12g} and {enough}"

    def smallest(self, events: float, window: float) -> str:
        return f"p95 above {time_text(self.limit * self.scale)}" if events >= self.least else ""

    def _p95(self, window: str) -> str:
        return f"histogram_quantile(0.95, {self.within(Recorded.TARGET_BUCKETS, window)})"


# ---------------------------------------------------------------- what a spec declares


def windowed_targets(spec: Spec) -> list[WindowedTarget]:
    """Every target of a segment, or of its partners, that a few events can miss without anybody being told."""
    return [*_errors_of_partners(spec), *_formats(spec), *_errors(spec), *_accuracy(spec), *_times(spec)]


def _errors_of_partners(spec: Spec) -> Iterator[EventTarget]:
    events, least = str(Recorded.REQUESTS_BY_PARTNER), spec.thresholds.min_requests
    bad = f"{Recorded.ERRORS_BY_PARTNER} * {events}"
    for name, segment in spec.segments.named.items():
        if segment.partner_label and segment.errors is not None and spec.errors is not None:
            named = (Alert.PARTNER_ERRORS_HIGH, name, f"errors of {name}")
            yield EventTarget(*named, BY_PARTNER, events, least, bad, segment.errors)


def _formats(spec: Spec) -> Iterator[EventTarget]:
    checks = Selector(names.FORMAT_CHECKS.name).where(*spec.versions.matchers(spec.versions.candidate))
    rate = rates(spec)
    events, fitting = (f"sum by ({BY_PARTNER}) ({rate(each)})" for each in (checks, checks.where(compatible="True")))
    least, bad = min(LEAST_FORMAT_CHECKS, spec.thresholds.min_requests), f"{events} - ({fitting} or 0 * {events})"
    for name, segment in spec.segments.named.items():
        if segment.partner_label and segment.format_compatibility is not None and uses_instrument(spec):
            named = (Alert.PARTNER_FORMAT_BROKEN, name, f"formats of {name}")
            allowed = 1 - segment.format_compatibility
            yield EventTarget(*named, BY_PARTNER, events, least, bad, allowed, shows_good=True)


def _errors(spec: Spec) -> Iterator[EventTarget]:
    for name, segment in spec.segments.named.items():
        if segment.errors is not None and not segment.partner_label and spec.errors is not None:
            where = f'signal="{spec.errors.name}",user_segment="{name}"'
            events, bad = _sides(where, spec.errors.signal.counts_bad)
            named = (Alert.SEGMENT_ERRORS_HIGH, name, f"errors of {name}")
            yield EventTarget(*named, BY_SEGMENT, events, spec.thresholds.min_requests, bad, segment.errors)


def _accuracy(spec: Spec) -> Iterator[EventTarget]:
    """Targets of the new version do not bind the old one: only the candidate is checked."""
    for name, segment in spec.segments.named.items():
        if segment.accuracy is not None and spec.accuracy is not None:
            where = f'signal="{spec.accuracy.name}",user_segment="{name}",version="{spec.versions.candidate}"'
            events, bad = _sides(where, spec.accuracy.signal.counts_bad)
            named = (Alert.SEGMENT_ACCURACY_LOW, name, f"accuracy of {name}")
            least, allowed = spec.thresholds.min_requests, 1 - segment.accuracy
            yield EventTarget(*named, BY_SEGMENT, events, least, bad, allowed, shows_good=True)


def _sides(where: str, counts_bad: bool) -> tuple[str, str]:
    """All and bad events of a ratio in a segment."""
    events, counted = _by_segment(Recorded.SIGNAL_EVENTS, where), _by_segment(Recorded.SIGNAL_SUM, where)
    return events, counted if counts_bad else f"{events} - {counted}"


def _times(spec: Spec) -> Iterator[QuantileTarget]:
    for name, segment in spec.segments.named.items():
        if segment.latency.p95 is not None and spec.latency is not None:
            where, unit = f'signal="{spec.latency.name}",user_segment="{name}"', spec.latency.signal.measured_in
            named = (f"{Alert.RESPONSE_TIME_HIGH}.segment", name, f"latency of {name}")
            events, least = _by_segment(Recorded.SIGNAL_EVENTS, where), spec.thresholds.min_requests
            buckets = _by_segment(Recorded.SIGNAL_BUCKET, where, ", le")
            yield QuantileTarget(
                *named, BY_SEGMENT, events, least, buckets, unit.of_base(segment.latency.p95), unit.scale
            )


def _by_segment(series: str, where: str, more: str = "") -> str:
    return f"sum by ({BY_SEGMENT}{more}) ({series}{{{where}}})"


# ---------------------------------------------------------------- counts, and what they tell


def target_counts(targets: list[WindowedTarget], interval: float) -> Iterator[tuple[Recorded, str, Mapping[str, str]]]:
    """What each target counts, by window, and the targets that are missed: series, expression, labels.

    They are recorded every `interval` seconds: that often five minutes are looked at, and each event so many times.
    """
    counted: list[Recorded] = []
    for target in targets:
        for series, rate in ({Recorded.TARGET_EVENTS: target.events} | dict(target.parts)).items():
            yield series, f"({rate}) * {WINDOW_SECONDS}", {"target": target.name, "window": "5m"}
            counted.append(series)
    for series in dict.fromkeys(counted):
        for window in ("15m", "1h"):
            added = f'sum_over_time({series}{{window="5m"}}[{window}]) * {interval / WINDOW_SECONDS:g}'
            yield series, added, {"window": window}
        yield series, f'sum_over_time({series}{{window="1h"}}[1d:1h])', {"window": "1d"}
    for target in targets:
        missed = "\nor ignoring (window)\n".join(_missed(target, *windows) for windows in _LONGER)
        yield Recorded.TARGET_MISSED, f"max without (window) (\n{indent(missed)}\n)", {"target": target.name}


def longer_breach(target: WindowedTarget) -> str:
    """The value that the alert shows, where an hour or a day tells that the target is missed."""
    return target.shown.format(f'max without (target) ({Recorded.TARGET_MISSED}{{target="{target.name}"}})')


def _missed(target: WindowedTarget, window: str, shorter: str, recent: str) -> str:
    """Missed within the window, where the shorter one holds too few events to tell, and not kept again since."""
    events, before = (target.within(Recorded.TARGET_EVENTS, each) for each in (window, shorter))
    return (
        f"{target.missed(window)}\n"
        f"and {events} >= {target.least}\n"
        f"and ignoring (window) {before} < {target.telling:g}\n"
        f"unless ignoring (window) ({target.kept(recent)})"
    )
