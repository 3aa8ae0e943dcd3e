"""A JSON object a line: its values by path, under the store's names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bascule.conventions import CLIENT_LEFT
from bascule.logformat import ALIAS_UNITS, ALIASES, CALLER_NAMES, COLUMNS, LEFT_FLAGS, LEFT_NAMES, TIME
from bascule.logs.parsing.readings import Reading, fold, typed
from bascule.logs.parsing.values import BLANKS, Fields, document_of

_FIRST = -1  # of the names for a column
_LEFT = re.compile(LEFT_FLAGS)
# What loggers and collectors put a line's own fields into.
_CONTAINERS = frozenset(
    ("record", "extra", "fields", "@fields", "context", "ctx", "data", "attributes", "attrs", "labels", "meta",
     "metadata", "payload", "jsonPayload", "httpRequest", "Properties")
)  # fmt: skip
_OF_REQUESTS = frozenset(("version", "endpoint", "method", "status", "response_time", "user_id", "upstream_addr"))
_DEEPEST = 20  # of nested objects; what is deeper stays JSON


@dataclass(frozen=True)
class JsonReader:
    """`units`: of times taken, by path or by column. `columns`: path -> column, beside `logformat.ALIASES`."""

    units: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def read_many(self, lines: Sequence[str]) -> list[Reading | None]:
        return [self._read(line) for line in lines]

    def _read(self, line: str) -> Reading | None:
        if not line.startswith("{"):
            return None
        document = document_of(line)
        return self.reading(document) if document is not None else None

    def reading(self, document: Mapping[str, Any]) -> Reading:
        """Of several names for a column its own counts most, then one that the spec declares, then the first."""
        texts: dict[str, str] = {}
        ranks: dict[str, int] = {}
        kinds: dict[str, str] = {}
        callers: Fields = {}
        for path, text in _flat(document):
            if path in CALLER_NAMES:
                callers.setdefault(CALLER_NAMES[path], text)
            if path in LEFT_NAMES and _LEFT.fullmatch(text):
                texts["status"], ranks["status"] = CLIENT_LEFT, _FIRST
            column, rank = self._column(path)
            if column not in ranks or rank < ranks[column]:
                texts[column], ranks[column] = text, rank
                if unit := self.units.get(path) or self.units.get(column) or ALIAS_UNITS.get(_bare(path)):
                    kinds[column] = unit
        if "endpoint" not in texts and "request" in texts:
            texts |= request_line(texts.pop("request"))
        if (at := texts.get(TIME, "")).startswith("["):  # as access logs write it
            texts[TIME] = at.strip("[]")
        said = {name: text for name, text in texts.items() if text not in BLANKS}
        reading = fold(typed(said, kinds) or Reading({}))
        return Reading(reading.fields | callers, reading.misread)

    def _column(self, path: str) -> tuple[str, int]:
        if path in COLUMNS:
            return path, 0
        if path in self.columns:
            return self.columns[path], 1
        if path in ALIASES:
            return ALIASES[path], 2
        bare = _bare(path)
        column = ALIASES.get(bare, bare) if bare != path else path
        return (column, 3) if column in _OF_REQUESTS else (path, 2)


def _bare(path: str) -> str:
    """The path without the objects that loggers put a line's own fields into."""
    while path.partition(".")[0] in _CONTAINERS and "." in path:
        path = path.partition(".")[2]
    return path


def _flat(document: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """Paths and texts of a document's values: nested ones as `a.b`, lists as JSON."""
    for name, value in document.items():
        if isinstance(value, dict) and value and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        elif value is not None:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def request_line(text: str) -> dict[str, str]:
    """Method and target of `GET /x HTTP/1.1`; what has no method is a target."""
    method, _, rest = text.partition(" ")
    return {"method": method, "endpoint": rest.rsplit(" ", 1)[0]} if rest else {"endpoint": text}
