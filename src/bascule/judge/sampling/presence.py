"""`up` of both versions: who is there now, and the candidate's availability of the last 15 minutes."""

from __future__ import annotations

import math

import numpy as np

from bascule.judge.layout import Floats
from bascule.judge.sampling.table import Rows, in_order
from bascule.prometheus import Matrix

AVAILABILITY_SECONDS = 900.0  # of `up` kept


class Presence:
    """The last `up` of each of one version's targets."""

    def __init__(self) -> None:
        self._rows = Rows(lambda labels, written: self._grown())
        self._times, self._values = np.empty(0), np.empty(0)

    def take(self, matrix: Matrix) -> tuple[Floats, Floats]:
        """Times and values (n,) of the samples that were not known; those that were are passed over."""
        each, times, values = in_order(self._rows.of(matrix.labels), matrix)
        fresh = times > self._times[each]
        each, times, values = each[fresh], times[fresh], values[fresh]
        last = np.diff(each, append=-1) != 0
        self._times[each[last]], self._values[each[last]] = times[last], values[last]
        return times, values

    def covered(self, matrix: Matrix) -> float:
        """Until when the scrapes of all the targets in an answer are known; -inf where one is new, else infinity."""
        rows = self._rows.known(matrix.labels)
        return float(self._times[rows].min(initial=math.inf)) if rows is not None else -math.inf

    def up(self, since: float) -> float | None:
        """The best `up` of the targets scraped since then; 0 where there is none, None where there never was one."""
        return float(self._values[self._times >= since].max(initial=0.0)) if len(self._times) else None

    def forget(self, before: float) -> None:
        """The targets that have not been scraped since then; the newest stays."""
        kept = (self._times >= before) | (self._times == self._times.max(initial=-math.inf))
        self._rows.keep(kept)
        self._times, self._values = self._times[kept], self._values[kept]

    def _grown(self) -> int:
        self._times, self._values = np.append(self._times, -math.inf), np.append(self._values, 0.0)
        return len(self._times) - 1


class Availability:
    """The mean of `up` over a version's targets, second by second."""

    def __init__(self) -> None:
        self._samples: dict[int, tuple[Floats, Floats]] = {}  # by second: times and values
        self._means: dict[int, float] = {}

    def add(self, times: Floats, values: Floats) -> None:
        """Samples of `up`, (n,), times in Unix seconds."""
        seconds = np.floor(times).astype(np.int64)
        for second in np.unique(seconds).tolist():
            known = self._samples.get(second, (np.empty(0), np.empty(0)))
            within = seconds == second
            both = np.concatenate([known[0], times[within]]), np.concatenate([known[1], values[within]])
            self._samples[second], self._means[second] = both, float(np.mean(both[1]))

    def course(self, now: float) -> tuple[Floats, Floats]:
        """Seconds and means, (n,) each, of the last AVAILABILITY_SECONDS; a second without a scrape is left out."""
        begin = now - AVAILABILITY_SECONDS
        for second in [second for second in self._means if second <= begin]:
            self._trim(second, begin)
        seconds = sorted(self._means)
        return np.array(seconds, dtype=np.float64), np.array([self._means[second] for second in seconds])

    def _trim(self, second: int, begin: float) -> None:
        times, values = self._samples[second]
        if (within := times > begin).any():
            self._means[second] = float(np.mean(values[within]))
        else:
            del self._samples[second], self._means[second]
