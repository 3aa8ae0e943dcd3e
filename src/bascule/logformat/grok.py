"""The syntax of grok patterns: `%{SYNTAX:field:kind}` over regular expressions, with the stock patterns of Logstash.

    %{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:level} (?<user_id>u[0-9]+) took %{NUMBER:response_time:ms}

The stock patterns are `grok-patterns.txt`, one `NAME expression` a line, in the syntax of Python's `re`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from bascule.logformat.fields import KINDS
from bascule.logformat.patterns import DEFINITIONS, PatternError, check_text

LONGEST_EXPRESSION = 50_000  # characters: a third of a second to compile, in each of the engines
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
        """A new group for a field; the same name may be in several branches."""
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
def known_patterns() -> Mapping[str, str]:
    """Name -> expression: Logstash's stock patterns, and our own `DEFINITIONS`."""
    text = resources.files("bascule.logformat").joinpath("grok-patterns.txt").read_text("utf-8")
    lines = (line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    ours = {name: expression.replace(r"\p{L}\p{Nd}_", r"\w") for name, expression in DEFINITIONS.items()}
    return {name: expression for name, expression in lines} | ours  # noqa: C416 - mypy wants pairs


def read_grok(pattern: str) -> Grok:
    """The pattern with its references replaced by what they represent; PatternError says where it is wrong."""
    check_text(pattern)
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
    if len(grok.expression) > LONGEST_EXPRESSION:
        what = f"what it refers to is longer than {LONGEST_EXPRESSION} characters"
        raise PatternError(what, 1, "split it into several formats")
    try:
        re.compile(grok.expression)
    except (re.error, OverflowError, RecursionError) as error:
        place = grok.place_of(getattr(error, "pos", None) or 0) + 1
        what = f"not a regular expression: {getattr(error, 'msg', error)}"
        raise PatternError(what, place, "fix it, or escape it with \\") from error
    return grok


def _expanded(written: str, grok: Grok, place: int, depth: int) -> str:
    """What `%{SYNTAX:field:kind}` represents, as a group; `place` is where the outermost reference is."""
    reference = _REFERENCE.fullmatch(written)
    if reference is None:
        raise PatternError(f"{written!r} is not a grok reference", place, "write %{PATTERN} or %{PATTERN:field}")
    syntax, name, kind = reference["syntax"], reference["field"], reference["kind"]
    if syntax not in known_patterns():
        raise PatternError(f"unknown grok pattern {syntax!r}", place, "use one of Logstash's stock patterns")
    if depth > _DEEPEST:
        raise PatternError(f"grok pattern {syntax!r} refers to itself", place, "remove the circular reference")
    if kind is not None and kind not in KINDS:
        raise PatternError(f"unknown type {kind!r}", place, f"one of {', '.join(KINDS)}")
    start = grok.group(name.strip("[]").replace("][", "."), kind) if name else "(?:"
    return start + _filled(known_patterns()[syntax], grok, place, depth + 1) + ")"


def _filled(expression: str, grok: Grok, place: int, depth: int) -> str:
    """A stock pattern's expression with its own references replaced."""
    return re.sub(r"%\{[^}]*\}", lambda mark: _expanded(mark[0], grok, place, depth), expression)
