"""Decimal numbers in a text, all at once: an answer has millions of them, most with few digits.

Eight digits are one 64-bit word, of which three multiplications make a number: of pairs of digits, fours, eights.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Words = NDArray[np.uint64]

_POINT: Final = ord(".")
WORD: Final = 8  # characters
_EXACT: Final = 15  # digits that a float holds whatever they are
_ZEROS: Final = np.uint64(0x3030303030303030)
_BEYOND_NINE: Final = np.uint64(0x0606060606060606)
_NO_DIGIT: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_JOINING: Final = (
    (0x0F0F0F0F0F0F0F0F, (10 << 8) + 1, 8),
    (0x00FF00FF00FF00FF, (100 << 16) + 1, 16),
    (0x0000FFFF0000FFFF, (10000 << 32) + 1, 32),
)


def decimals(text: bytes, begins: Indices, ends: Indices) -> Floats | None:
    """The numbers that are written from `begins` to before `ends`, (n,) each and ascending, as `float` reads them.

    None where one of them is anything else than digits, with at most one point among them.
    """
    if (ends <= begins).any():
        return None
    points, owners = _points(text, begins, ends)
    if (np.diff(owners) == 0).any() or (points == begins[owners]).any() or (points + 1 == ends[owners]).any():
        return None
    whole_ends = ends.copy()
    whole_ends[owners] = points
    integers = _Integers(text)
    values = integers.read(begins, whole_ends)
    places = ends[owners] - points - 1
    scale = 10.0 ** np.minimum(places, _EXACT)
    values[owners] = (values[owners] * scale + integers.read(points + 1, ends[owners])) / scale
    long = np.flatnonzero(ends - begins > _EXACT)
    for number, begin, end in zip(long.tolist(), begins[long].tolist(), ends[long].tolist(), strict=True):
        values[number] = integers.read_one(begin, end)
    return values if integers.are_digits else None


def words_before(text: bytes) -> Words:
    """The eight characters before each place in the text, (n + 1,); zeros before its beginning."""
    padded = np.frombuffer(bytes(WORD) + text, np.uint8)
    return np.ndarray((len(text) + 1,), "<u8", padded, strides=(1,))


def _points(text: bytes, begins: Indices, ends: Indices) -> tuple[Indices, Indices]:
    """Where the decimal points are, and of which number each is."""
    points = np.flatnonzero(np.frombuffer(text, np.uint8) == _POINT)
    owners = np.searchsorted(ends, points, side="right")
    inside = owners < len(ends)
    inside[inside] = points[inside] >= begins[owners[inside]]
    return points[inside], owners[inside]


class _Integers:
    """Reads digits of one text. `are_digits`: whether all that was read were some."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._words = words_before(text)
        self.are_digits = True

    def read(self, begins: Indices, ends: Indices) -> Floats:
        """Up to 15 digits of each, (n,); of longer ones anything."""
        digits = ends - begins
        values: Floats = self._last_digits(ends, digits).astype(np.float64)
        long = np.flatnonzero(digits > WORD)
        if len(long):
            values[long] += 1e8 * self._last_digits(ends[long] - WORD, digits[long] - WORD)
        return values

    def read_one(self, begin: int, end: int) -> float:
        text = self._text[begin:end]
        if text.translate(None, b".0123456789"):
            self.are_digits = False
            return 0.0
        return float(text)

    def _last_digits(self, ends: Indices, digits: Indices) -> Words:
        """The number that the last eight digits of each are, or as many as there are."""
        unused = np.uint64(8) * (WORD - np.minimum(digits, WORD)).astype(np.uint64)
        word = self._words[ends]
        word ^= _ZEROS
        word &= ~np.uint64(0) << unused
        self.are_digits &= not ((word | (word + _BEYOND_NINE)) & _NO_DIGIT).any()
        for mask, factor, shift in _JOINING:
            word &= np.uint64(mask)
            word *= np.uint64(factor)
            word >>= np.uint64(shift)
        return word
