"""How a request's labels are found, whatever the framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bascule.conventions import UNKNOWN
from bascule.instrument.problems import Problems
from bascule.instrument.requests import Key

ENDPOINT_KEY = "bascule.endpoint"  # in a WSGI environ or ASGI scope: the template a framework's own hook found

CLIENT_GONE = "499"  # nginx' word for a client that left before the answer's end
FAILED = "500"

Resolver = Callable[[Any], str]  # from a WSGI environ, an ASGI scope or a framework's request
Source = str | Resolver  # a fixed text or a header's name; or a callable
TraceSource = Callable[[Any], str | None]
LONGEST_TRACE_ID = 64  # characters; OpenMetrics allows an exemplar 128 with its label's name


class Describe:
    """Finds a request's labels. Asked when the answer starts or ends, while a framework's context lives."""

    __slots__ = ("endpoint", "partner", "segment", "trace_id", "version")

    def __init__(
        self, version: Resolver, endpoint: Resolver, segment: Resolver, partner: Resolver, trace_id: Resolver | None
    ) -> None:
        self.version = version
        self.endpoint = endpoint
        self.segment = segment
        self.partner = partner
        self.trace_id = trace_id  # None: no exemplars, and nothing paid for them

    def key(self, request: Any, method: str, status: str) -> Key:
        return (
            self.version(request),
            self.endpoint(request),
            method,
            status,
            self.segment(request),
            self.partner(request),
        )

    def trace(self, request: Any) -> str:
        return self.trace_id(request) if self.trace_id is not None else ""


@dataclass(frozen=True)
class Kind:
    """What differs between WSGI, ASGI and frameworks: how a header is read, and what a callable is given."""

    header: Callable[[str, str], Resolver]  # name, value if missing
    call: Callable[[Callable[[Any], Any]], Callable[[Any], Any]]

    def resolver(self, label: str, source: Source, missing: str, problems: Problems) -> Resolver:
        if isinstance(source, str):
            return self.header(source, missing)
        return safe(label, self.call(source), problems)


def unchanged(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return call


def safe(label: str, resolve: Resolver, problems: Problems) -> Resolver:
    """`resolve`, but `unknown` where it raises or finds nothing: a broken callable never fails a request."""

    def resolved(request: Any) -> str:
        try:
            found = resolve(request)
            if isinstance(found, str) and found:
                return found
            if found is not None and found != "":
                problems.note(f"bad_{label}", found)
            return UNKNOWN
        except Exception as error:  # noqa: BLE001 - the service's own code may raise anything; it is counted
            problems.note(f"broken_{label}", error)
            return UNKNOWN

    return resolved


def safe_trace(find: TraceSource, problems: Problems) -> Resolver:
    """`find`, but "" where it raises, or finds nothing that can be an exemplar."""

    def found(request: Any) -> str:
        try:
            trace_id = find(request) or ""
            if len(trace_id) <= LONGEST_TRACE_ID:
                return trace_id
            problems.note("bad_trace_id", trace_id)
        except Exception as error:  # noqa: BLE001 - as above
            problems.note("broken_trace_id", error)
        return ""

    return found
