"""Grok patterns: `%{SYNTAX:field:type}` over regular expressions, with the stock patterns of Logstash.

A pattern here must cover the whole line, so that a lazy field at the end does not capture nothing
(the source document's `algorithm=%{DATA:algorithm}` does). The types are those of Logstash, `int` and `float`,
and the kinds of `spec.log_patterns`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bascule.logs.columns import KIND_OF
from bascule.logs.dissect import Fields, typed
from bascule.spec.log_patterns import read_grok

_UNITS = ("s", "ms", "us")
# Names of common fields in Logstash's own patterns, and ours.
_RENAMED = {"loglevel": "level", "status_code": "status", "response": "status", "verb": "method", "request": "endpoint"}


def compile_grok(pattern: str, units: Mapping[str, str] | None = None) -> Callable[[str], Fields | None]:
    """A strict reader of lines; PatternError names the place of an unknown pattern or a wrong expression."""
    grok = read_grok(pattern)
    compiled = re.compile(grok.expression)
    columns = {group: _RENAMED.get(name, name) for group, (name, _) in grok.fields.items()}
    kinds = {columns[group]: _kind(name, kind, units or {}) for group, (name, kind) in grok.fields.items()}

    def read(line: str) -> Fields | None:
        match = compiled.fullmatch(line)
        if match is None:
            return None
        texts: dict[str, str] = {}
        for group, column in columns.items():
            if match[group] is not None:
                texts.setdefault(column, match[group])
        return typed(texts, kinds)

    return read


def _kind(name: str, declared: str | None, units: Mapping[str, str]) -> str:
    """A unit is taken as it is declared; else a column of ours has its usual kind, whatever it is in Logstash."""
    column = _RENAMED.get(name, name)
    usual = KIND_OF.get(column, "text")
    if wanted := units.get(name) or units.get(column):
        return wanted
    return declared or usual if usual == "text" or declared in _UNITS else usual
