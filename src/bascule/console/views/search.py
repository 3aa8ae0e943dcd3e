"""The page of logs: what is asked of the logs role, and its lines made safe to read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Query

from bascule import figures
from bascule.api.models.logs import LogCounts, LogLine, Search, ValueCount
from bascule.console.views.logs import LogRow, log_rows
from bascule.errors import BasculeError, UsageError
from bascule.logformat.levels import ERRORS, WARNINGS

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

SHOWN_VALUES = 8  # of a facet
FACET_TITLES = {"level": "Level", "version": "Version", "endpoint": "Endpoint", "status": "Status"}

Short = Annotated[str, Query(max_length=500)]
Level = Annotated[str, Query(pattern=f"^({'|'.join(LEVELS)})$")]
Status = Annotated[str, Query(pattern=f"^({'|'.join(STATUSES)})$")]
Several = Annotated[tuple[Annotated[str, Query(max_length=500)], ...], Query(max_length=20)]


@dataclass(frozen=True)
class LogSearch:
    """The form's fields; `where` holds further conditions, joined by ` and `; `has` one condition for each facet."""

    text: Short = ""
    since: Short = "1h"
    level: Level = ""
    status: Status = ""
    source: Short = ""
    where: Short = ""
    until: Short = ""
    has: Several = ()

    @property
    def conditions(self) -> list[str]:
        told = [LEVEL_CONDITIONS.get(self.level, "")]
        told += [f"status>={self.status}"] if self.status in STATUSES and self.status else []
        told += [f"source={self.source}"] if self.source else []
        return [each for each in [*told, *self.has, *re.split(r"\s+and\s+", self.where.strip())] if each]

    @property
    def search(self) -> Search:
        """As the logs role takes it."""
        return Search(text=self.text, since=self.since, until=self.until, where=self.conditions, limit=SHOWN)

    def address(self, **others: Any) -> str:
        """The same question as this page takes it, with other values of some fields."""
        return f"/logs?{urlencode(asdict(self) | others, doseq=True)}"

    def toggled(self, condition: str) -> str:
        """The address with the condition, or without it where it is asked for already."""
        without = tuple(each for each in self.has if each != condition)
        return self.address(has=without if condition in self.has else (*without, condition))


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
    """`problem`: why there are no lines to show, in the words of who refused; `is_refused`: the question is wrong.
    `counts` are of all that match; `uncounted`: why there are none.
    """

    asked: LogSearch
    lines: list[ShownLine]
    sources: list[LogRow]
    counts: LogCounts | None = None
    problem: str = ""
    is_refused: bool = False
    uncounted: str = ""

    @property
    def by_source(self) -> dict[str, int]:
        found = self.counts.facets.get("source", []) if self.counts else []
        return {visible(each.value): each.lines for each in found}

    @property
    def facets(self) -> list[Facet]:
        counted = self.counts.facets if self.counts else {}
        return [_facet(name, title, counted.get(name, []), self.asked) for name, title in FACET_TITLES.items()]

    @property
    def bars(self) -> list[Bar]:
        return list(_bars(self.counts)) if self.counts else []

    @property
    def options(self) -> list[str]:
        """The sources to choose from; the chosen one is among them even when nobody knows it."""
        names = {row.source for row in self.sources} | ({self.asked.source} if self.asked.source else set())
        return sorted(names)


def found(parts: Parts, asked: LogSearch, now: float) -> FoundLines:
    """Ask the logs role; it answers whatever the form holds, or says why not."""
    sources = log_rows(parts.logs.reading, now)
    try:
        lines = [shown_line(each) for each in parts.search(asked.search)]
    except BasculeError as error:
        return FoundLines(asked, [], sources, problem=_said(error), is_refused=isinstance(error, UsageError))
    try:
        return FoundLines(asked, lines, sources, parts.counts(asked.search))
    except BasculeError as error:
        return FoundLines(asked, lines, sources, uncounted=_said(error))


def _said(error: BasculeError) -> str:
    return f"{error.what}. {error.fix}".rstrip(" .")


@dataclass(frozen=True)
class FacetValue:
    """`address`: the search narrowed to this value, or no longer so where `is_chosen`."""

    value: str
    lines: int
    bad: int
    address: str
    is_chosen: bool


@dataclass(frozen=True)
class Facet:
    title: str
    values: list[FacetValue]
    others: int


def _facet(name: str, title: str, counted: Sequence[ValueCount], asked: LogSearch) -> Facet:
    values = [
        FacetValue(
            visible(each.value),
            each.lines,
            each.bad,
            asked.toggled(f"{name}={each.value}"),
            f"{name}={each.value}" in asked.has,
        )
        for each in counted[:SHOWN_VALUES]
    ]
    return Facet(title, values, len(counted) - len(values))


@dataclass(frozen=True)
class Bar:
    """The lines of a stretch of time: where it is and how high it is (percent), how much of it is errors."""

    left: float
    width: float
    height: float
    bad: float
    lines: int
    errors: int
    start: float
    end: float


def _bars(counts: LogCounts) -> Iterator[Bar]:
    """On the whole span, so that the time without a line is seen as such."""
    begin = counts.start // counts.step * counts.step
    span = max(counts.step, counts.end - begin)
    most = max((each.lines for each in counts.buckets), default=0)
    for each in counts.buckets:
        left, height = 100 * (each.at - begin) / span, 100 * each.lines / most
        width = min(100 * counts.step / span, 100 - left)
        bad = 100 * each.bad / most
        yield Bar(round(left, 2), round(width, 2), round(height, 2), round(bad, 2), each.lines, each.bad, each.at,
                  each.at + counts.step)  # fmt: skip


def shown_line(line: LogLine) -> ShownLine:
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
