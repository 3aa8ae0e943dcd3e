"""From a chunk of lines to rows: the vectorised pass first, then the strict reading of what is left.

A line has the first of its source's formats that reads it. The vectorised pass keeps to that order: a format
takes part only while all before it do, and a line that an earlier format may still have is left to the strict
reading.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bascule.logformat import TIME
from bascule.logs.parsing.columnar import Places, Text, column_from, read_rows
from bascule.logs.parsing.columns import ABSENT, Coded, Rows, holds_one
from bascule.logs.parsing.formats import Format, read_text, read_texts
from bascule.logs.parsing.readings import COSTLY, FITS_NONE, HOLDS_EVENT, HOLDS_NULS, LINE, TOO_COSTLY, Misread, Reading
from bascule.logs.parsing.values import Fields
from bascule.logs.parsing.wrapped import Wrapped, behind_head, is_one_wrapped, of_docker

UNPARSED, TRACE = "text", "trace"
# Of a stack trace in one row; a StackOverflowError of Java, whose 1,025 lines are the longest usual one, is within.
MOST_LINES, MOST_CHARACTERS = 2_000, 1 << 18
MOST_PLAIN = 20  # lines that a message may go on in, beside those that look like a stack trace
_BYTE_ORDER_MARK, _OF_UTF_16 = "\ufeff", "\ufffd\ufffd"  # the latter as it is decoded
_NO_LINES = np.empty(0, np.int64)
FEW_LINES = 64  # up to here reading line by line costs less than setting up the vectorised pass
_CONTINUES = re.compile(r"[ \t]|Traceback \(most recent call last\)|Caused by: |During handling of|The above exception")
_TRACE_STARTS = np.frombuffer(b" \tTCD\0\xef", np.uint8)  # the first bytes that `_CONTINUES` allows, or what is cut off
# What a record of a format that is not declared looks like: JSON, pairs, a request, a time. A pair is looked for
# from a word's first `=` alone: from each one, a word of many would cost its square.
_RECORD = re.compile(r'^\{|^\S[^\s=]*=\S* \S+=|"[A-Z]+ \S+ HTTP/|[0-9]{2}:[0-9]{2}:[0-9]{2}')
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Failure)\b|[\w.]+: ")


@dataclass(frozen=True)
class Parser:
    """Reads the lines of one source. `wanted` says which text columns are worth the work."""

    formats: tuple[Format, ...]
    wanted: Callable[[str], bool] = field(default=lambda name: True)
    few_lines: int = FEW_LINES

    def parse(self, data: bytes, begins: Collection[int] = ()) -> list[Rows]:
        """All lines of `data` (which ends with a newline), each in exactly one row; a stack trace is one row.

        A line of `begins` continues none before it.
        """
        text = Text(data)
        if len(text) < self.few_lines:
            return list(self._strict(text, np.arange(len(text)), _NO_LINES, begins))
        rows, rest, unread = self._vectorised(text)
        continued = {form.name for form in self.formats if form.continued}
        told = np.concatenate([_NO_LINES, *(found.lines for found in rows if found.format in continued)])
        others = self._strict(text, rest, told, begins)
        return [found for found in (*rows, *others, self._unread(text, unread)) if len(found)]

    def _vectorised(self, text: Text) -> tuple[list[Rows], Places, Places]:
        """Rows read at once, lines left to the strict reading, and lines that no format can have."""
        readable = _readable(text)
        odd = _difference(np.arange(len(text)), readable, len(text))
        results: list[Rows] = []
        missed: list[str] = []
        for form in self.formats:
            if form.dissect is None or not form.vectorised:
                break
            rows = _without(read_rows(form.name, form.dissect, text, readable, self.wanted), text, missed)
            results.append(rows)
            readable = _difference(readable, rows.lines, len(text))
            missed.append(form.signature)
        left = np.sort(np.concatenate((readable, odd)))
        if not self._all_literal or _may_trace(text, left) or _needs_care(text, readable, missed):
            return results, left, np.empty(0, np.int64)
        return results, odd, readable

    @property
    def _all_literal(self) -> bool:
        """Whether a line without any format's literal has none of the formats."""
        return all(form.vectorised and not form.more and not form.continued for form in self.formats)

    def _unread(self, text: Text, lines: Places) -> Rows:
        """Rows of lines that no format has: as `read_text` reads them, all at once."""
        times, columns = np.zeros(len(lines), np.int64), dict[str, Coded]()
        if len(lines) and self.wanted("message"):
            messages = text.strings(text.starts[lines], text.ends[lines])
            times, columns = read_texts(messages)
        return Rows(UNPARSED, lines, text.starts[lines], times, columns, {(LINE, FITS_NONE): len(lines)})

    def _strict(self, text: Text, lines: Places, told: Places, begins: Collection[int]) -> list[Rows]:
        """Rows of `lines`; `told` are lines read at once whose message may go on in the next line."""
        numbers = lines.tolist()
        read = self._read_distinct([text.line(number) for number in numbers])
        found: dict[str, list[tuple[int, Reading]]] = {}
        joining = _Joining(self.formats, set(told.tolist()), begins)
        for number, (name, reading) in zip(numbers, read, strict=True):
            if name == UNPARSED:
                reading = Reading(reading.fields.copy(), reading.misread)  # a row of its own, to join lines into
                name, joined = joining.join(number, reading)
                if joined:
                    continue
            else:
                joining.note(number, name)
            found.setdefault(name, []).append((number, reading))
        joining.finish()
        return [_rows(name, text, records) for name, records in found.items()]

    def _read_distinct(self, lines: Sequence[str]) -> list[tuple[str, Reading]]:
        """`read_many`, where equal lines share a reading: a chunk may be a million blank lines."""
        distinct = list(dict.fromkeys(lines))
        known = dict(zip(distinct, self.read_many(distinct), strict=True))
        return [known[line] for line in lines]

    def read(self, line: str) -> tuple[str, Reading]:
        """The strict reading of one line: its format's name and what it says."""
        return self.read_many([line])[0]

    def read_many(self, lines: Sequence[str]) -> list[tuple[str, Reading]]:
        """The strict reading of lines, each by the first format that has it.

        What no format has and a collector put a head before is read without the head.
        """
        plain = [_without_nuls(line) if "\0" in line else line.removeprefix(_BYTE_ORDER_MARK) for line in lines]
        wrapped = [of_docker(line) for line in plain]
        found = self._read_many([inner.line if inner else line for inner, line in zip(wrapped, plain, strict=True)])
        left = [place for place, (name, _) in enumerate(found) if name == UNPARSED and not wrapped[place]]
        headed = {place: inner for place in left if (inner := behind_head(plain[place]))}
        again = self._read_many([inner.line for inner in headed.values()]) if headed else []
        for (place, inner), read in zip(headed.items(), again, strict=True):
            found[place], wrapped[place] = read, inner
        dated = [_dated(read, inner) if inner else read for read, inner in zip(found, wrapped, strict=True)]
        return [_with_nuls(read) if "\0" in line else read for read, line in zip(dated, lines, strict=True)]

    def _read_many(self, texts: Sequence[str]) -> list[tuple[str, Reading]]:
        found: list[tuple[str, Reading] | None] = [None] * len(texts)
        costly: set[int] = set()
        for form in self.formats:
            left = [place for place, reading in enumerate(found) if reading is None]
            for place, reading in zip(left, form.read_many([texts[place] for place in left]), strict=True):
                if reading is TOO_COSTLY:
                    costly.add(place)
                elif reading is not None:
                    found[place] = form.name, reading
        return [
            (UNPARSED, read_text(texts[place], COSTLY if place in costly else FITS_NONE))
            if read is None
            else self._told(read, texts[place])
            for place, read in enumerate(found)
        ]

    def _told(self, read: tuple[str, Reading], line: str) -> tuple[str, Reading]:
        """With word of an event of another format in the line, which that format did not read."""
        name, reading = read
        if not any(form.literal and form.name != name and form.literal in line for form in self.formats):
            return read
        return name, Reading(reading.fields, (*reading.misread, Misread(LINE, HOLDS_EVENT, "")))


def _dated(read: tuple[str, Reading], wrapped: Wrapped) -> tuple[str, Reading]:
    """With the collector's time where the line has none of its own."""
    name, reading = read
    if wrapped.at is None or TIME in reading.fields:
        return read
    return name, Reading(reading.fields | {TIME: wrapped.at}, reading.misread)


def _without_nuls(line: str) -> str:
    """Ids and delimiters would hide between the NULs of UTF-16."""
    return line.replace("\0", "").removeprefix(_OF_UTF_16)


def _with_nuls(read: tuple[str, Reading]) -> tuple[str, Reading]:
    name, reading = read
    return name, Reading(reading.fields, (*reading.misread, Misread(LINE, HOLDS_NULS, "")))


@dataclass
class _Trace:
    """A row that lines are put into. They are joined at the end: at each line, a long one would cost its square."""

    fields: Fields
    lines: list[str]
    characters: int

    @classmethod
    def of(cls, fields: Fields) -> _Trace:
        first = str(fields["message"])
        return cls(fields, [first], len(first))

    def has_room(self, line: str) -> bool:
        return len(self.lines) < MOST_LINES and self.characters + 1 + len(line) <= MOST_CHARACTERS

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.characters += 1 + len(line)


@dataclass
class _Joining:
    """Puts lines of a stack trace, and those that a message goes on in, into one row; what is too long for one goes on
    in another. `finish` completes the rows.

    `told`: lines already read whose message may go on. A line of `begins` is never put into another's row.
    """

    formats: Sequence[Format]
    told: set[int]
    begins: Collection[int] = ()
    previous: int = ABSENT
    row: _Trace | None = None  # the row that the previous line was put into
    rows: list[_Trace] = field(default_factory=list)
    plain: int = 0  # lines in a row that only follow: a format that is not declared must not hide in a message

    def note(self, number: int, name: str) -> None:
        """A line that a format has."""
        if any(form.continued and form.name == name for form in self.formats):
            self.told.add(number)
        self.row = None

    def join(self, number: int, reading: Reading) -> tuple[str, bool]:
        """The format of a line that none has, and whether it is put into the row of the line before."""
        begins = number in self.begins
        row = self.row if number == self.previous + 1 and not begins else None
        starts = number - 1 in self.told and not begins
        line = str(reading.fields["message"])
        if row is None:
            self.plain = 0
        belongs = _is_of_trace(line, row is not None)
        if not belongs and (row is not None or (starts and line)):
            belongs = self._goes_on(reading)
        self.previous, self.row = number, row
        if not belongs:
            self.row = None
            return UNPARSED, False
        if row is not None and row.has_room(line):
            row.add(line)
            return TRACE, True
        self.row = _Trace.of(reading.fields)
        self.rows.append(self.row)
        return TRACE, False

    def finish(self) -> None:
        for row in self.rows:
            row.fields["message"] = "\n".join(row.lines)

    def _goes_on(self, reading: Reading) -> bool:
        """Whether a line that is no record of any kind follows one that a message may go on in."""
        self.plain += 1
        line = str(reading.fields["message"])
        if self.plain > MOST_PLAIN or reading.fields.keys() & {TIME, "level"} or _RECORD.search(line):
            return False
        return not any(form.literal.partition(" ")[0] in line for form in self.formats if form.literal)


def _is_of_trace(line: str, tracing: bool) -> bool:
    """Whether the line looks like one of a stack trace; the exception's own line ends one."""
    return bool(_CONTINUES.match(line)) or (tracing and (not line or bool(_EXCEPTION.match(line))))


def _without(rows: Rows, text: Text, missed: Sequence[str]) -> Rows:
    """Leave out lines that hold the literal of an earlier format, which may yet have them when read strictly."""
    if not len(rows) or not _hold_one(text, rows.lines, missed):
        return rows
    lines = [text.line(number) for number in rows.lines.tolist()]
    return rows.select(np.flatnonzero([not any(literal in line for literal in missed) for line in lines]))


def _hold_one(text: Text, lines: Places, literals: Sequence[str]) -> bool:
    """Whether one of the lines may hold one of the literals."""
    return bool(literals) and holds_one(text.strings(text.starts[lines], text.ends[lines]), *literals)


def _needs_care(text: Text, lines: Places, literals: Sequence[str]) -> bool:
    """Whether one of the lines may hold one of the literals, or is in what a collector put around it."""
    return _hold_one(text, lines, literals) or is_one_wrapped(text.strings(text.starts[lines], text.ends[lines]))


def _may_trace(text: Text, lines: Places) -> bool:
    """Whether one of the lines may belong to a stack trace, which is read line by line."""
    first = text.bytes[text.starts[lines]]
    return bool(np.isin(first, _TRACE_STARTS).any())


def _difference(lines: Places, taken: Places, total: int) -> Places:
    left = np.zeros(total, bool)
    left[lines] = True
    left[taken] = False
    return np.flatnonzero(left)


def _readable(text: Text) -> Places:
    """The lines whose bytes are read as they are."""
    touched = np.unique(np.searchsorted(text.starts, text.odd_bytes, side="right") - 1)
    return _difference(np.arange(len(text)), touched, len(text))


def _rows(name: str, text: Text, records: Iterable[tuple[int, Reading]]) -> Rows:
    """Rows from strictly read lines."""
    numbers, readings = zip(*records, strict=True)
    lines = np.array(numbers, np.int64)
    fields = [reading.fields for reading in readings]
    times = np.array([record.get(TIME, 0) for record in fields], np.int64)
    names = sorted({key for record in fields for key in record} - {TIME})
    columns = {key: column_from(key, [record.get(key) for record in fields]) for key in names}
    misread = Counter((found.field, found.reason) for reading in readings for found in reading.misread)
    return Rows(name, lines, text.starts[lines], times, columns, misread if name != TRACE else {})
