"""The formats a source's lines can have: the built-in ones of `logformat`, and those of the spec.

A format reads one line into typed fields (`logformat.FIELDS`) or says None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.errors import UsageError
from bascule.logformat import (
    ALIASES,
    BUILT_IN,
    COLUMNS,
    DEFINITIONS,
    DOCUMENTED,
    HEADS,
    BuiltInFormat,
)
from bascule.logs.parsing.columnar import can_vectorise
from bascule.logs.parsing.columns import Coded
from bascule.logs.parsing.dissect import Dissect, Fields, compile_dissect, fold, typed
from bascule.logs.parsing.grok import compile_grok
from bascule.logs.parsing.values import read_times, read_value
from bascule.spec.model import LogFormat

__all__ = ["Format", "built_in", "format_named", "read_text", "read_texts"]

ReadLine = Callable[[str], Fields | None]


@dataclass(frozen=True)
class Format:
    """`read` is the strict reading of one line; with a `dissect`, whole chunks are read at once too.

    `more`: the strict reading has lines, too, that hold no `signature`.
    """

    name: str
    read: ReadLine
    dissect: Dissect | None = None
    more: bool = False
    literal: str = ""

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
        return Format(name, dissect.read, dissect)
    if declared.json_lines:
        return Format(name, _json(declared.units))
    return Format(name, compile_grok(declared.grok or "", declared.units))


@cache
def built_in(name: str) -> Format:
    """A format of `logformat.BUILT_IN`; KeyError where there is none of that name."""
    form = BUILT_IN[name]
    if form.json:
        return Format(name, _json({}))
    if form.event:
        return _event(form)
    dissect = compile_dissect(form.dissect) if form.dissect else None
    return Format(name, _text(form, dissect), dissect, more=bool(form.layouts))


def _text(form: BuiltInFormat, dissect: Dissect | None) -> ReadLine:
    """The dissect pattern, then the layouts in their order."""
    layouts = [compile_grok(layout) for layout in form.layouts]

    def read(line: str) -> Fields | None:
        if dissect is not None and (fields := dissect.read(line)) is not None:
            return fields
        plain = _ANSI.sub("", line) if form.coloured else line
        return _first(layouts, plain)

    return read


def _first(readings: list[ReadLine], line: str) -> Fields | None:
    return next((fields for read in readings if (fields := read(line)) is not None), None)


def _event(form: BuiltInFormat) -> Format:
    """A message of `key=value` fields behind the source document's layout, or behind one of Python's logging."""
    whole, alone = compile_dissect(DOCUMENTED + form.event), compile_dissect(form.event)
    heads = [compile_grok(head) for head in HEADS]

    def read(line: str) -> Fields | None:
        if alone.start not in line:
            return None
        if (fields := whole.read(line)) is not None:
            return fields
        before, _, after = line.partition(alone.start)
        stated = _first(heads, before)
        fields = alone.read(alone.start + after) if stated is not None else None
        if stated is None or fields is None:
            return None
        said = {name: value for name, value in stated.items() if value != ""}
        return fields | said  # a pair behind the fields does not replace what stands before them

    return Format(form.name, read, whole, literal=alone.start)


# ---------------------------------------------------------------- JSON


def _json(units: Mapping[str, str]) -> ReadLine:
    def read(line: str) -> Fields | None:
        if not line.startswith("{"):
            return None
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return _fields_of(document, units) if isinstance(document, dict) else None

    return read


def _fields_of(document: dict[str, Any], units: Mapping[str, str]) -> Fields:
    """A JSON object's fields under the store's names; a name of the store takes precedence over its aliases."""
    texts: dict[str, str] = {}
    for name, value in _flat(document, ""):
        own = name in COLUMNS
        target = name if own else ALIASES.get(name, name)
        if own or target not in texts:
            texts[target] = value
    if "endpoint" not in texts and "request" in texts:
        texts |= _request_line(texts.pop("request"))
    said = {name: text for name, text in texts.items() if text not in ("", "-")}
    fields = typed(said, {}) or {}
    for name in said.keys() & units.keys():
        seconds = read_value(said[name], units[name])
        if seconds is not None:
            fields[name] = seconds
    return fold(fields)


def _flat(document: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """Names and texts of a document's scalars; nested ones as `a.b`, one level deep, deeper ones as JSON."""
    found: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, dict) and not prefix:
            found += _flat(value, f"{name}.")
        elif value is not None:
            found.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return found


def _request_line(text: str) -> dict[str, str]:
    method, _, rest = text.partition(" ")
    return {"method": method, "endpoint": rest.rsplit(" ", 1)[0]} if rest else {"endpoint": text}


# ---------------------------------------------------------------- text

_ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Werkzeug and uvicorn colour their lines
_TIME = f"(?P<timestamp>{DEFINITIONS['ISO_TIME']})"
_LEVEL = rf"\b(?P<level>{DEFINITIONS['EVENT_LEVEL']})\b"
_TIME_SOMEWHERE, _LEVEL_SOMEWHERE = re.compile(_TIME), re.compile(_LEVEL)
_LOOKED_AT = 256  # characters of a line that no format has in which a time and a level are looked for


def read_text(line: str) -> Fields:
    """A line that no format has: kept as text, with its time and level where they are found."""
    head = line[:_LOOKED_AT]
    fields: Fields = {"message": line}
    if match := _TIME_SOMEWHERE.search(head):
        fields |= typed({"timestamp": match[0]}, {}) or {}
    if match := _LEVEL_SOMEWHERE.search(head):
        fields["level"] = match[0]
    return fields


def read_texts(lines: pa.Array) -> tuple[NDArray[np.int64], dict[str, Coded]]:
    """What `read_text` gives for each line: times, and the columns level and message."""
    heads = pc.utf8_slice_codeunits(lines, 0, _LOOKED_AT)
    times = pc.struct_field(pc.extract_regex(heads, _TIME), "timestamp")
    levels = pc.struct_field(pc.extract_regex(heads, _LEVEL), "level")
    found = np.zeros(len(lines), np.int64)
    found[np.flatnonzero(times.is_valid())], _ = read_times(times.drop_null())
    return found, {"level": Coded.of(pc.fill_null(levels, "")), "message": Coded.of(lines)}
