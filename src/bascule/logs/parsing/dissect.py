"""Dissect patterns: fields between literal delimiters, as Logstash writes them.

    %{timestamp} %{level} %{service} API_CALL user_id=%{user_id} ... status=%{status:int}

`logformat` has the syntax. A field ends at the first place of the delimiter after it; there is no backtracking. When
the last field is a single word or number, `key=value` pairs may follow it: they become columns of their own names.
A line has the layout although a number in it is none; see `readings.typed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bascule.logformat import ALIAS_UNITS, ALIASES, SINGLE_WORDS, TIME, kind_of, patterns, read_dissect
from bascule.logs.parsing.readings import LINE, Misread, Reading, fold, typed

_PAIRS = re.compile(rf"(?> {patterns.PAIR})* *")  # atomic: a value in quotes reads in two ways
_WORD = re.compile(rf' (?:{patterns.PAIR}|"[^"]*"(?= |$)|[^ ]*)')


@dataclass(frozen=True)
class Field:
    """One field and the literal that ends it ("" for the last). `name` is "" for a skipped field."""

    name: str
    kind: str
    until: str
    padded: bool = False
    inner: tuple[str, ...] = ()  # delimiters that are inside the field, from %{+name}


@dataclass(frozen=True)
class Dissect:
    """A compiled pattern: what a line starts with, then its fields."""

    start: str
    fields: tuple[Field, ...]

    @cached_property
    def signature(self) -> str:
        """The longest literal: a line without it cannot have the layout."""
        return max([self.start, *(field.until for field in self.fields)], key=len)

    @property
    def takes_pairs(self) -> bool:
        return self.fields[-1].kind in SINGLE_WORDS

    @cached_property
    def kinds(self) -> dict[str, str]:
        return {field.name: field.kind for field in self.fields if field.name}

    def read(self, line: str) -> Reading | None:
        """The line's typed fields, or None when it does not have this layout."""
        parts = self.split(line)
        reading = typed(parts[0], self.kinds) if parts else None
        tail = read_tail(parts[1], self.kinds) if parts else None
        return None if reading is None or tail is None else tail.behind(reading)

    def split(self, line: str) -> tuple[dict[str, str], str] | None:
        """The fields' texts and what is behind the last one, or None when a delimiter is missing."""
        if not line.startswith(self.start) or self.signature not in line:
            return None
        found: dict[str, str] = {}
        here = len(self.start)
        for field in self.fields[:-1]:
            there = _end(line, here, field)
            if there < 0:
                return None
            found[field.name] = line[here:there]
            here = _after(line, there, field)
        return self._last(line, here, found)

    def _last(self, line: str, here: int, found: dict[str, str]) -> tuple[dict[str, str], str] | None:
        last, tail = self.fields[-1], ""
        there = _end(line, here, last) if last.until or last.inner else len(line)
        if there < 0 or there + len(last.until) != len(line):
            return None
        if self.takes_pairs and not last.until:
            blank = line.find(" ", here)
            there, tail = (len(line), "") if blank < 0 else (blank, line[blank:])
        found[last.name] = line[here:there]
        found.pop("", None)
        return found, tail


def _end(line: str, here: int, field: Field) -> int:
    """Where the field's closing delimiter is, or -1."""
    for literal in (*field.inner, field.until):
        there = line.find(literal, here)
        if there < 0:
            return there
        here = there + len(literal)
    return there


def _after(line: str, place: int, field: Field) -> int:
    place += len(field.until)
    while field.padded and line.startswith(field.until, place):
        place += len(field.until)
    return place


def read_tail(text: str, declared: Mapping[str, str]) -> Reading | None:
    """` a=1 b="2 3"` behind the declared fields, which it does not replace; None when it is not such pairs."""
    if not _PAIRS.fullmatch(text):
        return None
    found: dict[str, str] = {}
    for word in _WORD.finditer(text):
        if word[1] and word[1] not in declared and word[1] != TIME:
            found.setdefault(word[1], unquoted(word[2]))
    return fold(typed(found, {}) or Reading({}))


def read_words(text: str, declared: Mapping[str, str]) -> Reading:
    """What is behind an access log's own fields: pairs under any name that is known; other words are misread."""
    found: dict[str, str] = {}
    units: dict[str, str] = {}
    nameless: list[Misread] = []
    for word in _WORD.finditer(text):
        name = ALIASES.get(word[1], word[1]) if word[1] else ""
        if name and name not in declared and name not in found and name != TIME:
            found[name] = unquoted(word[2])
            units |= {name: ALIAS_UNITS[word[1]]} if word[1] in ALIAS_UNITS else {}
        elif not name and word[0].strip(' "-'):
            nameless.append(Misread(LINE, "a word without a name", word[0]))
    reading = fold(typed(found, units) or Reading({}))
    return Reading(reading.fields, (*reading.misread, *nameless[:1]))


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def compile_dissect(pattern: str, units: Mapping[str, str] | None = None) -> Dissect:
    """The pattern, compiled; PatternError says where it is wrong."""
    start, parts = read_dissect(pattern)
    kinds = (kind_of(part.name, part.kind, units or {}) for part in parts)
    return Dissect(
        start,
        tuple(
            Field(part.name, kind, part.until, part.padded, part.inner) for part, kind in zip(parts, kinds, strict=True)
        ),
    )
