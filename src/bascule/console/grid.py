"""The times that the courses of a chart are put on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import Series

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

    def values_of(self, series: Series) -> NDArray[np.float64]:
        """The series' values on the grid; NaN where it has none, or none that is finite."""
        values = np.full(round((self.end - self.start) / self.step) + 1, np.nan)
        places = np.rint((series.times - self.start) / self.step).astype(int)
        is_there = (places >= 0) & (places < len(values)) & np.isfinite(series.values)
        values[places[is_there]] = series.values[is_there]
        return values

    def place(self, series: Series) -> list[float | None]:
        """The series' values on the grid; None where it has none, or not a number."""
        return [None if value != value else value for value in self.values_of(series).tolist()]
