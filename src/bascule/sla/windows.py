"""The windows an objective is judged over: rolling, calendar days, months and quarters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from bascule.sla.pieces import Pieces

Window = tuple[float, float]


@dataclass(frozen=True)
class Calendar:
    """Where days, months and quarters begin: midnight of the spec's time zone."""

    zone: ZoneInfo

    def begin(self, kind: str, time: float) -> float:
        """The beginning of the day, month or quarter that `time` is in (at its very end: the one before)."""
        moment = datetime.fromtimestamp(time - 0.001, self.zone).replace(
            hour=0, minute=0, second=0, microsecond=0, fold=0
        )
        if kind in ("month", "quarter"):
            moment = moment.replace(day=1)
        if kind == "quarter":
            moment = moment.replace(month=moment.month - (moment.month - 1) % 3)
        return moment.timestamp()

    def length(self, kind: str, time: float) -> float:
        """Seconds of the whole day, month or quarter that `time` is in."""
        begin = self.begin(kind, time)
        return _next(kind, datetime.fromtimestamp(begin, self.zone)).timestamp() - begin

    def edges(self, kind: str, start: float, end: float) -> Iterator[float]:
        """Every beginning of a day, month or quarter strictly inside a span."""
        moment = datetime.fromtimestamp(self.begin(kind, start + 0.002), self.zone)
        while moment.timestamp() < end:
            if moment.timestamp() > start:
                yield moment.timestamp()
            moment = _next(kind, moment)

    def spans(self, kind: str, start: float, end: float) -> list[Window]:
        """The days, months or quarters of a span; the first and last cut to it."""
        edges = [start, *self.edges(kind, start, end), end]
        return list(pairwise(edges))


def _next(kind: str, moment: datetime) -> datetime:
    if kind == "daily":
        # Noon of the next day lands inside it whatever the clocks do at night.
        return (moment + timedelta(days=1, hours=12)).replace(hour=0, fold=0)
    ahead = moment + timedelta(days=32 if kind == "month" else 95)
    first = ahead.replace(day=1, fold=0)
    return first if kind == "month" else first.replace(month=first.month - (first.month - 1) % 3)


def judged(kind: str, window: float, pieces: Pieces, calendar: Calendar) -> list[Window]:
    """The windows that decide PASS or FAIL. A span shorter than the window is judged as one."""
    if kind != "rolling":
        return calendar.spans(kind, pieces.start, pieces.end)
    if pieces.end - pieces.start <= window:
        return [(pieces.start, pieces.end)]
    known = {round(float(edge), 3) for edge in pieces.edges}
    starts = [(float(edge) - window, float(edge)) for edge in pieces.edges]
    return [(start, end) for start, end in starts if round(start, 3) in known]


def ending(kind: str, window: float, pieces: Pieces, calendar: Calendar, time: float) -> Window:
    """The window that ends at `time`, cut to the span."""
    begin = time - window if kind == "rolling" else calendar.begin(kind, time)
    return max(pieces.start, begin), time
