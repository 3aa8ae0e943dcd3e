"""Values of many series at equal steps, as one array.

Mostly every series has a value at every step. Then all that is between two values is known before, to the byte, and
the values alone are read; any other answer is read with its times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus.decimals import WORD, Floats, Indices, decimals, words_before
from bascule.prometheus.matrix import NEXT_SAMPLE, Matrix, parts_of, quotes_in

_AT_ONCE: Final = 50_000  # values: more do not fit into a processor's cache


@dataclass(frozen=True, eq=False)
class RangeGrid:
    """The values of m series at equal steps: `labels` as in a Matrix, `values` (m, steps), NaN where there is none."""

    labels: list[bytes]
    values: Floats

    @classmethod
    def of(cls, matrix: Matrix, times: Floats) -> RangeGrid:
        """From the answer of a range query at these times, Unix seconds."""
        values = np.full((len(matrix.labels), len(times)), np.nan)
        step = times[1] - times[0] if len(times) > 1 else 1.0
        steps = np.rint((matrix.times - times[0]) / step).astype(np.intp)
        inside = (steps >= 0) & (steps < len(times))
        rows = np.repeat(np.arange(len(matrix.labels)), matrix.counts)
        values[rows[inside], steps[inside]] = matrix.values[inside]
        return cls(matrix.labels, values)


def parse_grid(body: bytes, times: Floats) -> RangeGrid | None:
    """A successful answer of a range query at these times, of which each series has a value at each; else None."""
    parts = parts_of(body)
    if parts is None:
        return None
    labels, samples = parts
    heads = _heads(times.tobytes())
    values = np.empty((len(labels), len(times)))
    at_once = max(1, _AT_ONCE // len(times))
    for begin in range(0, len(labels), at_once):
        read = heads.values(samples[begin : begin + at_once])
        if read is None:
            return None
        values[begin : begin + at_once] = read
    return RangeGrid(labels, values)


class _Heads:
    """What is written before each value of a series, `],[60,"`, as words of eight characters."""

    def __init__(self, times: Floats) -> None:
        heads = [NEXT_SAMPLE + _written(time) + b',"' for time in times.tolist()]
        self._lengths = np.array([len(head) for head in heads], np.intp)
        width = -(-int(self._lengths.max()) // WORD) * WORD
        self._words = _words(b"".join(head.rjust(width, b"\0") for head in heads), width)
        self._used = _words(b"".join((b"\xff" * len(head)).rjust(width, b"\0") for head in heads), width)

    def values(self, samples: list[bytes]) -> Floats | None:
        """The values of some series (m, steps), each as `1.5,"2"],[2.5,"3"`; None where anything else is written."""
        steps = len(self._lengths)
        text = NEXT_SAMPLE + NEXT_SAMPLE.join(samples)
        quotes = quotes_in(text)
        if len(quotes) != 2 * steps * len(samples):
            return None
        opening, closing = quotes[0::2], quotes[1::2]
        between = opening - np.append(-1, closing[:-1])
        if (between.reshape(-1, steps) != self._lengths).any() or not self._are_before(text, opening):
            return None
        found = decimals(text, opening + 1, closing)
        return found.reshape(-1, steps) if found is not None else None

    def _are_before(self, text: bytes, opening: Indices) -> bool:
        """Whether each head ends at its place, (m * steps,)."""
        words, ends = words_before(text), opening.reshape(-1, len(self._lengths)) + 1
        columns = zip(self._words.T, self._used.T, range(self._words.shape[1] - 1, -1, -1), strict=True)
        return not any((((words[ends - WORD * later] ^ word) & used) != 0).any() for word, used, later in columns)


@lru_cache(maxsize=4)
def _heads(times: bytes) -> _Heads:
    """Kept for the next answer: a dashboard asks many questions of the same times."""
    return _Heads(np.frombuffer(times))


def _written(time: float) -> bytes:
    """As Prometheus writes it: with milliseconds where there are some."""
    whole, thousandths = divmod(round(time * 1000), 1000)
    return b"%d.%03d" % (whole, thousandths) if thousandths else b"%d" % whole


def _words(text: bytes, width: int) -> NDArray[np.uint64]:
    return np.frombuffer(text, "<u8").reshape(-1, width // WORD)
