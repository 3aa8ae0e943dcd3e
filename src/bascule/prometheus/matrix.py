"""Samples of many series as arrays.

An answer with tens of thousands of series takes longer to turn into objects than to use. Prometheus writes it in one
fixed way, so it is cut at the bytes between series and all its numbers are read at once; an answer written otherwise
(another order of keys, blanks, native histograms) is read as JSON, to the same result.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus.decimals import Floats, decimals

_QUOTE: Final = ord('"')
_COMMA: Final = ord(",")
_FEW: Final = 10_000  # bytes of numbers: fewer are read sooner one by one
_AT_ONCE: Final = 50_000  # values: more do not fit into a processor's cache
_HEAD = b'{"status":"success","data":{"resultType":"matrix","result":['
_FIRST, _VALUES, _NEXT, _END, _TAIL = b'{"metric":{', b'},"values":[[', b']]},{"metric":{', b"]]}", b"]}}"


@dataclass(frozen=True, eq=False)
class Matrix:
    """The samples of m series, one series after the other, each in time order.

    `labels`: each series' labels as the answer wrote them (`labels_of` reads them); `counts` (m,): how many samples it
    has; `times` (n,) in Unix seconds and `values` (n,) of all samples.
    """

    labels: list[bytes]
    counts: NDArray[np.intp]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, series: Iterable[tuple[Mapping[str, str], NDArray[np.float64], NDArray[np.float64]]]) -> Matrix:
        """From labels, times and values, series by series."""
        rows = list(series)
        labels = [label_bytes(own) for own, _, _ in rows]
        counts = np.array([len(times) for _, times, _ in rows], np.intp)
        times = np.concatenate([np.empty(0), *(times for _, times, _ in rows)])
        return cls(labels, counts, times, np.concatenate([np.empty(0), *(values for _, _, values in rows)]))

    def rows(self) -> Iterator[tuple[bytes, NDArray[np.float64], NDArray[np.float64]]]:
        """Each series' labels as written, its times and its values."""
        ends = np.cumsum(self.counts).tolist()
        for labels, begin, end in zip(self.labels, [0, *ends], ends, strict=False):
            yield labels, self.times[begin:end], self.values[begin:end]


def labels_of(written: bytes) -> dict[str, str]:
    """The labels of a series from its bytes in a Matrix."""
    return dict(json.loads(b"{%s}" % written))


def label_bytes(labels: Mapping[str, str]) -> bytes:
    """Labels as Prometheus writes them, in the order of their names."""
    return json.dumps(labels, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()[1:-1]


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


def parse_matrix(body: bytes) -> Matrix | None:
    """A successful answer of a range selector; None where it is not written as Prometheus writes it."""
    parts = _parts(body)
    return _numbers(*parts) if parts is not None else None


def parse_grid(body: bytes, times: Floats) -> RangeGrid | None:
    """A successful answer of a range query at these times, of which each series has a value at each; else None."""
    parts = _parts(body)
    if parts is None:
        return None
    labels, numbers = parts
    values = np.empty((len(labels), len(times)))
    at_once = max(1, _AT_ONCE // len(times))
    for begin in range(0, len(labels), at_once):
        read = _values_at(numbers[begin : begin + at_once], times)
        if read is None:
            return None
        values[begin : begin + at_once] = read
    return RangeGrid(labels, values)


def _values_at(numbers: list[bytes], times: Floats) -> Floats | None:
    """The values of some series (m, steps), which all have so many, from the first time to the last."""
    text = b"".join(numbers)
    chars = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(chars == _QUOTE)
    if len(quotes) != 2 * len(numbers) * len(times):
        return None
    opening, closing = quotes.reshape(len(numbers), len(times), 2).transpose(2, 0, 1)
    first, last = _before_value(times[0]), _before_value(times[-1])
    begins = np.cumsum([0, *map(len, numbers[:-1])])
    if (opening[:, 0] != begins + len(first) - 1).any():
        return None
    if not (_ends_with(chars, opening[:, 0], first) and _ends_with(chars, opening[:, -1], last)):
        return None
    found = decimals(text, opening.ravel() + 1, closing.ravel())
    return found.reshape(opening.shape) if found is not None else None


def _before_value(time: float) -> bytes:
    """How a sample begins."""
    return f"{time:.3f}".rstrip("0").rstrip(".").encode() + b',"'


def _ends_with(chars: NDArray[np.uint8], ends: NDArray[np.intp], written: bytes) -> bool:
    """Whether this is written at each place, up to and with the character there."""
    places = ends[:, None] + np.arange(1 - len(written), 1)
    return bool((chars[places] == np.frombuffer(written, np.uint8)).all())


def _parts(body: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """Of each series its labels, and its samples: `1.5,"2"],[2.5,"3"`."""
    if not body.startswith(_HEAD + _FIRST):
        return None
    # Quotes within a label's value are escaped, so none of these marks can be inside one.
    parts = [part for series in body.split(_VALUES) for part in series.split(_NEXT)]
    parts[0] = parts[0][len(_HEAD + _FIRST) :]
    labels, numbers = parts[0::2], parts[1::2]
    if len(numbers) != len(labels):
        return None
    numbers[-1], end, tail = numbers[-1].partition(_END)
    return (labels, numbers) if end and tail == _TAIL else None


def _numbers(labels: list[bytes], numbers: list[bytes]) -> Matrix | None:
    counts = np.array([text.count(b'"') for text in numbers], np.intp) // 2
    both = _floats(b",".join(numbers).translate(None, b'[]"'), 2 * counts.sum())
    if both is None or not np.isfinite(both[0::2]).all():
        return None
    return Matrix(labels, counts, both[0::2], both[1::2])


def _floats(text: bytes, count: int) -> Floats | None:
    """So many numbers with commas between them; None where there is anything else."""
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA)
    if len(commas) + 1 != count:
        return None
    plain = decimals(text, np.append(0, commas + 1), np.append(commas, len(text))) if len(text) > _FEW else None
    if plain is not None:
        return plain
    if text.strip(b"0123456789.,+-eEINaInf"):
        return None
    numbers = np.fromstring(text, sep=",")
    return numbers if len(numbers) == count else None


def matrix_of(result: Iterable[Mapping[str, Any]]) -> Matrix:
    """From an answer read as JSON. Raises KeyError, TypeError or ValueError where it is none of Prometheus'."""
    return Matrix.of(_series(item) for item in result)


def _series(item: Mapping[str, Any]) -> tuple[Mapping[str, str], NDArray[np.float64], NDArray[np.float64]]:
    points = item.get("values", ()) if "histograms" in item else item["values"]
    times = np.array([point[0] for point in points], dtype=np.float64)
    if not np.isfinite(times).all():
        raise ValueError("a sample at no time")
    return dict(item["metric"]), times, np.array([float(point[1]) for point in points], dtype=np.float64)
