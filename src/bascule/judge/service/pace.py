"""When the judge evaluates next: once per tick, at the moment at which the due scrape is in.

A scrape that is due within the tick is asked for until it is in, but never beyond the tick: one that is missing, or
late, costs no evaluation.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

RETRY_SECONDS = 0.1  # between two questions for a scrape that is due
ARRIVAL_SECONDS = 0.03  # which a scrape takes at least


@dataclass(frozen=True)
class DueScrape:
    """The scrape that the next evaluation waits for: when it is taken (seconds of the clock), and who tells whether
    that of a moment is in."""

    moment: float
    is_in: Callable[[float], bool]


class Pace:
    """Waits between two evaluations. `tick`, `interval` (of scrapes) and `settle` (after which one is surely in):
    seconds."""

    def __init__(
        self,
        tick: float,
        interval: float,
        settle: float,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tick, self._interval, self._settle = tick, interval, settle
        self._stop, self._clock = stop, clock
        self._awaited = -math.inf  # the scrape that the last evaluation came for

    def wait(self, begun: float, due: DueScrape | None) -> None:
        """Return when the next evaluation may begin; the last one began at `begun`."""
        latest = begun + self._tick
        if due is None:
            return self._sleep_until(latest)
        moment = self._last_within(begun, due.moment)
        self._sleep_until(min(self._asked_from(begun, moment), latest))
        while not self._stop.is_set() and self._clock() < latest:
            if due.is_in(moment):
                self._awaited = moment
                return None
            self._stop.wait(RETRY_SECONDS)
        return None

    def _last_within(self, begun: float, moment: float) -> float:
        """Of the scrapes that are due within the tick, the last."""
        ahead = begun + self._tick - self._interval - moment
        return moment + self._interval * max(0, math.ceil(ahead / self._interval))

    def _asked_from(self, begun: float, moment: float) -> float:
        """One that was in, and brought no evaluation, is not complete before it has settled."""
        is_known = abs(moment - self._awaited) < self._interval / 2
        return begun + self._settle if is_known else moment + ARRIVAL_SECONDS

    def _sleep_until(self, moment: float) -> None:
        self._stop.wait(max(0.0, moment - self._clock()))
