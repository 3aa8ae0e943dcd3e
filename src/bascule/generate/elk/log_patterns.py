"""Log formats as grok patterns that cover the whole line, for Logstash.

A dissect pattern becomes a grok pattern of atomic groups, one for each field with the delimiter behind it: like
dissect it never tries a second way, so a line that does not fit costs one pass. The built-in formats are those of
Bascule's own log reader; a test holds the two together on one corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bascule.logformat import (
    BUILT_IN,
    DOCUMENTED,
    GROK_NAMES,
    HEADS,
    PAIRS,
    SINGLE_WORDS,
    UNITS,
    BuiltInFormat,
    DissectPart,
    kind_of,
    read_dissect,
)
from bascule.spec.model import LogFormat

_START = r"\A"
# A number is read as text and looked at afterwards: a line has its format although a number in it is none.
_SYNTAX = {"word": "TOKEN", "level": "EVENT_LEVEL", "time": "EVENT_TIME"}
_CAPTURE = re.compile(r"(?:%\{\w+:|\(\?<)(\w+)")
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")


@dataclass(frozen=True)
class LinePattern:
    """How Logstash reads one format: by grok patterns tried in turn, or as JSON (or logfmt) when there are none.

    `renamed`: fields whose names are other ones in the index. `factors`: what turns a field's figure into seconds.
    `units` and `columns` are those of JSON lines, by path.
    """

    name: str
    patterns: tuple[str, ...] = ()
    coloured: bool = False  # may hold ANSI codes
    renamed: Mapping[str, str] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    logfmt: bool = False

    @property
    def fields(self) -> list[str]:
        """The fields its patterns capture."""
        return list(dict.fromkeys(name for pattern in self.patterns for name in self._captured(pattern)))

    @property
    def declared(self) -> list[str]:
        """The fields that each of its patterns captures."""
        return [name for name in self.fields if all(name in self._captured(pattern) for pattern in self.patterns)]

    def _captured(self, pattern: str) -> list[str]:
        return [self.renamed.get(name, name) for name in _CAPTURE.findall(pattern)]

    @property
    def takes_pairs(self) -> bool:
        return PAIRS in self.fields

    @property
    def takes_words(self) -> bool:
        """Whether anything can follow the line's own fields, and pairs there go by any name that is known."""
        return any(f"%{{TAIL:{PAIRS}}}" in pattern for pattern in self.patterns)


def line_pattern(name: str, declared: Mapping[str, LogFormat]) -> LinePattern:
    """The spec's format of that name, else the built-in one (the spec's check has refused any other)."""
    return _declared(name, declared[name]) if name in declared else _built_in(BUILT_IN[name])


def _declared(name: str, form: LogFormat) -> LinePattern:
    if form.json_lines:
        return LinePattern(name, units=form.units, columns={path: column for column, path in form.fields.items()})
    if form.dissect is not None:
        pattern, kinds = from_dissect(form.dissect, form.units)
        return LinePattern(name, (pattern,), factors=_factors(kinds))
    pattern, kinds = from_grok(form.grok or "", form.units)
    return LinePattern(name, (pattern,), renamed=GROK_NAMES, factors=_factors(kinds))


def _factors(kinds: Mapping[str, str]) -> dict[str, float]:
    return {GROK_NAMES.get(name, name): UNITS[kind] for name, kind in kinds.items() if UNITS.get(kind, 1.0) != 1.0}


# ---------------------------------------------------------------- dissect


def from_dissect(pattern: str, units: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The anchored grok pattern of a dissect pattern, and each field's kind; PatternError where it is wrong."""
    start, parts = read_dissect(pattern)
    kinds = [kind_of(part.name, part.kind, units or {}) for part in parts]
    groups = (_group(part, kind) for part, kind in zip(parts, kinds, strict=True))
    named = {part.name: kind for part, kind in zip(parts, kinds, strict=True) if part.name}
    return rf"{_START}{escape(start)}{''.join(groups)}\Z", named


def _group(part: DissectPart, kind: str) -> str:
    """One field and its delimiter, as an atomic group; the pattern's last field takes trailing pairs too."""
    name, until = part.name, part.until
    if part.inner:
        inner = "".join(f".*?{escape(literal)}" for literal in part.inner)
        return f"(?>(?<{name}>{inner}.*?){escape(until)})"
    field = f":{name}" if name else ""
    if until:
        syntax = "EVENT_TIME_WORD" if kind == "time" and until.startswith(" ") else _SYNTAX.get(kind, "ANYTHING")
        return f"(?>%{{{syntax}{field}}}{_delimiter(until, part.padded)})"
    if kind in SINGLE_WORDS:
        return f"%{{TOKEN{field}}}%{{PAIRS:{PAIRS}}}"
    return f"%{{{_SYNTAX.get(kind, 'GREEDYDATA')}{field}}}"


def _delimiter(until: str, padded: bool) -> str:
    return f"(?:{escape(until)})+" if padded else escape(until)


def escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


# ---------------------------------------------------------------- grok

_REFERENCE = re.compile(r"%\{(\w+):([\w.@\[\]-]+)(?::(\w+))?\}")


def from_grok(pattern: str, units: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The same pattern, anchored at both ends, without types; and each field's kind."""
    kinds: dict[str, str] = {}

    def reference(mark: re.Match[str]) -> str:
        syntax, name, declared = mark[1], mark[2], mark[3]
        kinds[name] = kind_of(name, declared, units or {})
        return f"%{{{syntax}:{name}}}"

    return rf"\A(?:{_REFERENCE.sub(reference, pattern)})\Z", kinds


# ---------------------------------------------------------------- the built-in formats


def _built_in(form: BuiltInFormat) -> LinePattern:
    patterns = [from_dissect(form.dissect)[0]] if form.dissect else []
    patterns += _event(form.event) if form.event else ()
    layouts = [from_grok(layout) for layout in form.layouts]
    factors = {name: factor for _, kinds in layouts for name, factor in _factors(kinds).items()}
    found = (*patterns, *(layout for layout, _ in layouts))
    return LinePattern(form.name, found, form.coloured, factors=factors, logfmt=form.logfmt)


def _event(event: str) -> Iterator[str]:
    """A message of `key=value` fields behind the source document's layout, or behind one of Python's logging."""
    yield from_dissect(DOCUMENTED + event)[0]
    alone = from_dissect(event)[0].removeprefix(_START)
    yield from (f"{_START}{head}{alone}" for head in HEADS)
