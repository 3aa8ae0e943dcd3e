"""Grok patterns, compiled: `logformat` has their syntax.

A pattern here must cover the whole line, so that a lazy field at the end does not capture nothing
(the source document's `algorithm=%{DATA:algorithm}` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bascule.conventions import CLIENT_LEFT
from bascule.logformat import GROK_NAMES, LEFT, PAIRS, kind_of, read_grok
from bascule.logs.parsing.dissect import read_words
from bascule.logs.parsing.matcher import Match, RegexMatcher, TooCostly
from bascule.logs.parsing.readings import TOO_COSTLY, Reading, typed


@dataclass(frozen=True)
class GrokReader:
    """A compiled pattern: what its groups are called, and their kinds."""

    matcher: RegexMatcher
    columns: Mapping[str, str]
    kinds: Mapping[str, str]

    def read(self, line: str) -> Reading | None:
        return self.read_many([line])[0]

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        """For each line its typed fields, None when it does not have this layout, or `TOO_COSTLY`."""
        return [self._reading(match) for match in self.matcher.match(lines)]

    def _reading(self, match: Match) -> Reading | None:
        if match is None or isinstance(match, TooCostly):
            return None if match is None else TOO_COSTLY
        texts: dict[str, str] = {}
        for group, column in self.columns.items():
            if match[group]:
                texts.setdefault(column, match[group])
        if texts.pop(LEFT, ""):
            texts["status"] = CLIENT_LEFT
        words = texts.pop(PAIRS, "")
        reading = typed(texts, self.kinds)
        return read_words(words, texts).behind(reading) if reading and words else reading


def compile_grok(pattern: str, units: Mapping[str, str] | None = None) -> GrokReader:
    """A strict reader of lines; PatternError names the place of an unknown pattern or a wrong expression."""
    grok = read_grok(pattern)
    columns = {group: GROK_NAMES.get(name, name) for group, (name, _) in grok.fields.items()}
    kinds = {columns[group]: kind_of(name, kind, units or {}) for group, (name, kind) in grok.fields.items()}
    return GrokReader(RegexMatcher(grok.expression), columns, kinds)
