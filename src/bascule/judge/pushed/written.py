"""Requests of the remote-write protocol, version 1, as arrays.

Nearly every series of a request brings one sample, and its bytes end in one of two ways. So the bytes before are the
name by which a known series is found, and all values and times are read at once; any other series is read field by
field. Series that came one after the other before are found together (pages.py).
Source: https://prometheus.io/docs/specs/prw/remote_write_spec/ and the protobuf encoding that it refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cramjam
import numpy as np

from bascule.errors import UsageError
from bascule.judge.layout import Flags, Floats, Indices
from bascule.judge.pushed.pages import FoundSeries, RequestBytes, WrittenPage, WrittenPages, of_pages
from bascule.prometheus import target_of

NewSeries = Callable[[Mapping[str, str]], int]  # the row of a series by its labels

# Of a request, when it is unpacked. Ours have 10,000 samples; what is much larger would hold the judge up for seconds.
LARGEST_REQUEST = 32 << 20  # bytes
MOST_SERIES = 50_000
MOST_FIELDS = 500_000  # labels and samples, of series that are not known yet
MOST_LABELS = 100_000  # kept as they were read
_LABEL_FIELDS, _SAMPLE_BYTES = 8, 64
_SERIES, _LABEL, _SAMPLE = 0x0A, 0x0A, 0x12  # fields, each with a length: of a request, and of a series
_TEXT_NAME, _TEXT_VALUE = 0x0A, 0x12  # of a label
_VALUE, _TIME = 0x09, 0x10  # of a sample: eight bytes, and a number
_LONG, _SHORT, _PAGE = 18, 9, 0  # bytes of a sample with a value, and of a zero; the time has six
_STALE = 0x7FF0000000000002  # the value that says that a series is no longer there


@dataclass(frozen=True, eq=False)
class Written:
    """The samples of a request, in its order: the row, time (Unix seconds) and value of each, (n,). A series that is no
    longer there has a sample that is `stale`."""

    rows: Indices
    times: Floats
    values: Floats

    @classmethod
    def of(cls, samples: Sequence[tuple[int, float, float]]) -> Written:
        """The row, time and value of each."""
        rows, times, values = zip(*samples, strict=True) if samples else ((), (), ())
        return cls(np.array(rows, np.intp), np.array(times, np.float64), np.array(values, np.float64))

    def some(self, which: Flags | Indices) -> Written:
        return Written(self.rows[which], self.times[which], self.values[which])

    def once(self) -> Written:
        """Of samples by row and time, each once."""
        again = (np.diff(self.rows) == 0) & (np.diff(self.times) == 0)
        return self.some(np.append(True, ~again)[: len(self.rows)])

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
        self._left = 0  # fields that may still be read one by one
        self._known, self._pages = _KnownSeries(), WrittenPages()
        self._labels: dict[bytes, tuple[str, str]] = {}

    def __len__(self) -> int:
        """How many series are known."""
        return len(self._known)

    def read(self, body: bytes) -> Written:
        """A request as it was sent, compressed by Snappy. Raises UsageError where it is none."""
        request = RequestBytes(_unpacked(body))
        self._left = MOST_FIELDS
        try:
            return self._samples(request, self._cut(request))
        except (IndexError, UnicodeDecodeError) as error:
            raise _refusal("it ends within a field") from error

    def _cut(self, request: RequestBytes) -> _Parts:
        """A request into pages, known series, and others; what is no series is skipped."""
        data, parts, place, numbers = request.data, _Parts(), 0, self._known.numbers
        while place < len(data):
            begin, tag = place, data[place]
            start, place = _content(data, begin + 1)
            if tag != _SERIES:
                _insist_on_length(tag)
                continue
            parts.count += 1
            labels_end = _labels_end(data, start, place)
            number = numbers.get(data[start:labels_end])
            if number is None:
                parts.others.append((start, place))
            elif (page := self._pages.at(number, request, begin)) is not None:
                place = begin + page.size
                parts.pages.append(page)
                parts.count += len(page) - 1
                parts.add(number, begin, place, _PAGE)
            else:
                parts.add(number, begin, place, place - labels_end)
            if parts.count > MOST_SERIES:
                raise _refusal(f"it has more than {MOST_SERIES} series; send fewer samples at once")
        return parts

    def _samples(self, request: RequestBytes, parts: _Parts) -> Written:
        found = parts.found
        self._pages.learn(request, found, parts.is_page, self._known.targets_of(found.numbers))
        known = parts.known()
        is_timed = request.are_timed(known)
        others = [*parts.others, *(_content(request.data, each + 1) for each in known.begins[~is_timed].tolist())]
        one_by_one = [sample for start, end in others for sample in self._slowly(request.data[start:end])]
        known = known.some(is_timed)
        rows = self._known.rows_of(known.numbers)
        return joined([Written(rows, *request.samples(known)), Written.of(one_by_one)])

    def _slowly(self, series: bytes) -> Iterator[tuple[int, float, float]]:
        """Any series, field by field: the row, time and value of each sample. It is known from then on, where its
        labels come first."""
        labels: dict[str, str] = {}
        samples: list[tuple[float, float]] = []
        names_end = 0
        for tag, start, end in _fields(series, self._left):
            self._left -= 1
            if tag == _LABEL:
                name, value = self._label(series[start:end])
                labels[name] = value
                names_end = end if not samples else -1
            elif tag == _SAMPLE:
                samples.append(_sample(series[start:end]))
        if samples:
            row = self._new(labels)
            if names_end > 0:
                self._known.add(series[:names_end], row, target_of(labels))
            yield from ((row, *sample) for sample in samples)

    def _label(self, written: bytes) -> tuple[str, str]:
        """Kept, for many series have the same ones."""
        if written not in self._labels:
            if len(self._labels) >= MOST_LABELS:
                self._labels = {}
            self._labels[written] = _label(written)
        return self._labels[written]


class _KnownSeries:
    """Series by the bytes of their labels; each has a number, by which its row and its target are found."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self._rows: list[int] = []
        self._targets: list[int] = []
        self._of_target: dict[tuple[str, str], int] = {}
        self._arrays: Indices = np.empty((2, 0), np.intp)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, written: bytes, row: int, target: tuple[str, str]) -> None:
        if self.numbers.setdefault(written, len(self._rows)) == len(self._rows):
            self._rows.append(row)
            self._targets.append(self._of_target.setdefault(target, len(self._of_target)))

    def rows_of(self, numbers: Indices) -> Indices:
        return np.asarray(self._known()[0, numbers])

    def targets_of(self, numbers: Indices) -> Indices:
        return np.asarray(self._known()[1, numbers])

    def _known(self) -> Indices:
        if (old := self._arrays.shape[1]) != len(self._rows):
            more = np.array([self._rows[old:], self._targets[old:]], np.intp)
            self._arrays = np.append(self._arrays, more, axis=1)
        return self._arrays


@dataclass
class _Parts:
    """Of a request, in its order: known series, and pages by their first series (the number, where each begins and
    ends, and the bytes of the sample); the pages; the bounds of all other series."""

    numbers: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    pages: list[WrittenPage] = field(default_factory=list)
    others: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0

    def add(self, number: int, begin: int, end: int, size: int) -> None:
        self.numbers.append(number)
        self.begins.append(begin)
        self.ends.append(end)
        self.sizes.append(size)

    @cached_property
    def is_page(self) -> Flags:
        return np.equal(np.array(self.sizes, np.intp), _PAGE)

    @cached_property
    def found(self) -> FoundSeries:
        numbers, begins, ends = (np.array(each, np.intp) for each in (self.numbers, self.begins, self.ends))
        return FoundSeries(numbers, begins, ends, np.array(self.sizes, np.intp) == _LONG)

    def known(self) -> FoundSeries:
        """All that are known, also those of the pages."""
        one_by_one = self.found.some(~self.is_page)
        if not self.pages:
            return one_by_one
        return FoundSeries.joined([one_by_one, of_pages(self.pages, self.found.begins[self.is_page])])


def joined(parts: Sequence[Written]) -> Written:
    """One after the other."""
    rows = [np.empty(0, np.intp), *(part.rows for part in parts)]
    times, values = [np.empty(0), *(part.times for part in parts)], [np.empty(0), *(part.values for part in parts)]
    return Written(np.concatenate(rows), np.concatenate(times), np.concatenate(values))


# ---------------------------------------------------------------- a series that is known


def _content(data: bytes, place: int) -> tuple[int, int]:
    """Of a field whose length is written there: where its content begins and ends."""
    length, start = data[place], place + 1
    if length > 127:  # nearly always two bytes, so without a call
        length, start = length & 0x7F | data[start] << 7, start + 1
        if data[start - 1] > 127:
            length, start = _number(data, place)
    if start + length > len(data):
        raise IndexError
    return start, start + length


def _labels_end(data: bytes, start: int, end: int) -> int:
    """Where the labels of a series end, if one sample follows; its own beginning where it is otherwise.

    That the time has six bytes is left to see.
    """
    size = end - start
    if size >= _SHORT and data[end - 7] == _TIME:
        if size >= _LONG and data[end - 18] == _SAMPLE and data[end - 17] == 16 and data[end - 16] == _VALUE:
            return end - _LONG
        if data[end - 9] == _SAMPLE and data[end - 8] == 7:
            return end - _SHORT
    return start


def _insist_on_length(tag: int) -> None:
    if tag & 7 != 2:
        raise _refusal(f"field {tag >> 3} is none of a write request")


# ---------------------------------------------------------------- field by field


def _fields(data: bytes, most: int) -> Iterator[tuple[int, int, int]]:
    """The tag of each field that has a length, and where its content begins and ends."""
    place = 0
    for _ in range(most):
        if place >= len(data):
            return
        tag = data[place]
        start, place = _content(data, place + 1)
        if tag & 7 != 2:
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
