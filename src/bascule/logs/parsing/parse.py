"""From a chunk of lines to rows: the vectorised pass first, then the strict reading of what is left.

A line has the first of its source's formats that reads it. The vectorised pass keeps to that order: a format
takes part only while all before it do, and a line that an earlier format may still have is left to the strict
reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bascule.logformat import TIME
from bascule.logs.parsing.columnar import Places, Text, column_from, read_rows
from bascule.logs.parsing.columns import ABSENT, Coded, Rows, may_hold
from bascule.logs.parsing.dissect import Fields
from bascule.logs.parsing.formats import Format, read_text, read_texts

UNPARSED, TRACE = "text", "trace"
FEW_LINES = 64  # up to here reading line by line costs less than setting up the vectorised pass
_CONTINUES = re.compile(r"[ \t]|Traceback \(most recent call last\)|Caused by: |During handling of|The above exception")
_TRACE_STARTS = np.frombuffer(b" \tTCD", np.uint8)  # the first bytes that `_CONTINUES` allows
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Failure)\b|[\w.]+: ")


@dataclass(frozen=True)
class Parser:
    """Reads the lines of one source. `wanted` says which text columns are worth the work."""

    formats: tuple[Format, ...]
    wanted: Callable[[str], bool] = field(default=lambda name: True)
    few_lines: int = FEW_LINES

    def parse(self, data: bytes) -> list[Rows]:
        """All lines of `data` (which ends with a newline), each in exactly one row; a stack trace is one row."""
        text = Text(data)
        if len(text) < self.few_lines:
            return list(self._strict(text, np.arange(len(text))))
        rows, rest, unread = self._vectorised(text)
        return [found for found in (*rows, *self._strict(text, rest), self._unread(text, unread)) if len(found)]

    def _vectorised(self, text: Text) -> tuple[list[Rows], Places, Places]:
        """Rows read at once, lines left to the strict reading, and lines that no format can have."""
        readable = np.arange(len(text)) if text.is_utf8 else _ascii_lines(text)
        odd = _difference(np.arange(len(text)), readable, len(text))
        results: list[Rows] = []
        missed: list[tuple[bytes, int]] = []
        for form in self.formats:
            if form.dissect is None or not form.vectorised:
                break
            rows = _without(read_rows(form.name, form.dissect, text, readable, self.wanted), text, missed)
            results.append(rows)
            readable = _difference(readable, rows.lines, len(text))
            missed.append((form.signature.encode(), len(rows)))
        if not self._all_literal or _may_trace(text, readable) or not _none_left(text, readable, missed):
            return results, np.sort(np.concatenate((readable, odd))), np.empty(0, np.int64)
        return results, odd, readable

    @property
    def _all_literal(self) -> bool:
        """Whether a line without any format's literal has none of the formats."""
        return all(form.dissect is not None and form.vectorised and not form.more for form in self.formats)

    def _unread(self, text: Text, lines: Places) -> Rows:
        """Rows of lines that no format has: as `read_text` reads them, all at once."""
        times, columns = np.zeros(len(lines), np.int64), dict[str, Coded]()
        if len(lines) and self.wanted("message"):
            messages = text.strings(text.starts[lines], text.ends[lines])
            times, columns = read_texts(messages)
        return Rows(UNPARSED, lines, text.starts[lines], times, columns)

    def _strict(self, text: Text, lines: Places) -> list[Rows]:
        found: dict[str, list[tuple[int, Fields]]] = {}
        trace: Fields | None = None  # the stack trace that the previous line belongs to
        previous = ABSENT
        for number in lines.tolist():
            line = text.line(number)
            name, fields = self.read(line)
            follows = trace if number == previous + 1 else None
            trace, previous = None, number
            if name == UNPARSED and _continues(line, follows is not None):
                trace = follows
                if trace is not None:
                    trace["message"] = f"{trace['message']}\n{line}"
                    continue
                name, trace = TRACE, fields
            found.setdefault(name, []).append((number, fields))
        return [_rows(name, text, records) for name, records in found.items()]

    def read(self, line: str) -> tuple[str, Fields]:
        """The strict reading of one line: its format's name and fields."""
        for form in self.formats:
            fields = form.read(line)
            if fields is not None:
                return form.name, fields
        return UNPARSED, read_text(line)


def _continues(line: str, tracing: bool) -> bool:
    """Whether the line belongs to a stack trace; the exception's own line ends one."""
    return bool(_CONTINUES.match(line)) or (tracing and (not line or bool(_EXCEPTION.match(line))))


def _without(rows: Rows, text: Text, missed: Sequence[tuple[bytes, int]]) -> Rows:
    """Leave out lines that hold the literal of an earlier format, which may yet have them when read strictly."""
    for literal, taken in missed:
        if len(rows) and text.data.count(literal) != taken:
            lines = [text.data[text.starts[n] : text.ends[n]] for n in rows.lines.tolist()]
            rows = rows.select(np.flatnonzero([literal not in line for line in lines]))
    return rows


def _none_left(text: Text, lines: Places, missed: Sequence[tuple[bytes, int]]) -> bool:
    """Whether none of the lines holds a format's literal."""
    held = text.strings(text.starts[lines], text.ends[lines])
    return not any(may_hold(held, literal.decode()) for literal, _ in missed)


def _may_trace(text: Text, lines: Places) -> bool:
    """Whether one of the lines may belong to a stack trace, which is read line by line."""
    first = text.bytes[text.starts[lines]]
    return bool(np.isin(first, _TRACE_STARTS).any())


def _difference(lines: Places, taken: Places, total: int) -> Places:
    left = np.zeros(total, bool)
    left[lines] = True
    left[taken] = False
    return np.flatnonzero(left)


def _ascii_lines(text: Text) -> Places:
    """Lines of plain ASCII: the others may hold bytes that are no text."""
    high = np.flatnonzero(text.bytes[: len(text.data)] >= 128)
    touched = np.unique(np.searchsorted(text.starts, high, side="right") - 1)
    return _difference(np.arange(len(text)), touched, len(text))


def _rows(name: str, text: Text, records: Iterable[tuple[int, Fields]]) -> Rows:
    """Rows from strictly read lines."""
    numbers, fields = zip(*records, strict=True)
    lines = np.array(numbers, np.int64)
    times = np.array([record.get(TIME, 0) for record in fields], np.int64)
    names = sorted({key for record in fields for key in record} - {TIME})
    columns = {key: column_from(key, [record.get(key) for record in fields]) for key in names}
    return Rows(name, lines, text.starts[lines], times, columns)
