"""The formats a source's lines can have: the built-in ones, and those of the spec.

A format reads one line into typed fields (`columns.TEXTS`, `NUMBERS` and `timestamp`) or says None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule.errors import UsageError
from bascule.logs.columnar import can_vectorise
from bascule.logs.columns import COLUMNS, KIND_OF, Coded
from bascule.logs.dissect import Dissect, Fields, compile_dissect, fold, typed
from bascule.logs.values import LEVELS, read_times, read_value
from bascule.spec.model import LogFormat

__all__ = ["BUILT_IN", "Format", "format_named", "read_text"]


@dataclass(frozen=True)
class Format:
    """`read` is the strict reading of one line; with a `dissect`, whole chunks are read at once too.

    `more`: the strict reading has lines, too, that hold no `signature`.
    """

    name: str
    read: Callable[[str], Fields | None]
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
    """The spec's format of that name, else the built-in one."""
    if name in declared:
        return _declared(name, declared[name])
    if name in BUILT_IN:
        return BUILT_IN[name]
    known = ", ".join(sorted({*BUILT_IN, *declared}))
    raise UsageError(f"logs: unknown format {name!r}", f"declare it under logs.formats, or use one of {known}")


def _declared(name: str, declared: LogFormat) -> Format:
    if declared.dissect is not None:
        return _dissect(name, declared.dissect, declared.units)
    if declared.json_lines:
        return _json(name, declared.units)
    from bascule.logs.grok import compile_grok

    return Format(name, compile_grok(declared.grok or "", declared.units))


def _dissect(name: str, pattern: str, units: Mapping[str, str] | None = None) -> Format:
    dissect = compile_dissect(pattern, units)
    return Format(name, dissect.read, dissect)


def _layouts(name: str, *patterns: str, first: Dissect | None = None) -> Format:
    """A format by regular expressions, tried in turn, whose named groups are fields; `first` is tried before them."""
    compiled = [re.compile(pattern) for pattern in patterns]

    def read(line: str) -> Fields | None:
        if first is not None and (fields := first.read(line)) is not None:
            return fields
        plain = _ANSI.sub("", line)
        match = next(filter(None, (pattern.fullmatch(plain) for pattern in compiled)), None)
        if match is None:
            return None
        texts = {group: text for group, text in match.groupdict().items() if text is not None}
        return typed(texts, {group: KIND_OF.get(group, "text") for group in texts})

    return Format(name, read, first, more=True)


def _event(name: str, event: str) -> Format:
    """A message of `key=value` fields behind the source document's layout, or behind one of Python's logging."""
    whole, alone = compile_dissect("%{timestamp} %{level} %{service} " + event), compile_dissect(event)

    def read(line: str) -> Fields | None:
        if alone.start not in line:
            return None
        if (fields := whole.read(line)) is not None:
            return fields
        before, _, after = line.partition(alone.start)
        prefix = next(filter(None, (layout.fullmatch(before) for layout in _LAYOUTS)), None)
        fields = alone.read(alone.start + after) if prefix else None
        if prefix is None or fields is None:
            return None
        texts = {group: text for group, text in prefix.groupdict().items() if text}
        stated = typed(texts, {group: KIND_OF.get(group, "text") for group in texts})
        return None if stated is None else fields | stated  # a pair behind the fields does not stand against them

    return Format(name, read, whole, literal=alone.start)


# ---------------------------------------------------------------- JSON

_ALIASES = {
    "time": "timestamp", "@timestamp": "timestamp", "time_iso8601": "timestamp", "time_local": "timestamp",
    "ts": "timestamp", "asctime": "timestamp", "msec": "timestamp",
    "request_time": "response_time", "duration": "response_time", "http.response_time": "response_time",
    "uri": "endpoint", "path": "endpoint", "request_uri": "endpoint", "url.path": "endpoint", "http.route": "endpoint",
    "request_method": "method", "http.request.method": "method", "status_code": "status",
    "http.response.status_code": "status", "levelname": "level", "severity": "level", "log.level": "level",
    "name": "service", "logger": "service", "service.name": "service", "msg": "message", "user.id": "user_id",
    "segment": "user_segment",
}  # fmt: skip


def _json(name: str, units: Mapping[str, str] | None = None) -> Format:
    kinds = dict(units or {})

    def read(line: str) -> Fields | None:
        if not line.startswith("{"):
            return None
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return _fields_of(document, kinds) if isinstance(document, dict) else None

    return Format(name, read)


def _fields_of(document: dict[str, Any], units: Mapping[str, str]) -> Fields:
    """A JSON object's fields under the store's names; a name of the store stands against its aliases."""
    texts: dict[str, str] = {}
    for name, value in _flat(document, ""):
        own = name in COLUMNS
        target = name if own else _ALIASES.get(name, name)
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


# ---------------------------------------------------------------- text layouts

_ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Werkzeug and uvicorn colour their lines
_REQUEST = r'"(?P<method>[A-Z]+) (?P<endpoint>[^ "]+)(?: HTTP/[0-9.]+)?"'
_LEVEL = rf"(?P<level>{'|'.join(LEVELS)})"
_TIME = (
    r"(?P<timestamp>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)"
)
_CLIENT = r"[0-9A-Fa-f.:\[\]]+"
_SERVICE = r"(?P<service>[\w.-]+)"
_PYTHON = (  # what stands before the message in common layouts of Python's logging
    rf"{_TIME} - (?P<service>[^ ]+) - {_LEVEL} - ",
    rf"{_TIME} - {_LEVEL} - ",
    rf"{_TIME} \[?{_LEVEL}\]? (?:- )?\[?{_SERVICE}\]?:? ",
    rf"\[{_TIME}\] {_LEVEL} in {_SERVICE}: ",  # Flask's
    rf"{_LEVEL}:(?P<service>[^: ]*):",
)
_LAYOUTS = tuple(re.compile(layout) for layout in (*_PYTHON, rf"(?:{_TIME} )?"))

BUILT_IN: dict[str, Format] = {
    built_in.name: built_in
    for built_in in (
        _event(
            "api_call",
            "API_CALL user_id=%{user_id} endpoint=%{endpoint}"
            " response_time=%{response_time:float} status=%{status:int}",
        ),
        _event(
            "match_result",
            "MATCH_RESULT candidate_id=%{candidate_id} job_id=%{job_id}"
            " accuracy=%{accuracy:float} algorithm=%{algorithm:word}",
        ),
        _dissect(
            "nginx_combined",
            '%{?address} - %{?user} [%{timestamp}] "%{method} %{endpoint} %{?protocol}" %{status:int} %{?bytes}'
            ' "%{?referrer}" "%{?rest}',
        ),
        _json("nginx_json"),
        _json("json"),
        _layouts(
            "werkzeug",
            rf'(?:[^"\[]*[ :])?{_CLIENT} - - \[(?P<timestamp>[^\]]+)\] {_REQUEST} (?P<status>[0-9]{{3}}) (?:-|[0-9]+)',
        ),
        _layouts(
            "uvicorn",
            rf"(?:{_TIME} )?{_LEVEL}: +{_CLIENT} - {_REQUEST} (?P<status>[0-9]{{3}})(?: [A-Za-z' -]+)?",
        ),
        _layouts(
            "python",
            *(f"{layout}(?P<message>.*)" for layout in _PYTHON),
            first=compile_dissect("%{timestamp} %{level:level} %{service} %{message}"),  # the source document's layout
        ),
    )
}  # fmt: skip

_TIME_SOMEWHERE, _LEVEL_SOMEWHERE = re.compile(_TIME), re.compile(rf"\b{_LEVEL}\b")
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
    levels = pc.struct_field(pc.extract_regex(heads, rf"\b{_LEVEL}\b"), "level")
    found = np.zeros(len(lines), np.int64)
    found[np.flatnonzero(times.is_valid())], _ = read_times(times.drop_null())
    return found, {"level": Coded.of(pc.fill_null(levels, "")), "message": Coded.of(lines)}
