"""The logs role: how far it has read, searches, usage, forgetting a user."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from bascule.api.models.fields import Answer, Moment, Request, Text

MOST_LINES = 1000  # that one search brings


_AS_IT_IS = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)  # blanks can matter


class Search(Request):
    """Words or `/a regular expression/`, from when until when (`1h`, RFC 3339), conditions such as `status>=500`."""

    model_config = _AS_IT_IS

    text: Annotated[str, Field(max_length=2000)] = ""
    since: Annotated[str, Field(max_length=100)] = ""
    until: Annotated[str, Field(max_length=100)] = ""
    where: list[Annotated[str, Field(max_length=1000)]] = Field(default_factory=list, max_length=50)
    limit: int = Field(100, ge=1, le=MOST_LINES)


FACETS = ("source", "level", "version", "endpoint", "status")


class ValueCount(Answer):
    """How many lines have a value, and how many of them are errors: level error or worse, or status 500 or more."""

    value: str
    lines: int
    bad: int = 0


class BucketCount(Answer):
    """The lines of the `step` seconds from `at` on (Unix seconds)."""

    at: float
    lines: int
    bad: int = 0


class LogCounts(Answer):
    """What a search matches, over time and by the commonest values of each facet. Times in Unix seconds."""

    start: float
    end: float
    step: float
    total: int
    buckets: list[BucketCount] = Field(default_factory=list)
    facets: dict[str, list[ValueCount]] = Field(default_factory=dict)


class Forget(Request):
    model_config = _AS_IT_IS

    user: str = Field(min_length=1, max_length=1000)


class Forgotten(Answer):
    rows: int


class Ingest(Request):
    """Files that the role is to read to their end, each with the source that it is read as."""

    model_config = _AS_IT_IS

    sources: dict[Annotated[str, Field(max_length=4096)], Annotated[str, Field(max_length=200)]] = Field(
        min_length=1, max_length=10_000
    )


class Taken(Answer):
    """What was taken in: rows, those that matched no format, those past the retention; in how many seconds."""

    rows: int
    unparsed: int
    seconds: float
    expired: int = 0
    sources: dict[str, str] = Field(default_factory=dict)


class SourceStats(Answer):
    """What was read of one source, and how far behind it is."""

    source: str
    formats: dict[str, int] = Field(default_factory=dict)
    unparsed: int = 0
    lag_bytes: int | float = 0
    lag_seconds: float = 0.0
    files: list[str] = Field(default_factory=list)


class LogStats(Answer):
    sources: list[SourceStats] = Field(default_factory=list)
    consumers: list[dict[str, Any]] = Field(default_factory=list)
    retention: list[dict[str, Any]] = Field(default_factory=list)
    set_aside: list[str] = Field(default_factory=list)


class LogLine(Answer):
    """One line that a search found; the columns that a format adds are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    timestamp: Moment | None = None
    source: Text = ""
    format: Text = ""
    level: Text = ""
    version: Text = ""
    status: int | float | None = None
    method: Text = ""
    endpoint: Text = ""
    response_time: float | None = None
    message: Text = ""

    def others(self, apart: Collection[str]) -> list[tuple[str, Any]]:
        """The remaining columns by name."""
        return [(name, value) for name, value in sorted((self.model_extra or {}).items()) if name not in apart]


class UsageRow(Answer):
    """Requests, errors and p95 response time (seconds) of one endpoint, partner and hour of the day (UTC)."""

    version: Text = ""
    endpoint: Text = ""
    partner: Text = ""
    hour: int | None = None
    requests: int
    errors: int
    p95: float | None = None
