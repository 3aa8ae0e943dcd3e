"""Since when a server's rules can decide, where it does not say when it started: VictoriaMetrics, a store with a ruler.

There the scraper, the store and what evaluates the rules start and stop apart. What each start leaves is seen:

- samples of `up` have a gap, or the newest is old: who scrapes, who sends or who stores them was away
- a rule that was evaluated before has not been: what evaluates rules was started again
- no answer, or none for so long that a gap may have passed unseen
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from bascule.prometheus.client import Prometheus, Series

MISSED: Final = 2.5  # scrapes; one that is missed is no break
JITTER_SECONDS: Final = 1.0
LATE_SECONDS: Final = 6.0  # Prometheus' remote_write waits up to 5 s for a full batch
SHORTEST_SECONDS: Final = 30.0  # that are looked back
SCRAPES: Final = 12  # that are looked back, where that is longer
FEWEST: Final = 3  # samples by which a target's interval is known


class Unbroken:
    """Watches one server. `scrape`: seconds between scrapes."""

    def __init__(self, prometheus: Prometheus, scrape: float) -> None:
        self._prometheus = prometheus
        self._back = max(SHORTEST_SECONDS, SCRAPES * scrape)
        self._broke = -math.inf
        self._asked = -math.inf
        self._evaluated: set[str] = set()

    def broke(self, now: float) -> None:
        """There was no answer, Unix seconds."""
        self._broke = now

    def since(self, now: float, evaluated: Mapping[str, bool]) -> float:
        """Unix seconds. `evaluated`: by alert name, whether all its rules have been since what evaluates them started,
        as it was told before this is asked. Raises what Prometheus raises."""
        if not 0 <= now - self._asked <= self._back / 2:
            self._broke = now
        elif self._is_started_again(evaluated):
            self._broke = max(self._broke, self._asked)  # it may have found alerts again since
        self._asked = now
        self._evaluated = {name for name, is_so in evaluated.items() if is_so}
        self._broke = max(self._broke, last_break(self._prometheus.raw("up", self._back), now))
        return self._broke

    def _is_started_again(self, evaluated: Mapping[str, bool]) -> bool:
        return any(not evaluated.get(name, True) for name in self._evaluated)


def last_break(targets: Iterable[Series], now: float) -> float:
    """When samples of any target were last missing, Unix seconds: now, where its newest is old or no interval is known;
    -inf where none is."""
    known = [each.times for each in targets if len(each.times) >= FEWEST]
    return max((_last_gap(times, now) for times in known), default=now)


def _last_gap(times: np.ndarray[tuple[int], np.dtype[np.float64]], now: float) -> float:
    between = np.diff(times)
    longest = MISSED * float(np.median(between)) + JITTER_SECONDS
    if now - times[-1] > longest + LATE_SECONDS:
        return now
    gaps = np.flatnonzero(between > longest)
    return float(times[gaps[-1] + 1]) if len(gaps) else -math.inf
