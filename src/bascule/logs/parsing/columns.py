"""What a log line becomes: rows of typed columns.

The columns are `logformat.FIELDS`, and those of the spec's own formats.

A text column is held as codes into its distinct values, so that everything done per value
(reading a number, hashing an id, finding a version) is done once per distinct value of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ABSENT = -1


@dataclass(frozen=True)
class Chunk:
    """Whole lines read from one stream. `data` ends with a newline; its first byte is at `start`.

    `positions` holds each line's place in the stream where lines do not follow each other byte by byte; `streams` each
    line's stream where they are of several, those of one stream together. No line continues one of another stream.
    """

    source: str
    stream: str
    start: int
    end: int
    data: bytes
    positions: NDArray[np.int64] | None = None
    identities: NDArray[np.int64] | None = None  # of events that may come twice; 0 where that cannot be told
    streams: Coded | None = None
    written: float | None = None  # Unix time of the file's last change, where the chunk ends at its end

    @property
    def begins(self) -> frozenset[int]:
        """The lines with which another stream begins."""
        if self.streams is None:
            return frozenset()
        codes = self.streams.codes
        return frozenset((np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist())


def may_hold(texts: pa.Array, *literals: str) -> bool:
    """Whether a text may hold one of the literals, in either case: looks at all bytes at once, across texts' ends."""
    data = _bytes_of(texts).lower()
    return any(literal.lower().encode() in data for literal in literals)


def holds_one(texts: pa.Array, *literals: str) -> bool:
    """Whether a text may hold one of the literals as they are written; false only where none does."""
    data = _bytes_of(texts)
    return any(literal.encode() in data for literal in literals)


def _bytes_of(texts: pa.Array) -> bytes:
    buffer = texts.buffers()[2]
    return buffer.to_pybytes() if buffer is not None else b""


@dataclass(frozen=True)
class Coded:
    """A column of `len(codes)` rows over distinct `values` (an Arrow array, or numbers in numpy); -1 is absent."""

    codes: NDArray[np.int32]
    values: Any

    @classmethod
    def of(cls, texts: pa.Array) -> Coded:
        """From an Arrow array of strings; the empty text and `-` (as access logs write it) are absent values."""
        encoded = texts.dictionary_encode()
        indices = encoded.indices
        codes = pc.fill_null(indices, ABSENT).to_numpy() if indices.null_count else indices.to_numpy()
        shortest = pc.min(pc.binary_length(encoded.dictionary)).as_py()
        for blank in ("", "-") if shortest is not None and shortest <= 1 else ():
            empty = pc.index(encoded.dictionary, pa.scalar(blank, encoded.dictionary.type)).as_py()
            if empty != ABSENT:
                codes = np.where(codes == empty, ABSENT, codes).astype(np.int32)
        return cls(codes, encoded.dictionary)

    @classmethod
    def constant(cls, value: str, rows: int) -> Coded:
        return cls(np.zeros(rows, np.int32), pa.array([value], pa.string()))

    @classmethod
    def from_list(cls, values: Sequence[str | None]) -> Coded:
        return cls.of(pa.array(values, pa.string()))

    def __len__(self) -> int:
        return len(self.codes)

    def select(self, rows: NDArray[Any]) -> Coded:
        return Coded(self.codes[rows], self.values)

    def texts(self) -> list[str]:
        """The distinct values as Python strings."""
        result: list[str] = self.values.to_pylist()
        return result

    def numbers(self) -> NDArray[np.float64]:
        """A number per row, nan where absent; for columns whose values are numbers."""
        return np.append(self.values, np.nan)[self.codes]

    def to_arrow(self) -> pa.Array:
        """As Arrow holds it: a dictionary of strings, or plain numbers with nulls."""
        missing = self.codes < 0
        mask = missing if missing.any() else None
        if isinstance(self.values, np.ndarray):
            return pa.array(np.append(self.values, 0)[self.codes], mask=mask)
        indices = pa.array(self.codes, pa.int32(), mask=mask)
        return pa.DictionaryArray.from_arrays(indices, self.values)


def spread(column: Coded, codes: NDArray[Any]) -> Coded:
    """A column over distinct things, as a column over rows that refer to them (-1: to none)."""
    return Coded(np.append(column.codes, np.int32(ABSENT))[codes], column.values)


def joined(first: Coded | None, second: Coded) -> Coded:
    """Two columns of words as one."""
    if first is None:
        return second
    texts = [pc.cast(column.to_arrow(), pa.string()) for column in (first, second)]
    return Coded.of(pc.coalesce(pc.binary_join_element_wise(*texts, " "), *texts))  # Arrow's own skipping loses rows


@dataclass(frozen=True)
class Rows:
    """The lines of one chunk that have one format: their numbers in it, and the bytes where they start."""

    format: str
    lines: NDArray[np.int64]
    places: NDArray[np.int64]
    times: NDArray[np.int64]  # microseconds since 1970; 0 where the line has none
    columns: dict[str, Coded] = field(default_factory=dict)
    misread: Mapping[tuple[str, str], int] = field(default_factory=dict)  # field and why -> rows

    def __len__(self) -> int:
        return len(self.lines)

    def select(self, which: NDArray[Any]) -> Rows:
        """Those rows alone; what was misread in them is not known any more."""
        columns = {name: column.select(which) for name, column in self.columns.items()}
        return Rows(self.format, self.lines[which], self.places[which], self.times[which], columns)
