"""The page of logs: what is asked of the logs role, and its lines made safe to read."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Query

from bascule import figures
from bascule.api.models.logs import MOST_LINES, LogLine, Search
from bascule.console.views.logs import LogRow, log_rows
from bascule.errors import BasculeError

if TYPE_CHECKING:
    from bascule.console.parts import Parts

SHOWN = 200  # of them, the latest
LONGEST = 2000  # characters of one text that are shown
SPANS = {
    "5m": "5 minutes",
    "15m": "15 minutes",
    "1h": "hour",
    "6h": "6 hours",
    "24h": "24 hours",
    "7d": "7 days",
    "": "everything kept",
}
LEVELS = {"": "any level", "warning": "warnings and worse", "error": "errors and worse"}
STATUSES = {"": "any status", "400": "4xx and 5xx", "500": "5xx"}
WARNINGS, ERRORS = "warn|warning", "err|error|crit|critical|fatal|severe|alert|emerg|panic"
LEVEL_CONDITIONS = {"warning": f"level~(?i)^({WARNINGS}|{ERRORS})$", "error": f"level~(?i)^({ERRORS})$"}
APART = (
    "timestamp",
    "offset",
    "source",
    "format",
    "level",
    "version",
    "version_from",
    "status",
    "message",
    "method",
    "endpoint",
    "response_time",
)

Short = Annotated[str, Query(max_length=500)]


@dataclass(frozen=True)
class LogSearch:
    """The form's fields; `where` holds further conditions, joined by ` and `."""

    text: Short = ""
    since: Short = "1h"
    level: Short = ""
    status: Short = ""
    source: Short = ""
    where: Short = ""

    @property
    def conditions(self) -> list[str]:
        told = [LEVEL_CONDITIONS.get(self.level, "")]
        told += [f"status>={self.status}"] if self.status in STATUSES and self.status else []
        told += [f"source={self.source}"] if self.source else []
        return [each for each in [*told, *re.split(r"\s+and\s+", self.where.strip())] if each]

    @property
    def search(self) -> Search:
        """As the logs role takes it."""
        return Search(text=self.text, since=self.since, where=self.conditions, limit=MOST_LINES)

    def without_source(self) -> str:
        """The same question about every source, as this page takes it; the page adds the source."""
        return urlencode({name: value for name, value in asdict(self).items() if name != "source"})


@dataclass(frozen=True)
class ShownLine:
    """One line as it is shown; `look` says how it should strike the eye: bad, warn or not at all."""

    at: datetime | None
    source: str
    format: str
    level: str
    version: str
    status: str
    look: str
    text: str
    more: list[tuple[str, str]]


@dataclass(frozen=True)
class FoundLines:
    """`problem` is why there are no lines to show, in the words of who refused; `total` is cut off at MOST_LINES."""

    asked: LogSearch
    lines: list[ShownLine]
    total: int
    by_source: dict[str, int]
    sources: list[LogRow]
    problem: str = ""

    @property
    def is_cut(self) -> bool:
        return self.total >= MOST_LINES

    @property
    def options(self) -> list[str]:
        """The sources to choose from; the chosen one is among them even when nobody knows it."""
        names = {row.source for row in self.sources} | ({self.asked.source} if self.asked.source else set())
        return sorted(names)


def found(parts: Parts, asked: LogSearch, now: float) -> FoundLines:
    """Ask the logs role; it answers whatever the form holds, or says why not."""
    sources = log_rows(parts.logs.reading, now)
    try:
        lines = parts.search(asked.search)
    except BasculeError as error:
        return FoundLines(asked, [], 0, {}, sources, f"{error.what}. {error.fix}".rstrip(" ."))
    by_source = Counter(visible(line.source) for line in lines)
    return FoundLines(asked, [_line(each) for each in lines[:SHOWN]], len(lines), dict(by_source), sources)


def _line(line: LogLine) -> ShownLine:
    return ShownLine(
        at=line.timestamp,
        source=visible(line.source),
        format=visible(line.format),
        level=visible(line.level),
        version=visible(line.version),
        status="" if line.status is None else f"{line.status:.0f}",
        look=_look(line),
        text=visible(_text(line)),
        more=_more(line),
    )


def _more(line: LogLine) -> list[tuple[str, str]]:
    """The other fields but those that only repeat the source; what a format has beside the columns names itself."""
    others = [(name, value) for name, value in line.others(APART) if value not in (None, "", line.source)]
    return [("" if name == "extra" else visible(name), visible(value)) for name, value in others]


def _look(line: LogLine) -> str:
    status = line.status or 0
    if status >= 500 or re.fullmatch(ERRORS, line.level, re.IGNORECASE):
        return "bad"
    return "warn" if status >= 400 or re.fullmatch(WARNINGS, line.level, re.IGNORECASE) else ""


def _text(line: LogLine) -> str:
    took = figures.figure(line.response_time, "seconds") if line.response_time is not None else ""
    return " ".join(filter(None, (line.method, line.endpoint, took, line.message)))


def visible(value: Any) -> str:
    """A text from outside with everything that could hide or turn its neighbours made plain to see."""
    text = str(value)
    shown = "".join(_plain(char) for char in text[:LONGEST])
    return shown if len(text) <= LONGEST else f"{shown} … and {figures.count(len(text) - LONGEST)} more characters"


def _plain(char: str) -> str:
    """Line ends and tabs stay; controls, marks that turn or hide text, and unpaired surrogates become their number."""
    if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
