"""Grok patterns: `%{SYNTAX:field:type}` over regular expressions, with the stock patterns of Logstash.

The stock set is `grok-patterns.txt`, one `NAME expression` a line, in the syntax of Python's `re`.
A pattern here must cover the whole line, so that a lazy field at the end does not capture nothing
(the source document's `algorithm=%{DATA:algorithm}` does). The types are those of Logstash, `int` and `float`,
and the kinds of `values`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

from bascule.logs.columns import KIND_OF
from bascule.logs.dissect import Fields, PatternError, typed
from bascule.logs.values import KINDS

_REFERENCE = re.compile(r"%\{(?P<syntax>[A-Z][A-Z0-9_]*)(?::(?P<field>[A-Za-z_@\[][\w.@\[\]-]*))?(?::(?P<kind>\w+))?\}")
_ANY_REFERENCE = re.compile(r"%\{[^}]*\}?")
_DEEPEST = 20
# Names of common fields in Logstash's own patterns, and ours.
_RENAMED = {"loglevel": "level", "status_code": "status", "response": "status", "verb": "method", "request": "endpoint"}


@cache
def stock_patterns() -> Mapping[str, str]:
    text = resources.files("bascule.logs").joinpath("grok-patterns.txt").read_text("utf-8")
    lines = (line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: expression for name, expression in lines}  # noqa: C416 - mypy wants pairs


def compile_grok(pattern: str, units: Mapping[str, str] | None = None) -> Callable[[str], Fields | None]:
    """A strict reader of lines; PatternError names the place of an unknown pattern or a wrong expression."""
    fields: dict[str, tuple[str, str]] = {}  # group -> column, kind
    expression = _expanded(pattern, pattern, fields, dict(units or {}), 0)
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise PatternError(f"not a regular expression: {error.msg}", 1, "mend it, or escape it with \\") from error
    kinds = dict(fields.values())

    def read(line: str) -> Fields | None:
        match = compiled.fullmatch(line)
        if match is None:
            return None
        texts: dict[str, str] = {}
        for group, (column, _) in fields.items():
            if match[group] is not None:
                texts.setdefault(column, match[group])
        return typed(texts, kinds)

    return read


def _expanded(
    pattern: str, whole: str, fields: dict[str, tuple[str, str]], units: Mapping[str, str], depth: int
) -> str:
    """The pattern with its references replaced by their expressions, fields as groups g0, g1, ..."""

    def replace(mark: re.Match[str]) -> str:
        reference = _REFERENCE.fullmatch(mark[0])
        place = mark.start() + 1 if depth == 0 else 1
        if reference is None:
            raise PatternError(f"{mark[0]!r} is not a grok reference", place, "write %{PATTERN} or %{PATTERN:field}")
        syntax, field, kind = reference["syntax"], reference["field"], reference["kind"]
        inner = _expanded(_expression(syntax, place, depth), whole, fields, units, depth + 1)
        if field is None:
            return f"(?:{inner})"
        group = f"g{len(fields)}"
        fields[group] = _field(field, kind, units, place)
        return f"(?P<{group}>{inner})"

    return _ANY_REFERENCE.sub(replace, pattern)


def _expression(syntax: str, place: int, depth: int) -> str:
    found = stock_patterns().get(syntax)
    if found is None:
        raise PatternError(f"unknown grok pattern {syntax!r}", place, "use one of Logstash's stock patterns")
    if depth > _DEEPEST:
        raise PatternError(f"grok pattern {syntax!r} refers to itself", place, "break the circle")
    return found


def _field(name: str, kind: str | None, units: Mapping[str, str], place: int) -> tuple[str, str]:
    plain = name.strip("[]").replace("][", ".")
    column = _RENAMED.get(plain, plain)
    if kind is not None and kind not in KINDS:
        raise PatternError(f"unknown type {kind!r}", place, f"one of {', '.join(KINDS)}")
    usual = KIND_OF.get(column, "text")
    return column, units.get(plain) or units.get(column) or (usual if usual != "text" else kind or usual)
