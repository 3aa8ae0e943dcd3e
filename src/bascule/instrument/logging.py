"""Log lines that the log pipeline reads: API_CALL and MATCH_RESULT, as the source document writes them, or as JSON.

    2026-01-31T10:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=9f2c41d07a6be853 endpoint=/api/v2/match \
response_time=0.0412 status=200 version=v2 trace_id=4bf92f3577b34da6a3ce929d0e0e4736
    2026-01-31T10:00:00.125Z INFO supersmartmatch-v2 MATCH_RESULT candidate_id=1d0e... job_id=77ab... accuracy=0.93 \
algorithm=nexten version=v2

The source document's fields come first and in its order; `version` and, where there is one, `trace_id` follow.
Response times are seconds. Ids are pseudonyms: the same id gives the same pseudonym under the same key, and none can
be turned back without it.

    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("supersmartmatch-v2"))       # or JsonFormatter
    logging.getLogger("supersmartmatch").addHandler(handler)
    events = EventLog("supersmartmatch", version="v2", key=key)
    events.api_call(user_id="42", endpoint="/api/v2/match", response_time=0.0412, status=200)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

from bascule.times import rfc3339

__all__ = ["EventLog", "JsonFormatter", "LineFormatter", "Pseudonyms"]

_BREAKS_A_LINE = re.compile(r"[\s=]+")  # a value with these would forge or split fields


class Pseudonyms:
    """Keyed hashes of ids, 16 hex digits. Without a key a random one is taken, which lasts as long as the process."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def of(self, identity: object) -> str:
        return hmac.digest(self._key, str(identity).encode(), hashlib.sha256).hex()[:16]


class EventLog:
    """Writes what happened as log records whose ids are pseudonyms already, whatever formatter comes after."""

    def __init__(
        self,
        logger: str | logging.Logger,
        version: str,
        key: bytes | None = None,
        trace_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._version = version
        self._pseudonym = Pseudonyms(key).of
        self._trace_id = trace_id

    def api_call(self, user_id: object, endpoint: str, response_time: float, status: int) -> None:
        """One answered request; `response_time` in seconds, `endpoint` a route template."""
        fields = {"user_id": self._pseudonym(user_id), "endpoint": endpoint}
        self._write("API_CALL", {**fields, "response_time": round(response_time, 6), "status": int(status)})

    def match_result(self, candidate_id: object, job_id: object, accuracy: float, algorithm: str) -> None:
        """One match; `accuracy` is its score, 0 to 1."""
        fields = {"candidate_id": self._pseudonym(candidate_id), "job_id": self._pseudonym(job_id)}
        self._write("MATCH_RESULT", {**fields, "accuracy": round(accuracy, 6), "algorithm": algorithm})

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(logging.INFO):
            return
        fields["version"] = self._version
        if trace_id := self._trace_id():
            fields["trace_id"] = trace_id
        self._logger.info("%s", _Line(event, fields), extra={"event": event, "fields": fields})


class _Line:
    """`EVENT key=value ...`, written out only when a formatter asks."""

    __slots__ = ("_event", "_fields")

    def __init__(self, event: str, fields: dict[str, Any]) -> None:
        self._event = event
        self._fields = fields

    def __str__(self) -> str:
        return " ".join([self._event, *(f"{name}={_value(value)}" for name, value in self._fields.items())])


def _value(value: object) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return _BREAKS_A_LINE.sub("_", text) or "-"


class _OfService(logging.Formatter):
    """A formatter that names the service."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service


class LineFormatter(_OfService):
    """`<UTC time> <level> <service> <message>`, the layout of every line in the source document; one line each."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        at = rfc3339(record.created, "milliseconds")
        return f"{at} {record.levelname} {self._service} {' | '.join(text.splitlines())}"


class JsonFormatter(_OfService):
    """One JSON object a line: timestamp, level, service, event, and the event's fields as numbers and texts."""

    def format(self, record: logging.LogRecord) -> str:
        at = rfc3339(record.created, "milliseconds")
        document = {"timestamp": at, "level": record.levelname, "service": self._service}
        if hasattr(record, "fields"):
            document |= {"event": record.event, **record.fields}  # type: ignore[attr-defined]
        else:
            document["message"] = record.getMessage()
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)
