"""The fields that a log line becomes in Elasticsearch, and the format each of their values has.

The names are those of Bascule's own store of logs, so that a query reads the same against either.
"""

from __future__ import annotations

from typing import Any

from bascule.conventions import log_index_prefix
from bascule.spec import Spec
from bascule.spec.model import LogSource

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_TEXT = {"type": "text"}
_DATE = {"type": "date"}
_FLOAT = {"type": "double"}

# What a line says.
COLUMNS: dict[str, dict[str, Any]] = {
    "level": _KEYWORD,
    "service": _KEYWORD,
    "version": _KEYWORD,
    "version_from": _KEYWORD,  # source, field, service, upstream, path or unknown
    "endpoint": _KEYWORD,
    "method": _KEYWORD,
    "user_segment": _KEYWORD,
    "partner": _KEYWORD,
    "user_id": _KEYWORD,
    "candidate_id": _KEYWORD,
    "job_id": _KEYWORD,
    "algorithm": _KEYWORD,
    "upstream_addr": _KEYWORD,
    "message": _TEXT,
    "extra": _TEXT,  # name=value words of fields that have no column
    "response_time": _FLOAT,  # seconds
    "accuracy": _FLOAT,
    "status": {"type": "integer"},
}

# What the shippers add.
SHIPPED: dict[str, dict[str, Any]] = {
    "@timestamp": _DATE,  # when it happened
    "received": _DATE,  # when Logstash got it
    "source": _KEYWORD,
    "format": _KEYWORD,
    "tags": _KEYWORD,
    "host": {"properties": {"name": _KEYWORD}},
    "log": {"properties": {"offset": {"type": "long"}, "file": {"properties": {"path": _KEYWORD}}}},
}

NUMBERS = {"response_time": "float", "accuracy": "float", "status": "integer"}
USUAL_KINDS = {"timestamp": "time", "status": "int", "response_time": "s", "accuracy": "float"}


def index_prefix(spec: Spec) -> str:
    """What the daily indices' names begin with, for ours and for the shippers alike."""
    return log_index_prefix(spec.metadata.name)


def sources(spec: Spec) -> dict[str, LogSource]:
    """The spec's sources under the names that their metrics have: their own, or that of their folder or file."""
    return spec.logs.named
