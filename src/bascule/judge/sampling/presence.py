"""`up` and probes of both versions: who is there now."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import compress

import numpy as np

from bascule.judge.layout import Floats, Indices
from bascule.judge.sampling.attendance import UpSamples
from bascule.judge.sampling.surroundings import Standing
from bascule.judge.sampling.table import in_order
from bascule.prometheus import Matrix, SeriesRows, target_of

NO_SOONER = 0.95  # of the interval: no target is scraped again before


class Presence:
    """The last `up` (or probe) of each of one version's targets."""

    def __init__(self) -> None:
        self._rows = SeriesRows()
        self._times, self._values = np.empty(0), np.empty(0)
        self._jobs = np.empty(0, np.object_)
        self._names: list[tuple[str, ...]] = []  # of the targets
        self.interval = 0.0  # the usual recent one between two samples of one target, in seconds

    def take(self, matrix: Matrix, jobs: Collection[str] | None = None) -> UpSamples:
        """The samples that were not known, of these jobs alone."""
        each, times, values = in_order(self._rows.of(matrix.labels, self._new_row), matrix)
        fresh = times > self._times[each]
        each, times, values = each[fresh], times[fresh], values[fresh]
        steps = self._measure(each, times)
        last = np.diff(each, append=-1) != 0
        self._times[each[last]], self._values[each[last]] = times[last], values[last]
        scrapes = UpSamples(self._jobs[each], times, values, steps)
        return scrapes if jobs is None else scrapes.where(np.isin(scrapes.jobs, list(jobs)))

    def _measure(self, each: Indices, times: Floats) -> Floats:
        """How long after the one before each sample came, infinity for a target's first."""
        before = np.where(np.diff(each, prepend=-1) == 0, np.roll(times, 1), self._times[each])
        steps = times - before
        if (known := np.isfinite(steps)).any():
            self.interval = float(np.median(steps[known]))
        return steps

    def covered(self, matrix: Matrix) -> float:
        """Until when the scrapes of all the targets in an answer are known; -inf where one is new, else infinity."""
        rows = self._rows.known(matrix.labels)
        return float(self._times[rows].min(initial=math.inf)) if rows is not None else -math.inf

    def complete(self, since: float) -> float:
        """Until when the scrapes of all the targets that were scraped since then are known; -inf without a target."""
        fresh = self._times[self._times >= since]
        return float(fresh.min()) + NO_SOONER * self.interval if len(fresh) else -math.inf

    def names(self, since: float) -> set[tuple[str, ...]]:
        """The targets scraped since then: job and instance."""
        return set(compress(self._names, self._times >= since))

    def standing(self, since: float) -> Standing:
        """Of the jobs with a target looked at since then, the one that is worst: by the best of its targets."""
        newest, fresh = float(self._times.max(initial=-math.inf)), self._times >= since
        best: dict[str, float] = {}
        for job, value in zip(self._jobs[fresh].tolist(), self._values[fresh].tolist(), strict=True):
            best[job] = max(best.get(job, 0.0), value)
        worst = min(best, key=lambda job: best[job], default="")
        return Standing(best.get(worst), worst, newest)

    def forget(self, before: float) -> None:
        """The targets that have not been scraped since then; the newest stays."""
        kept = (self._times >= before) | (self._times == self._times.max(initial=-math.inf))
        self._rows.keep(kept)
        self._times, self._values, self._jobs = self._times[kept], self._values[kept], self._jobs[kept]
        self._names = list(compress(self._names, kept))

    def _new_row(self, labels: Mapping[str, str], written: bytes) -> int:
        self._times, self._values = np.append(self._times, -math.inf), np.append(self._values, 0.0)
        self._jobs = np.append(self._jobs, labels.get("job", ""))
        self._names.append(target_of(labels))
        return len(self._times) - 1
