"""The vectorised pass: one dissect pattern over all lines of a chunk at once, in numpy and Arrow.

How it reads a million lines a second: the places of a delimiter's first byte are found once per chunk; in each
line the next such place after a field's start must hold the whole delimiter, eight bytes compared at a time.
Where it does not (a field that holds a blank, say) the line is left to the strict reading, so this pass accepts
only lines that `Dissect.read` accepts, with the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.logformat import LEVELS, NUMBERS, TIME
from bascule.logs.parsing.columns import ABSENT, Coded, Rows, joined, may_hold, spread
from bascule.logs.parsing.dissect import Dissect, read_tail
from bascule.logs.parsing.readings import split_target
from bascule.logs.parsing.values import Value, read_numbers, read_times

Places = NDArray[np.int64]
_PADDING = bytes(64)  # so that eight bytes can be read at any place of the text
_NEWLINE, _RETURN = 10, 13


class Text:
    """A chunk's bytes with its lines, and where each byte asked for is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._padded = data + _PADDING
        self.bytes = np.frombuffer(self._padded, np.uint8)
        self._places: dict[int, Places] = {}
        ends = self.places(_NEWLINE)[:-1]
        self.starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))[: len(ends)]
        self.ends = ends - (self.bytes[ends - 1] == _RETURN) * (ends > self.starts)

    @cached_property
    def words(self) -> NDArray[np.uint64]:
        """The eight bytes from each place on, as one number."""
        return np.ndarray((len(self._padded) - 7,), "<u8", self._padded, 0, (1,))

    @cached_property
    def odd_bytes(self) -> Places:
        """Where bytes are not read as they are: NULs, and those beyond ASCII where the chunk is not UTF-8."""
        here = self.bytes[: len(self.data)]
        if not _is_utf8(self.data):
            return np.flatnonzero((here == 0) | (here >= 128))
        return self.places(0)[:-1] if b"\0" in self.data else np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    def places(self, byte: int) -> Places:
        """Where `byte` is, ascending; the text's end closes the list."""
        if byte not in self._places:
            here = self.bytes[: len(self.data) + 1] == byte
            here[-1] = True
            self._places[byte] = np.flatnonzero(here)
        return self._places[byte]

    def holds(self, literal: bytes, places: Places) -> NDArray[np.bool_]:
        """Whether `literal`, whose first byte is at each place, is there whole."""
        same = np.ones(len(places), bool)
        for start in range(1, len(literal), 8):
            piece = literal[start : start + 8]
            there = self.words[places + start]
            if len(piece) < 8:
                there &= np.uint64(int.from_bytes(b"\xff" * len(piece), "little"))
            same &= there == np.uint64(int.from_bytes(piece, "little"))
        return same

    def strings(self, starts: Places, ends: Places) -> pa.Array:
        """The texts between ascending, disjoint starts and ends, as Arrow strings."""
        if not len(starts):
            return pa.array([], pa.string())
        offsets = np.empty(2 * len(starts) + 1, np.int32)
        offsets[:-1:2], offsets[1::2], offsets[-1] = starts, ends, ends[-1]
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self._padded)]
        fields_and_gaps = pa.Array.from_buffers(pa.string(), 2 * len(starts), buffers)
        return fields_and_gaps.take(pa.array(np.arange(0, 2 * len(starts), 2, dtype=np.int32)))

    def line(self, number: int) -> str:
        return self.data[self.starts[number] : self.ends[number]].decode(errors="replace")


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


UNCHECKED = ("text", "word")  # kinds that every text between delimiters has
PAIRS, SKIPPED = " ", ""  # names no field can have
Spans = dict[str, tuple[Places, Places]]


@dataclass
class _Cursor:
    """The pass's state: the lines still in it with their ends, how far each is read, where the fields found are."""

    text: Text
    lines: Places
    here: Places
    ends: Places
    spans: Spans
    byte: int = -1  # whose places `index` counts
    index: Places = field(default_factory=lambda: np.empty(0, np.int64))

    def pass_start(self, literal: bytes) -> None:
        good = (self.text.bytes[self.here] == literal[0]) & self.text.holds(literal, self.here)
        good &= self.here + len(literal) <= self.ends
        self.here = self.here + len(literal)
        self._keep(good)

    def pass_field(self, name: str, literal: bytes) -> None:
        """Read a field up to the literal, which must be where its first byte next is."""
        end = self.next_place(literal[0])
        good = (end + len(literal) <= self.ends) & self.text.holds(literal, end)
        self.spans[name] = (self.here, end)
        self.here = end + len(literal)
        self.index = self.index + literal.count(literal[:1])  # the next place follows those inside the literal
        self._keep(good)

    def keep_ended(self) -> None:
        """Keep the lines that are read to their end."""
        self._keep(self.here == self.ends)

    def next_place(self, byte: int) -> Places:
        """The first place of `byte` from `here` on, in each line."""
        if byte != self.byte:
            self.byte, self.index = byte, np.searchsorted(self.text.places(byte), self.here)
        places: Places = self.text.places(byte)[self.index]
        return places

    def _keep(self, good: NDArray[np.bool_]) -> None:
        if good.all():
            return
        left = np.flatnonzero(good)
        self.lines, self.here, self.ends = self.lines.take(left), self.here.take(left), self.ends.take(left)
        self.index = self.index.take(left) if len(self.index) else self.index
        self.spans = {name: (starts.take(left), ends.take(left)) for name, (starts, ends) in self.spans.items()}


def find(dissect: Dissect, text: Text, lines: Places) -> tuple[Places, Spans]:
    """The lines that have the pattern's layout, and where their fields are; trailing pairs as `PAIRS`."""
    cursor = _Cursor(text, lines, text.starts[lines], text.ends[lines], {})
    if dissect.start:
        cursor.pass_start(dissect.start.encode())
    for part in dissect.fields[:-1]:
        cursor.pass_field(part.name, part.until.encode())
    _pass_last(cursor, dissect)
    cursor.spans.pop(SKIPPED, None)
    return cursor.lines, cursor.spans


def _pass_last(cursor: _Cursor, dissect: Dissect) -> None:
    last = dissect.fields[-1]
    if last.until:
        cursor.pass_field(last.name, last.until.encode())
        cursor.keep_ended()
    elif dissect.takes_pairs:
        stop = np.minimum(cursor.next_place(ord(" ")), cursor.ends)
        cursor.spans[last.name] = (cursor.here, stop)
        cursor.spans[PAIRS] = (stop, cursor.ends)
    else:
        cursor.spans[last.name] = (cursor.here, cursor.ends)


def can_vectorise(dissect: Dissect) -> bool:
    """Padded fields and fields with inner delimiters are read line by line."""
    return not any(part.padded or part.inner for part in dissect.fields)


Wanted = Callable[[str], bool]


def read_rows(name: str, dissect: Dissect, text: Text, lines: Places, wanted: Wanted) -> Rows:
    """Those of `lines` that have the layout and whose typed fields are right, as rows of the wanted columns."""
    found, spans = find(dissect, text, lines)
    pairs = spans.pop(PAIRS, None)
    columns: dict[str, Coded] = {}
    times, good = np.zeros(len(found), np.int64), np.ones(len(found), bool)
    for field_name, (starts, ends) in spans.items():
        kind = dissect.kinds[field_name]
        if field_name == TIME:
            times, right = read_times(text.strings(starts, ends))
        elif kind in UNCHECKED and not wanted(field_name):
            continue
        else:
            columns[field_name], right = read_column(field_name, text.strings(starts, ends), kind)
        good &= right
    if pairs is not None:
        good &= _add_pairs(columns, dissect, text, *pairs)
    _split_targets(columns)
    rows = Rows(name, found, text.starts[found], times, columns)
    return rows if good.all() else rows.select(np.flatnonzero(good))


def read_column(name: str, texts: pa.Array, kind: str) -> tuple[Coded, NDArray[np.bool_]]:
    """The texts as a column of `kind`, and where they are of it."""
    if kind in UNCHECKED:
        return Coded.of(texts), np.ones(len(texts), bool)
    encoded = texts.dictionary_encode()
    codes, distinct = encoded.indices.to_numpy(), encoded.dictionary
    if kind == "level":
        right = pc.is_in(distinct, pa.array(LEVELS)).to_numpy(zero_copy_only=False)
        return Coded(codes, distinct), right[codes]
    numbers, right = read_numbers(distinct, kind)
    return Coded(codes, numbers if name in NUMBERS else distinct), right[codes]


# ---------------------------------------------------------------- trailing key=value pairs


def _add_pairs(
    columns: dict[str, Coded], dissect: Dissect, text: Text, starts: Places, ends: Places
) -> NDArray[np.bool_]:
    """Add the columns that are written as pairs behind the last field; gives where the pairs are well formed."""
    if (starts == ends).all():
        return np.ones(len(starts), bool)
    tails = text.strings(starts, ends).dictionary_encode()
    codes = tails.indices.to_numpy()
    parsed = [read_tail(tail, dissect.kinds) for tail in tails.dictionary.to_pylist()]
    said = [reading.fields if reading and not reading.misread else None for reading in parsed]
    for name in sorted({name for fields in said if fields for name in fields}):
        values = [(fields or {}).get(name) for fields in said]
        columns[name] = spread(column_from(name, values), codes)
    good: NDArray[np.bool_] = np.array([fields is not None for fields in said], bool)[codes]
    return good


def _split_targets(columns: dict[str, Coded]) -> None:
    """Leave the path alone as endpoint; the query becomes a word of `extra`."""
    targets = columns.get("endpoint")
    if targets is None or not may_hold(targets.values, "?", "://"):
        return
    split = [split_target(text) for text in targets.texts()]
    columns["endpoint"] = spread(Coded.of(pa.array([path for path, _ in split], pa.string())), targets.codes)
    words = Coded.of(pa.array([f"query={query}" if query else None for _, query in split], pa.string()))
    said = spread(words, targets.codes)
    columns["extra"] = joined(columns.get("extra"), said)


def column_from(name: str, values: Sequence[Value | None]) -> Coded:
    """A column from one value a row."""
    if name not in NUMBERS:
        return Coded.of(pa.array(values, pa.string()))
    encoded = pa.array(values, pa.float64()).dictionary_encode()
    codes = pc.fill_null(encoded.indices, ABSENT).to_numpy()
    return Coded(codes, encoded.dictionary.to_numpy())
