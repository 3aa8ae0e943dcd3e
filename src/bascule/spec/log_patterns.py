"""The syntax of log formats, dissect and grok, taken apart and checked; what their fields mean is the log reader's.

    %{timestamp} %{level} %{service} API_CALL user_id=%{user_id} ... status=%{status:int}        dissect
    %{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:level} (?<user_id>u[0-9]+) took %{NUMBER:response_time:ms}   grok

The stock grok patterns are `grok-patterns.txt`, one `NAME expression` a line, in the syntax of Python's `re`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources

from bascule.errors import BasculeError
from bascule.spec.model import LogFormat

KINDS = ("text", "word", "level", "int", "float", "s", "ms", "us", "time")


class PatternError(BasculeError):
    """A pattern that cannot be read; `position` is the 1-based character where the fault stands."""

    exit_code = 2

    def __init__(self, what: str, position: int, mend: str) -> None:
        super().__init__(f"{what}, at character {position} of the pattern", mend)
        self.position = position


def check(form: LogFormat) -> tuple[str, PatternError] | None:
    """The key of the pattern that is wrong, and what is."""
    try:
        if form.dissect is not None:
            read_dissect(form.dissect)
        if form.grok is not None:
            read_grok(form.grok)
    except PatternError as error:
        return "grok" if form.dissect is None else "dissect", error
    return None


# ---------------------------------------------------------------- dissect

_FIELD = re.compile(r"%\{([^}]*)\}")
_NAME = re.compile(r"^([?+]?)([A-Za-z_@][\w.@]*)?(->)?(?::(\w+))?$")


@dataclass(frozen=True)
class Part:
    """One field as it is written, and the literal that ends it ("" for the last). `name` is "" for a skipped field."""

    name: str
    kind: str | None
    until: str
    padded: bool = False
    inner: tuple[str, ...] = ()  # delimiters that stand inside the field, from %{+name}


def read_dissect(pattern: str) -> tuple[str, tuple[Part, ...]]:
    """What a line starts with, and the fields; PatternError says where the pattern is wrong."""
    marks = list(_FIELD.finditer(pattern))
    if not marks:
        raise PatternError("no %{field} in the pattern", 1, "write fields as %{name}, such as %{timestamp} %{message}")
    parts: list[Part] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        until = pattern[mark.end() : following.start() if following else len(pattern)]
        if (open_brace := until.find("%{")) >= 0:
            raise PatternError("'%{' without its '}'", mark.end() + open_brace + 1, "close the field with }")
        if following and not until:
            raise PatternError("two fields with nothing between them", following.start() + 1, "put a delimiter there")
        _add(parts, mark, until)
    return pattern[: marks[0].start()], tuple(parts)


def _add(parts: list[Part], mark: re.Match[str], until: str) -> None:
    match = _NAME.match(mark[1])
    if match is None:
        raise PatternError(f"%{{{mark[1]}}} is not a field", mark.start() + 1, "write %{name} or %{name:kind}")
    modifier, name, padded, kind = match.groups()
    if kind is not None and kind not in KINDS:
        raise PatternError(f"unknown kind {kind!r}", mark.start(1) + 1, f"one of {', '.join(KINDS)}")
    if modifier == "+":
        _join(parts, name, mark, until)
        return
    if name and any(part.name == name for part in parts):
        raise PatternError(f"{name!r} stands twice", mark.start(1) + 1, "join with %{+name}, or skip with %{?name}")
    shown = "" if modifier == "?" else name or ""
    parts.append(Part(shown, kind, until, bool(padded)))


def _join(parts: list[Part], name: str | None, mark: re.Match[str], until: str) -> None:
    """`%{a} %{+a}` is one field that holds the delimiter between its parts."""
    if not parts or not name or parts[-1].name != name or parts[-1].padded:
        raise PatternError(f"%{{{mark[1]}}} does not follow its field", mark.start() + 1, "put it right after it")
    first = parts.pop()
    parts.append(replace(first, until=until, inner=(*first.inner, first.until)))


# ---------------------------------------------------------------- grok

_REFERENCE = re.compile(r"%\{(?P<syntax>[A-Z][A-Z0-9_]*)(?::(?P<field>[A-Za-z_@\[][\w.@\[\]-]*))?(?::(?P<kind>\w+))?\}")
_MARK = re.compile(r"(?P<escaped>\\.)|(?P<reference>%\{[^}]*\}?)|\(\?P?<(?P<named>[A-Za-z_]\w*)>", re.DOTALL)
_DEEPEST = 20


@dataclass
class Grok:
    """A grok pattern as a regular expression, and its fields: group -> name and kind as they are written."""

    expression: str = ""
    fields: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    _places: list[tuple[int, int, bool]] = field(default_factory=list)  # in the expression, in the pattern, literal?

    def group(self, name: str, kind: str | None) -> str:
        """A new group for a field; the same name may stand in several branches."""
        group = f"g{len(self.fields)}"
        self.fields[group] = (name, kind)
        return f"(?P<{group}>"

    def add(self, text: str, place: int, literal: bool) -> None:
        self._places.append((len(self.expression), place, literal))
        self.expression += text

    def place_of(self, position: int) -> int:
        """Where in the pattern a place of the expression comes from (both from 0)."""
        start, place, literal = max(known for known in self._places if known[0] <= position)
        return place + (position - start if literal else 0)


@cache
def stock_patterns() -> Mapping[str, str]:
    text = resources.files("bascule.spec").joinpath("grok-patterns.txt").read_text("utf-8")
    lines = (line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: expression for name, expression in lines}  # noqa: C416 - mypy wants pairs


def read_grok(pattern: str) -> Grok:
    """The pattern with its references replaced by what they stand for; PatternError says where it is wrong."""
    grok = Grok()
    here = 0
    for mark in _MARK.finditer(pattern):
        if mark["escaped"]:
            continue
        grok.add(pattern[here : mark.start()], here, literal=True)
        named = mark["named"]
        text = grok.group(named, None) if named else _expanded(mark["reference"], grok, mark.start() + 1, 0)
        grok.add(text, mark.start(), literal=False)
        here = mark.end()
    grok.add(pattern[here:], here, literal=True)
    try:
        re.compile(grok.expression)
    except (re.error, OverflowError, RecursionError) as error:
        place = grok.place_of(getattr(error, "pos", None) or 0) + 1
        what = f"not a regular expression: {getattr(error, 'msg', error)}"
        raise PatternError(what, place, "mend it, or escape it with \\") from error
    return grok


def _expanded(written: str, grok: Grok, place: int, depth: int) -> str:
    """What `%{SYNTAX:field:kind}` stands for, as a group; `place` is where the outermost reference stands."""
    reference = _REFERENCE.fullmatch(written)
    if reference is None:
        raise PatternError(f"{written!r} is not a grok reference", place, "write %{PATTERN} or %{PATTERN:field}")
    syntax, name, kind = reference["syntax"], reference["field"], reference["kind"]
    if syntax not in stock_patterns():
        raise PatternError(f"unknown grok pattern {syntax!r}", place, "use one of Logstash's stock patterns")
    if depth > _DEEPEST:
        raise PatternError(f"grok pattern {syntax!r} refers to itself", place, "break the circle")
    if kind is not None and kind not in KINDS:
        raise PatternError(f"unknown type {kind!r}", place, f"one of {', '.join(KINDS)}")
    start = grok.group(name.strip("[]").replace("][", "."), kind) if name else "(?:"
    return start + _filled(stock_patterns()[syntax], grok, place, depth + 1) + ")"


def _filled(expression: str, grok: Grok, place: int, depth: int) -> str:
    """A stock pattern's expression with its own references replaced."""
    return re.sub(r"%\{[^}]*\}", lambda mark: _expanded(mark[0], grok, place, depth), expression)
