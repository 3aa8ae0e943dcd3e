"""The formats a source's lines can have: the built-in ones of `logformat`, and those of the spec.

A format reads one line into typed fields (`logformat.FIELDS`) or says None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.errors import UsageError
from bascule.logformat import BUILT_IN, DEFINITIONS, DOCUMENTED, HEADS, JSON_HEADS, TIME
from bascule.logs.parsing.columnar import can_vectorise
from bascule.logs.parsing.columns import Coded
from bascule.logs.parsing.dissect import Dissect, compile_dissect
from bascule.logs.parsing.grok import GrokReader, compile_grok
from bascule.logs.parsing.json_lines import JsonReader
from bascule.logs.parsing.pairs import PairsReader
from bascule.logs.parsing.readings import FITS_NONE, LINE, TOO_COSTLY, Misread, Reading, typed
from bascule.logs.parsing.values import Fields, read_times
from bascule.spec.model import LogFormat

__all__ = ["Format", "built_in", "format_named", "read_text", "read_texts"]


class LineReader(Protocol):
    """Reads lines strictly: a reading, or None where the line does not have the format."""

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]: ...


@dataclass(frozen=True)
class Format:
    """`reader` reads lines strictly; with a `dissect`, whole chunks are read at once too.

    `more`: the strict reading has lines, too, that hold no `signature`. `kinds` are the fields of each of its layouts;
    those of JSON are not known beforehand.
    """

    name: str
    reader: LineReader
    dissect: Dissect | None = None
    more: bool = False
    literal: str = ""
    kinds: Sequence[Mapping[str, str]] = ()

    @property
    def continued(self) -> bool:
        """Whether a message may go on in the lines that follow."""
        return any("message" in fields for fields in self.kinds)

    @property
    def is_of_requests(self) -> bool:
        """Whether each of its lines is a request, also one whose status cannot be read."""
        return bool(self.kinds) and all("status" in fields for fields in self.kinds)

    def read(self, line: str) -> Reading | None:
        """The strict reading of one line."""
        return self.read_many([line])[0]

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        """The strict reading of lines that need not be neighbours."""
        return [found and found.finished() for found in self.reader.read_many(lines)]

    @property
    def signature(self) -> str:
        """What every line holds that the format may have; by default the longest literal of the dissect pattern."""
        return self.literal or (self.dissect.signature if self.dissect else "")

    @property
    def vectorised(self) -> bool:
        return self.dissect is not None and can_vectorise(self.dissect)


def format_named(name: str, declared: Mapping[str, LogFormat]) -> Format:
    """The spec's format of that name, else the built-in one; UsageError where there is neither.

    PatternError says where the pattern of a declared one is wrong.
    """
    if name in declared:
        return _declared(name, declared[name])
    if name in BUILT_IN:
        return built_in(name)
    known = ", ".join(sorted({*BUILT_IN, *declared}))
    raise UsageError(f"logs: unknown format {name!r}", f"declare it under logs.formats, or use one of {known}")


def _declared(name: str, declared: LogFormat) -> Format:
    if declared.dissect is not None:
        dissect = compile_dissect(declared.dissect, declared.units)
        return Format(name, LayoutReader(dissect), dissect, kinds=[dissect.kinds])
    if declared.json_lines:
        columns = {path: column for column, path in declared.fields.items()}
        return Format(name, HeadedJson(JsonReader(declared.units, columns), _json_heads()))
    grok = compile_grok(declared.grok or "", declared.units)
    return Format(name, grok, kinds=[grok.kinds])


@cache
def built_in(name: str) -> Format:
    """A format of `logformat.BUILT_IN`; KeyError where there is none of that name."""
    form = BUILT_IN[name]
    if form.json:
        return Format(name, HeadedJson(JsonReader(), _json_heads()))
    if form.logfmt:
        return Format(name, PairsReader())
    if form.event:
        whole, alone = compile_dissect(DOCUMENTED + form.event), compile_dissect(form.event)
        reader = EventReader(whole, alone, [compile_grok(head) for head in HEADS])
        return Format(name, reader, whole, literal=alone.start, kinds=[alone.kinds])
    dissect = compile_dissect(form.dissect) if form.dissect else None
    layouts = [compile_grok(layout) for layout in form.layouts]
    kinds = [layout.kinds for layout in layouts] + ([dissect.kinds] if dissect else [])
    return Format(name, LayoutReader(dissect, layouts, form.coloured), dissect, bool(layouts), kinds=kinds)


@cache
def _json_heads() -> list[GrokReader]:
    return [compile_grok(head) for head in JSON_HEADS]


@dataclass(frozen=True)
class HeadedJson:
    """An object alone, or as the message behind a head."""

    documents: JsonReader
    heads: Sequence[GrokReader]

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        found = self.documents.read_many(lines)
        left = [place for place, line in enumerate(lines) if found[place] is None and _ends_in_object(line)]
        if left:
            cut = [lines[place].partition(_OBJECT) for place in left]
            heads = _filled([None] * len(left), self.heads, [before for before, _, _ in cut])
            objects = self.documents.read_many([start + after for _, start, after in cut])
            for place, head, document in zip(left, heads, objects, strict=True):
                found[place] = document.before(head) if head and document else None
        return found


_OBJECT = '{"'


def _ends_in_object(line: str) -> bool:
    return line.endswith("}") and _OBJECT in line


@dataclass(frozen=True)
class LayoutReader:
    """The dissect pattern, then the layouts in their order."""

    dissect: Dissect | None = None
    layouts: Sequence[GrokReader] = ()
    coloured: bool = False

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        found = [self.dissect.read(line) if self.dissect else None for line in lines]
        plain = [_ANSI.sub("", line) if self.coloured and "\x1b" in line else line for line in lines]
        return _filled(found, self.layouts, plain)


def _filled(found: list[Reading | None], readers: Sequence[LineReader], lines: Sequence[str]) -> list[Reading | None]:
    """The readings, with those that are missing by the first of the readers that has one."""
    for reader in readers:
        missing = [place for place, reading in enumerate(found) if reading is None or reading is TOO_COSTLY]
        if not missing:
            break
        for place, reading in zip(missing, reader.read_many([lines[place] for place in missing]), strict=True):
            found[place] = reading or found[place]
    return found


@dataclass(frozen=True)
class EventReader:
    """A message of `key=value` fields behind the source document's layout, or behind one of `logformat.HEADS`."""

    whole: Dissect
    alone: Dissect
    heads: Sequence[GrokReader]

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        found = [self.whole.read(line) for line in lines]
        left = [place for place, line in enumerate(lines) if found[place] is None and self.alone.start in line]
        if left:
            cut = [lines[place].partition(self.alone.start) for place in left]
            heads = _filled([None] * len(left), self.heads, [before for before, _, _ in cut])
            for place, head, (_, start, after) in zip(left, heads, cut, strict=True):
                found[place] = self._behind(head, start + after)
        return found

    def _behind(self, head: Reading | None, event: str) -> Reading | None:
        """Pairs behind the event's fields do not replace what is before them."""
        reading = self.alone.read(event) if head is not None else None
        return reading.behind(head) if reading is not None and head is not None else None


# ---------------------------------------------------------------- text

_ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Werkzeug and uvicorn colour their lines
_TIME = f"(?P<timestamp>{DEFINITIONS['ISO_TIME']})"
_LEVEL = rf"\b(?P<level>{DEFINITIONS['EVENT_LEVEL']})\b"
_TIME_SOMEWHERE, _LEVEL_SOMEWHERE = re.compile(_TIME), re.compile(_LEVEL)
_LOOKED_AT = 256  # characters of a line that no format has in which a time and a level are looked for


def read_text(line: str, why: str = FITS_NONE) -> Reading:
    """A line that no format has: kept as text, with its time and level where they are found."""
    head = line[:_LOOKED_AT]
    fields: Fields = {"message": line}
    if (match := _TIME_SOMEWHERE.search(head)) and (times := typed({TIME: match[0]}, {})):
        fields |= times.fields
    if match := _LEVEL_SOMEWHERE.search(head):
        fields["level"] = match[0]
    return Reading(fields, (Misread(LINE, why, ""),))


def read_texts(lines: pa.Array) -> tuple[NDArray[np.int64], dict[str, Coded]]:
    """What `read_text` gives for each line: times, and the columns level and message."""
    heads = pc.utf8_slice_codeunits(lines, 0, _LOOKED_AT)
    times = pc.struct_field(pc.extract_regex(heads, _TIME), "timestamp")
    levels = pc.struct_field(pc.extract_regex(heads, _LEVEL), "level")
    found = np.zeros(len(lines), np.int64)
    found[np.flatnonzero(times.is_valid())], _ = read_times(times.drop_null())
    return found, {"level": Coded.of(pc.fill_null(levels, "")), "message": Coded.of(lines)}
