"""The fields of a log line: their names, kinds and units, the other names they go by, their types in an index.

A row of the log store, a document of a search engine and an event of the generated Logstash pipeline have these fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIME = "timestamp"


@dataclass(frozen=True)
class LogField:
    """One field of a row.

    `kind` is what its values are: `text`, `time` (microseconds since 1970, UTC), `int`, `float` or `s` (seconds).
    `indexed` is its type in Elasticsearch and OpenSearch. `aliases` are names that loggers and proxies give to it, in
    one string; nested ones as paths, times taken in another unit than seconds with it, as `responseTime:ms`.
    """

    name: str
    kind: str = "text"
    indexed: str = "keyword"
    aliases: str = ""


FIELDS = (
    LogField(
        TIME,
        "time",
        "date",
        "time @timestamp time_iso8601 time_local ts asctime msec datetime start_time StartUTC record.time.timestamp"
        " timeMillis instant.epochSecond @t Timestamp",
    ),
    LogField("level", aliases="levelname severity log.level lvl record.level.name @l"),
    LogField("service", aliases="name logger service.name logger_name log.logger loggerName"),
    LogField("version"),
    LogField("version_from"),  # source, upstream, field, service, path or unknown
    LogField(
        "endpoint",
        aliases="uri path request_uri url.path http.route request.uri req.url url request.path request_path RequestPath"
        " http.target requestUrl",
    ),
    LogField(
        "method",
        aliases="request_method http.request.method request.method req.method http.method verb RequestMethod"
        " requestMethod",
    ),
    LogField("user_segment", aliases="segment"),
    LogField("partner"),
    LogField("user_id", aliases="user.id userId"),
    LogField("candidate_id"),
    LogField("job_id"),
    LogField("algorithm"),
    LogField("upstream_addr", aliases="upstream_host ServiceAddr"),
    LogField("upstream_status", aliases="us OriginStatus"),  # of each try, as nginx lists them
    LogField("upstream_response_time", aliases="urt"),  # likewise, seconds
    LogField("caller"),  # `internal` where the request is not a user's
    LogField("message", indexed="text", aliases="msg event"),
    LogField("extra", indexed="text"),  # name=value words of fields that have no column
    LogField(
        "response_time",
        "s",
        "double",
        "request_time duration http.response_time rt duration_s duration_seconds responseTime:ms duration_ms:ms"
        " latency_ms:ms elapsed_ms:ms response_time_ms:ms request_time_ms:ms took_ms:ms duration_us:us latency_us:us"
        " response_time_us:us duration_ns:ns event.duration:ns Duration:ns Elapsed:ms",
    ),
    LogField("accuracy", "float", "double"),
    LogField(
        "status",
        "int",
        "integer",
        "status_code http.response.status_code res.statusCode statusCode response_code http.status_code response.status"
        " DownstreamStatus StatusCode",
    ),
)
COLUMNS = frozenset(field.name for field in FIELDS)
TEXTS = tuple(field.name for field in FIELDS if field.kind == "text")
NUMBERS = tuple(field.name for field in FIELDS if field.kind in ("s", "float", "int"))
KIND_OF = {field.name: field.kind for field in FIELDS if field.kind != "text"}
_WRITTEN = [(field.name, *alias.partition(":")[::2]) for field in FIELDS for alias in field.aliases.split()]
ALIASES: Mapping[str, str] = {alias: column for column, alias, _ in _WRITTEN}
ALIAS_UNITS: Mapping[str, str] = {alias: unit for _, alias, unit in _WRITTEN if unit}

# Who called, by address and by program: looked at, and not stored under these names. What a line calls them stays.
CLIENT, AGENT = "_client", "_agent"
_CALLERS = {
    CLIENT: "_client clientip client_addr remote_addr client_ip request.client_ip request.remote_ip client.ip source.ip"
    " ClientHost",
    AGENT: "_agent agent user_agent http_user_agent user_agent.original request.headers.User-Agent request_User-Agent",
}
CALLER_NAMES: Mapping[str, str] = {name: caller for caller, names in _CALLERS.items() for name in names.split()}

# A group of a pattern that holds something where the client ended the request: its status is then `CLIENT_LEFT`,
# whatever the proxy wrote. JSON lines tell it by Envoy's flags.
LEFT = "_left"
LEFT_FLAGS = r"(?:[A-Za-z]+,)*D[CR](?:,[A-Za-z]+)*"
LEFT_NAMES = ("response_flags",)

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")
UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # of times taken, in seconds
SPAN_UNITS: Mapping[str, float] = {**UNITS, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "m": 60.0, "h": 3600.0}
FIGURES = ("int", "float", *UNITS)  # kinds that are numbers
KINDS = ("text", "word", "level", *FIGURES, "time")  # what a pattern may declare a field to be
SINGLE_WORDS = ("word", *FIGURES)  # kinds whose texts hold no blank
PAIRS = "pairs"  # the field of a pattern that holds further name=value words; each becomes a field of its own

# Names of common fields in Logstash's own grok patterns.
GROK_NAMES: Mapping[str, str] = {
    "loglevel": "level",
    "status_code": "status",
    "response": "status",
    "verb": "method",
    "request": "endpoint",
}


def spellings(columns: Sequence[str]) -> tuple[str, ...]:
    """The names that logs give to the columns: their own, their aliases, and `user-id`, `user.id`, `userid`."""
    names = [*columns, *(alias for alias, column in ALIASES.items() if column in columns)]
    return tuple(dict.fromkeys([*names, *(column.replace("_", mark) for mark in ("-", ".", "") for column in columns)]))


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
