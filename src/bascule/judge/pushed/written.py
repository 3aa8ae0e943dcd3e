"""Requests of the remote-write protocol, version 1, as arrays.

Nearly every series of a request brings one sample, and its bytes end in one of two ways. So the bytes before are the
name by which a known series is found, and all values and times are read at once; any other series is read field by
field. Source: https://prometheus.io/docs/specs/prw/remote_write_spec/ and the protobuf encoding that it refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cramjam
import numpy as np
from numpy.typing import NDArray

from bascule.errors import UsageError
from bascule.judge.layout import Flags, Floats, Indices

NewSeries = Callable[[Mapping[str, str]], int]  # the row of a series by its labels

# Of a request, when it is unpacked. Ours have 10,000 samples; what is much larger would hold the judge up for seconds.
LARGEST_REQUEST = 32 << 20  # bytes
MOST_SERIES = 50_000
MOST_FIELDS = 500_000  # labels and samples, of series that are not known yet
_LABEL_FIELDS, _SAMPLE_BYTES = 8, 64
_SERIES, _LABEL, _SAMPLE = 0x0A, 0x0A, 0x12  # fields, each with a length: of a request, and of a series
_TEXT_NAME, _TEXT_VALUE = 0x0A, 0x12  # of a label
_VALUE, _TIME = 0x09, 0x10  # of a sample: eight bytes, and a number
_LONG, _SHORT = 18, 9  # bytes of a sample with a value, and of a zero; the time has six
_STALE = 0x7FF0000000000002  # the value that says that a series is no longer there


@dataclass(frozen=True, eq=False)
class Written:
    """The samples of a request, in its order: the row, time (Unix seconds) and value of each, (n,). A series that is no
    longer there has a sample that is `stale`."""

    rows: Indices
    times: Floats
    values: Floats

    def some(self, mask: Flags) -> Written:
        return Written(self.rows[mask], self.times[mask], self.values[mask])

    def sorted(self) -> Written:
        """By row and time, each once."""
        order = np.lexsort((self.times, self.rows))
        rows, times = self.rows[order], self.times[order]
        once = np.append(True, (np.diff(rows) != 0) | (np.diff(times) != 0))[: len(rows)]
        return Written(rows[once], times[once], self.values[order][once])

    @cached_property
    def newest(self) -> float:
        """The latest of the times; there is at least one."""
        return float(self.times.max())

    @property
    def stale(self) -> Flags:
        return np.equal(self.values.view(np.int64), _STALE)


class WriteReader:
    """Reads requests; `new` gives a series that was not there before its row."""

    def __init__(self, new: NewSeries) -> None:
        self._new = new
        self._known: dict[bytes, int] = {}
        self._left = 0  # fields that may still be read one by one

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._known)

    def read(self, body: bytes) -> Written:
        """A request as it was sent, compressed by Snappy. Raises UsageError where it is none."""
        data = _unpacked(body)
        self._left = MOST_FIELDS
        try:
            return self._samples(data, *_series(data))
        except (IndexError, UnicodeDecodeError) as error:
            raise _refusal("it ends within a field") from error

    def forget(self) -> None:
        """All series; each is new again."""
        self._known = {}

    def _samples(self, data: bytes, starts: list[int], ends: list[int]) -> Written:
        array = np.frombuffer(data, np.uint8)
        names, end = _names_end(array, np.array(ends, np.intp)), np.array(ends, np.intp)
        found = [self._known.get(data[a:b]) for a, b in zip(starts, names.tolist(), strict=True)]
        if None not in found:
            return Written(np.array(found, np.intp), *_one_each(array, names, end))
        known = np.array([row is not None for row in found], bool)
        rows = np.array([row for row in found if row is not None], np.intp)
        parts = [Written(rows, *_one_each(array, names[known], end[known]))]
        parts += [self._slowly(data[a:b]) for a, b, row in zip(starts, ends, found, strict=True) if row is None]
        return joined(parts)

    def _slowly(self, series: bytes) -> Written:
        """Any series, field by field; it is known from then on, where its labels come first."""
        labels: dict[str, str] = {}
        samples: list[tuple[float, float]] = []
        names_end = 0
        for tag, start, end in _fields(series, self._left):
            self._left -= 1
            if tag == _LABEL:
                labels.update([_label(series[start:end])])
                names_end = end if not samples else -1
            elif tag == _SAMPLE:
                samples.append(_sample(series[start:end]))
        if not samples:
            return _NOTHING
        row = self._new(labels)
        if names_end > 0:
            self._known[series[:names_end]] = row
        times, values = np.array(samples, np.float64).T
        return Written(np.full(len(samples), row, np.intp), times, values.copy())


def joined(parts: Sequence[Written]) -> Written:
    """One after the other."""
    rows = [np.empty(0, np.intp), *(part.rows for part in parts)]
    times, values = [np.empty(0), *(part.times for part in parts)], [np.empty(0), *(part.values for part in parts)]
    return Written(np.concatenate(rows), np.concatenate(times), np.concatenate(values))


_NOTHING = joined([])

# ---------------------------------------------------------------- all at once


def _series(data: bytes) -> tuple[list[int], list[int]]:
    """Where each series begins and ends; other fields of a request are skipped."""
    starts, ends, place, size = [], [], 0, len(data)
    for _ in range(MOST_SERIES):
        if place >= size:
            break
        tag, length = data[place], data[place + 1]
        start = place + 2
        if length > 127:  # nearly always two bytes, so without a call
            length, start = length & 0x7F | data[start] << 7, start + 1
            if data[start - 1] > 127:
                length, start = _number(data, place + 1)
        place = start + length
        if tag == _SERIES:
            starts.append(start)
            ends.append(place)
        elif tag & 7 != 2:
            raise _refusal(f"field {tag >> 3} is none of a write request")
    if place > size:
        raise IndexError
    if place < size:
        raise _refusal(f"it has more than {MOST_SERIES} series; send fewer samples at once")
    return starts, ends


def _names_end(array: NDArray[np.uint8], ends: Indices) -> Indices:
    """Where the labels of each series end, if one sample follows; its own beginning where it is otherwise."""
    at = {back: array[np.maximum(ends - back, 0)] for back in (*range(1, 10), 16, 17, 18)}
    long = (at[18] == _SAMPLE) & (at[17] == 16) & (at[16] == _VALUE) & (at[7] == _TIME)
    short = (at[9] == _SAMPLE) & (at[8] == 7) & (at[7] == _TIME)
    six = (at[1] < 128) & np.logical_and.reduce([at[back] > 127 for back in range(2, 7)])
    size = np.where(six & long, _LONG, np.where(six & short, _SHORT, 0))
    return np.maximum(np.where(size > 0, ends - size, 0), 0)


def _one_each(array: NDArray[np.uint8], names: Indices, ends: Indices) -> tuple[Floats, Floats]:
    """Times and values of series with one sample each."""
    sevens = array[ends[:, None] - 6 + np.arange(6)].astype(np.int64) & 0x7F
    times = (sevens << (7 * np.arange(6))).sum(axis=1) / 1000.0
    values = np.zeros(len(ends))
    long = ends - names == _LONG
    values[long] = array[ends[long, None] - 15 + np.arange(8)].view("<f8").ravel()
    return times, values


# ---------------------------------------------------------------- field by field


def _fields(data: bytes, most: int) -> Iterator[tuple[int, int, int]]:
    """The tag of each field that has a length, and where its content begins and ends."""
    place = 0
    for _ in range(most):
        if place >= len(data):
            return
        tag = data[place]
        length, start = _number(data, place + 1)
        place = start + length
        if tag & 7 != 2 or place > len(data):
            raise IndexError
        yield tag, start, place
    if place < len(data):
        raise _refusal("it has too many labels; send fewer samples at once")


def _label(data: bytes) -> tuple[str, str]:
    texts = {tag: data[start:end].decode() for tag, start, end in _fields(data, _LABEL_FIELDS)}
    return texts.get(_TEXT_NAME, ""), texts.get(_TEXT_VALUE, "")


def _sample(data: bytes) -> tuple[float, float]:
    """Its time, Unix seconds, and its value; what is zero is not written."""
    time, value, place = 0, 0.0, 0
    if len(data) > _SAMPLE_BYTES:
        raise _refusal("a sample has more fields than a time and a value")
    while place < len(data):
        if data[place] == _VALUE and place + 9 <= len(data):
            value = float(np.frombuffer(data[place + 1 : place + 9], "<f8")[0])
            place += 9
        elif data[place] == _TIME:
            time, place = _number(data, place + 1)
        else:
            raise IndexError
    return time / 1000.0, value


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A number of at most ten bytes, and where what follows begins."""
    found = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        found |= (byte & 0x7F) << shift
        place += 1
        if byte < 128:
            return found, place
    raise IndexError


def _unpacked(body: bytes) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > LARGEST_REQUEST:
            raise _refusal(f"it has {size} bytes; send fewer samples at once")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise _refusal("it is not compressed by Snappy") from error


def _refusal(why: str) -> UsageError:
    return UsageError(f"not a remote-write request: {why}", "send version 1 of the protocol, as Prometheus does")
