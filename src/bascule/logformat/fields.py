"""The fields of a log line: their names, kinds and units, the other names they go by, their types in an index.

A row of the log store, a document of a search engine and an event of the generated Logstash pipeline have these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TIME = "timestamp"


@dataclass(frozen=True)
class LogField:
    """One field of a row.

    `kind` is what its values are: `text`, `time` (microseconds since 1970, UTC), `int`, `float` or `s` (seconds).
    `indexed` is its type in Elasticsearch and OpenSearch. `aliases` are names that loggers and proxies give to it.
    """

    name: str
    kind: str = "text"
    indexed: str = "keyword"
    aliases: tuple[str, ...] = ()


FIELDS = (
    LogField(TIME, "time", "date", ("time", "@timestamp", "time_iso8601", "time_local", "ts", "asctime", "msec")),
    LogField("level", aliases=("levelname", "severity", "log.level")),
    LogField("service", aliases=("name", "logger", "service.name")),
    LogField("version"),
    LogField("version_from"),  # source, field, service, upstream, path or unknown
    LogField("endpoint", aliases=("uri", "path", "request_uri", "url.path", "http.route")),
    LogField("method", aliases=("request_method", "http.request.method")),
    LogField("user_segment", aliases=("segment",)),
    LogField("partner"),
    LogField("user_id", aliases=("user.id",)),
    LogField("candidate_id"),
    LogField("job_id"),
    LogField("algorithm"),
    LogField("upstream_addr"),
    LogField("message", indexed="text", aliases=("msg",)),
    LogField("extra", indexed="text"),  # name=value words of fields that have no column
    LogField("response_time", "s", "double", ("request_time", "duration", "http.response_time")),
    LogField("accuracy", "float", "double"),
    LogField("status", "int", "integer", ("status_code", "http.response.status_code")),
)
COLUMNS = frozenset(field.name for field in FIELDS)
TEXTS = tuple(field.name for field in FIELDS if field.kind == "text")
NUMBERS = tuple(field.name for field in FIELDS if field.kind in ("s", "float", "int"))
KIND_OF = {field.name: field.kind for field in FIELDS if field.kind != "text"}
ALIASES: Mapping[str, str] = {alias: field.name for field in FIELDS for alias in field.aliases}

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")
UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6}  # of times taken, in seconds
KINDS = ("text", "word", "level", "int", "float", *UNITS, "time")  # what a pattern may declare a field to be
SINGLE_WORDS = ("word", "int", "float", *UNITS)  # kinds whose texts hold no blank

# Names of common fields in Logstash's own grok patterns.
GROK_NAMES: Mapping[str, str] = {
    "loglevel": "level",
    "status_code": "status",
    "response": "status",
    "verb": "method",
    "request": "endpoint",
}


def kind_of(name: str, declared: str | None, units: Mapping[str, str]) -> str:
    """The kind of a pattern's field: its unit in `units`, by either of its names, else the usual one of our field.

    A kind written in the pattern counts for other fields, and as the unit of a time taken.
    """
    column = GROK_NAMES.get(name, name)
    if unit := units.get(name) or units.get(column):
        return unit
    usual = KIND_OF.get(column, "text")
    if usual == "text" or (usual == "s" and declared in UNITS):
        return declared or usual
    return usual
