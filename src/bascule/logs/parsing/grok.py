"""Grok patterns, compiled: `logformat` has their syntax.

A pattern here must cover the whole line, so that a lazy field at the end does not capture nothing
(the source document's `algorithm=%{DATA:algorithm}` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bascule.logformat import GROK_NAMES, kind_of, read_grok
from bascule.logs.parsing.dissect import Fields, typed


def compile_grok(pattern: str, units: Mapping[str, str] | None = None) -> Callable[[str], Fields | None]:
    """A strict reader of lines; PatternError names the place of an unknown pattern or a wrong expression."""
    grok = read_grok(pattern)
    compiled = re.compile(grok.expression)
    columns = {group: GROK_NAMES.get(name, name) for group, (name, _) in grok.fields.items()}
    kinds = {columns[group]: kind_of(name, kind, units or {}) for group, (name, kind) in grok.fields.items()}

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
