"""The bytes of a target's scrape, as they came last: the next ones differ in values and time alone, nearly always.

So one comparison recognises all series of a scrape, in place of a look-up for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bascule.judge.layout import Flags, Floats, Indices

_VALUE_BACK, _TIME_BACK, _WORD = 15, 6, 8  # bytes before the end of a series
_CONTINUED, _LAST = 0x808080808080, 0x008080808080  # the highest bit of each byte of a time
_FEWEST = 16  # series: fewer are looked up as quickly
_LARGEST = 256 << 20  # bytes of all pages

Words = NDArray[np.uint64]


class RequestBytes:
    """A request, in which numbers can be read at many places at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.array: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        many = max(len(data) - _WORD + 1, 0)
        self._words: Words = np.ndarray((many,), "<u8", data, 0, (1,))
        self._floats: Floats = np.ndarray((many,), "<f8", data, 0, (1,))

    def times(self, ends: Indices) -> Words:
        """The six bytes before each place, (n,), as they are written."""
        return self._words[ends - _WORD] >> np.uint64(8 * (_WORD - _TIME_BACK))

    def samples(self, series: FoundSeries) -> tuple[Floats, Floats]:
        """Times (Unix seconds) and values, (n,) each."""
        written, times = self.times(series.ends), np.zeros(len(series), np.uint64)
        for place in range(_TIME_BACK):
            times |= ((written >> np.uint64(8 * place)) & np.uint64(0x7F)) << np.uint64(7 * place)
        values = np.zeros(len(series))
        values[series.is_long] = self._floats[series.ends[series.is_long] - _VALUE_BACK]
        return times / 1000.0, values

    def are_timed(self, series: FoundSeries) -> Flags:
        """Whether the time of each is a number of six bytes, (n,)."""
        return np.asarray(self.times(series.ends) & np.uint64(_CONTINUED) == _LAST)


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """Known series with one sample each, (n,): the number, where each begins and ends, and whether it has a value (a
    zero is not written)."""

    numbers: Indices
    begins: Indices
    ends: Indices
    is_long: Flags

    @classmethod
    def joined(cls, parts: Sequence[FoundSeries]) -> FoundSeries:
        """One after the other; there is at least one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, which: Flags | slice) -> FoundSeries:
        return FoundSeries(self.numbers[which], self.begins[which], self.ends[which], self.is_long[which])

    def moved(self, by: int | Indices) -> FoundSeries:
        return FoundSeries(self.numbers, self.begins + by, self.ends + by, self.is_long)


class WrittenPage:
    """The series of a scrape. `series`: their places are counted from the beginning of `written`, their bytes."""

    def __init__(self, series: FoundSeries, written: NDArray[np.uint8]) -> None:
        self.series, self.size = series, len(written)
        times = series.ends[:, None] - _TIME_BACK + np.arange(_TIME_BACK)
        values = series.ends[series.is_long, None] - _VALUE_BACK + np.arange(8)
        self._open = np.concatenate([times.ravel(), values.ravel()])
        self._blank = self._emptied(written)

    def __len__(self) -> int:
        return len(self.series)

    def is_at(self, request: RequestBytes, place: int) -> bool:
        """Whether its bytes come there, but for values and times."""
        data = request.array[place : place + self.size]
        return len(data) == self.size and self._emptied(data) == self._blank

    def _emptied(self, data: NDArray[np.uint8]) -> bytes:
        blank = data.copy()
        blank[self._open] = 0
        return blank.tobytes()


def of_pages(pages: Sequence[WrittenPage], begins: Indices) -> FoundSeries:
    """The series of pages that begin there; there is at least one."""
    moved = np.repeat(begins, [len(page) for page in pages])
    return FoundSeries.joined([page.series for page in pages]).moved(moved)


class WrittenPages:
    """Those that are known, by the number of their first series."""

    def __init__(self) -> None:
        self._pages: dict[int, WrittenPage] = {}
        self._bytes = 0

    def at(self, number: int, request: RequestBytes, place: int) -> WrittenPage | None:
        """The one that begins with this series there."""
        page = self._pages.get(number)
        return page if page is not None and page.is_at(request, place) else None

    def learn(self, request: RequestBytes, found: FoundSeries, is_page: Flags, targets: Indices) -> None:
        """What was found in a request, in its order: series, and pages by their first series, (n,), with their targets.

        A scrape is known to begin and to end where the target or the time changes, if nothing else lies between.
        """
        edges = np.flatnonzero((np.diff(request.times(found.ends)) != 0) | (np.diff(targets) != 0)) + 1
        gaps = np.append(0, np.cumsum(found.begins[1:] != found.ends[:-1]))
        for first, last in pairwise(edges.tolist()):
            if gaps[first - 1] == gaps[last] and last - first > 1:
                scrape, pages = found.some(slice(first, last)), is_page[first:last]
                for number in scrape.numbers[pages].tolist():  # it has more series than it had
                    self._forget(number)
                if not pages.any() and len(scrape) >= _FEWEST:
                    begin, end = int(scrape.begins[0]), int(scrape.ends[-1])
                    self._keep(WrittenPage(scrape.moved(-begin), request.array[begin:end]))

    def _keep(self, page: WrittenPage) -> None:
        number = int(page.series.numbers[0])
        self._forget(number)
        self._bytes += page.size
        if self._bytes > _LARGEST:
            self._pages, self._bytes = {}, page.size
        self._pages[number] = page

    def _forget(self, number: int) -> None:
        page = self._pages.pop(number, None)
        self._bytes -= page.size if page is not None else 0
