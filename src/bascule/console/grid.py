"""The times that the courses of a chart are put on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import Prometheus, labels_of

POINTS = 360  # about as many as a chart has room for
LEAD = 60.0  # seconds shown before the first thing that happened
SHORTEST = 180.0  # seconds: a chart never shows less


@dataclass(frozen=True)
class Grid:
    """The times of a chart, aligned to the step so that the same question has the same answer for everyone."""

    start: float
    end: float
    step: float

    @classmethod
    def over(cls, window: float, scrape: float, now: float, first: float | None) -> Grid:
        """The window up to now, cut to begin shortly before `first`, the earliest thing that happened."""
        begin = now - window
        if first is not None:
            begin = max(begin, min(first - LEAD, now - SHORTEST))
        return cls.between(begin, now, scrape)

    @classmethod
    def between(cls, begin: float, end: float, scrape: float) -> Grid:
        step = max(1.0, scrape, math.ceil((end - begin) / POINTS))
        return cls(math.floor(begin / step) * step, math.floor(end / step) * step, step)

    @property
    def times(self) -> list[float]:
        count = round((self.end - self.start) / self.step) + 1
        return [self.start + i * self.step for i in range(count)]

    def courses(self, prometheus: Prometheus, query: str) -> list[tuple[dict[str, str], NDArray[np.float64]]]:
        """Labels and values on the grid of each series that a query has; NaN where there is none that is finite."""
        found = prometheus.grid(query, self.start, self.end, self.step)
        values = np.where(np.isfinite(found.values), found.values, np.nan)
        return [(labels_of(written), row) for written, row in zip(found.labels, values, strict=True)]


def listed(values: NDArray[np.float64]) -> list[float | None]:
    """Values as JSON has them: None for NaN."""
    return [None if value != value else value for value in values.tolist()]
