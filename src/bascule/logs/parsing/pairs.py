"""A line of `name=value` pairs (logfmt), alone or behind a time, a level and a message, as structlog prints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bascule.logformat import TIME
from bascule.logformat.patterns import LOGFMT_CONSOLE, LOGFMT_PAIR
from bascule.logs.parsing.json_lines import JsonReader
from bascule.logs.parsing.readings import Reading

_PAIR = re.compile(LOGFMT_PAIR)
_ALONE = re.compile(rf"(?>(?:{LOGFMT_PAIR})(?: +|$))+")
_CONSOLE = re.compile(LOGFMT_CONSOLE)
_ESCAPED = re.compile(r"""\\(["'\\])""")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SAID = {"time": TIME, "level": "level", "message": "message", "logger": "logger"}


@dataclass(frozen=True)
class PairsReader:
    """The pairs have the names that values of JSON have."""

    documents: JsonReader = field(default_factory=JsonReader)

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        return [self._read(_COLOUR.sub("", line) if "\x1b" in line else line) for line in lines]

    def _read(self, line: str) -> Reading | None:
        if _ALONE.fullmatch(line):
            return self.documents.reading(_pairs(line))
        match = _CONSOLE.fullmatch(line)
        if match is None:
            return None
        said = {name: match[group] for group, name in _SAID.items() if match[group]}
        return self.documents.reading(said | _pairs(match["pairs"]))


def _pairs(text: str) -> dict[str, str]:
    return {match["name"]: _value(match["value"]) for match in _PAIR.finditer(text)}


def _value(written: str) -> str:
    """Without its quotes, and without backslashes before quotes and backslashes."""
    if len(written) < 2 or written[0] not in "\"'" or written[-1] != written[0]:
        return written
    return _ESCAPED.sub(r"\1", written[1:-1])
