"""The samples of the last seconds, apart for each selector: most are asked for two seconds of them, `up` for more."""

from __future__ import annotations

from collections import deque

import numpy as np

from bascule.judge.layout import Flags, Indices
from bascule.judge.pushed.written import Written, joined

_HALF = 16  # bits of a number that numpy sorts in linear time


class KeptSamples:
    """`selectors`: how many. `seconds`: for which samples are kept."""

    def __init__(self, selectors: int, seconds: float) -> None:
        self._of: list[deque[Written]] = [deque() for _ in range(selectors)]
        self._seconds = seconds

    def add(self, written: Written, wanted: Flags) -> None:
        """Samples as they come, those of a row in the order of time. `wanted`: by which selectors, (S, n)."""
        oldest = written.newest - self._seconds
        for kept, mask in zip(self._of, wanted, strict=True):
            if len(places := np.flatnonzero(mask)):
                kept.append(written.some(places))
            while kept and kept[0].newest < oldest:
                kept.popleft()

    def between(self, selector: int, start: float, end: float) -> Written:
        """By row and time, each once."""
        found = joined([each for each in self._of[selector] if each.newest >= start])
        found = found.some((found.times >= start) & (found.times <= end))
        return found.some(_order(found.rows)).once()


def _order(rows: Indices) -> Indices:
    """By row; what is of one row stays in its order."""
    by_low = np.argsort(rows.astype(np.uint16), kind="stable")
    high = (rows >> _HALF).astype(np.uint16)[by_low]
    return by_low[np.argsort(high, kind="stable")] if high.any() else by_low
