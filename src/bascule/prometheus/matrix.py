"""Samples of many series as arrays.

An answer with tens of thousands of series takes longer to turn into objects than to use. Prometheus writes it in one
fixed way, so it is cut at the bytes between series and all its numbers are read at once; an answer written otherwise
(another order of keys, blanks, native histograms) is read as JSON, to the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bascule.errors import QueryRejected
from bascule.prometheus.decimals import WORD, Floats, Indices, decimals

_QUOTE: Final = ord('"')
_BRACE: Final = ord("}")
_COMMA: Final = ord(",")
_ZERO: Final = ord("0")
NEXT_SAMPLE: Final = b"],["
_FEW: Final = 10_000  # bytes of numbers: fewer are read sooner one by one
_HEAD = b'{"status":"success","data":{"resultType":"matrix","result":['
_FIRST, _VALUES, _NEXT, _END, _TAIL = b'{"metric":{', b'},"values":[[', b']]},{"metric":{', b"]]}", b"]}}"
_SAMPLE = rb'(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+,"[-+.0-9eEINafn]++"'
_SAMPLES = re.compile(rb"%s(?:\],\[%s)*+" % (_SAMPLE, _SAMPLE))

_NAME = re.compile(rb'"__name__":"(?:[^"\\]|\\.)*",?')


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
    """The labels of a series from its bytes in a Matrix. Raises QueryRejected where they are none."""
    try:
        labels = dict(json.loads((b"{%s}" % written).decode()))
        "".join([*labels, *labels.values()]).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise QueryRejected(
            "Prometheus answered with labels that cannot be read", "check that its address is right"
        ) from error
    return labels


def nameless(written: bytes) -> bytes:
    """The labels of a series from its bytes in a Matrix, without the metric's name."""
    return _NAME.sub(b"", written).rstrip(b",")


def label_bytes(labels: Mapping[str, str]) -> bytes:
    """Labels as Prometheus writes them, in the order of their names."""
    return json.dumps(labels, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()[1:-1]


def parse_matrix(body: bytes) -> Matrix | None:
    """A successful answer of a range selector; None where it is not written as Prometheus writes it."""
    parts = parts_of(body)
    return _numbers(*parts) if parts is not None else None


def parts_of(body: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """Of each series its labels, and its samples: `1.5,"2"],[2.5,"3"`."""
    if not body.startswith(_HEAD + _FIRST) or not body.endswith(_END + _TAIL):
        return None
    # Quotes within a label's value are escaped, so neither of the two marks can be inside one.
    braces = np.flatnonzero(np.frombuffer(body, np.uint8) == _BRACE)
    values = _marked(body, braces, _VALUES)
    nexts = _marked(body, braces - _NEXT.index(b"}"), _NEXT)
    if len(values) != len(nexts) + 1 or (values[:-1] > nexts).any() or (values[1:] < nexts).any():
        return None
    begins = [len(_HEAD + _FIRST), *(nexts + len(_NEXT)).tolist()]
    ends = [*nexts.tolist(), len(body) - len(_END + _TAIL)]
    labels = [body[begin:end] for begin, end in zip(begins, values.tolist(), strict=True)]
    return labels, [body[begin:end] for begin, end in zip((values + len(_VALUES)).tolist(), ends, strict=True)]


def _marked(body: bytes, places: Indices, mark: bytes) -> Indices:
    """Those of the places at which the mark is written: it has one to two words of eight characters."""
    words = np.ndarray((len(body) - WORD + 1,), "<u8", body, strides=(1,))
    for begin in (0, len(mark) - WORD):
        places = places[places + begin < len(words)]
        places = places[words[places + begin] == int.from_bytes(mark[begin : begin + WORD], "little")]
    return places


def _numbers(labels: list[bytes], samples: list[bytes]) -> Matrix | None:
    """`1.5,"2"],[2.5,"3"` for each series."""
    text = NEXT_SAMPLE.join(samples)
    quotes = quotes_in(text)
    both = _decimals(text, quotes) if len(text) > _FEW else None
    both = both if both is not None else _floats(text, len(quotes))
    if both is None or not np.isfinite(both[0::2]).all():
        return None
    ends = np.cumsum(np.fromiter(map(len, samples), np.intp, len(samples)) + len(NEXT_SAMPLE))
    counts = np.diff(np.searchsorted(quotes, ends), prepend=0) // 2
    return Matrix(labels, counts, both[0::2], both[1::2])


def quotes_in(text: bytes) -> Indices:
    """The place of each quotation mark."""
    return np.flatnonzero(np.frombuffer(text, np.uint8) == _QUOTE)


def _decimals(text: bytes, quotes: Indices) -> Floats | None:
    """Times and values in turns, where all are plain decimals: mostly they are, and so they are read soonest."""
    chars = np.frombuffer(text, np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    if not len(quotes) or len(opening) != len(closing) or closing[-1] + 1 != len(text):
        return None
    between = len(NEXT_SAMPLE)
    begins = np.append(0, closing[:-1] + 1 + between)
    if (begins >= opening - 1).any() or (chars[opening - 1] != _COMMA).any() or (chars[begins] == _ZERO).any():
        return None
    if any((chars[begins[1:] - between + place] != char).any() for place, char in enumerate(NEXT_SAMPLE)):
        return None
    return decimals(text, np.stack([begins, opening + 1], 1).ravel(), np.stack([opening - 1, closing], 1).ravel())


def _floats(text: bytes, count: int) -> Floats | None:
    """So many times and values in turns, of any kind that Prometheus writes; None where there is anything else."""
    if not _SAMPLES.fullmatch(text):
        return None
    try:
        numbers = np.fromstring(text.translate(None, b'[]"'), sep=",")
    except ValueError:  # one is not a number
        return None
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
