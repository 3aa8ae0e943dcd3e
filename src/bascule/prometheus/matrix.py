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
    if parts is None or not _are_whole(parts[1], times):
        return None
    labels, numbers = parts
    text = b"".join(numbers)
    quotes = np.flatnonzero(np.frombuffer(text, np.uint8) == _QUOTE)
    values = decimals(text, quotes[0::2] + 1, quotes[1::2])
    return RangeGrid(labels, values.reshape(len(labels), len(times))) if values is not None else None


def _are_whole(numbers: Iterable[bytes], times: Floats) -> bool:
    """Whether each series has a sample at each of these times: so many, from the first to the last."""
    first, last = (f"{time:.3f}".rstrip("0").rstrip(".").encode() + b',"' for time in (times[0], times[-1]))
    return all(
        text.count(b'"') == 2 * len(times) and text.startswith(first) and text.startswith(last, text.rfind(b"[") + 1)
        for text in numbers
    )


def _parts(body: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """Of each series its labels, and its samples: `1.5,"2"],[2.5,"3"`."""
    if not body.startswith(_HEAD + _FIRST):
        return None
    # Quotes within a label's value are escaped, so none of these marks can be inside one.
    text = body[len(_HEAD + _FIRST) :]
    parts = [part for series in text.split(_VALUES) for part in series.split(_NEXT)]
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
