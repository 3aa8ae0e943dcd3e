"""How a request's labels are found, whatever the framework."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from bascule.conventions import UNKNOWN
from bascule.instrument.problems import Problems

ROUTES_KEY = "bascule.routes"  # in a WSGI environ or ASGI scope: a list that copies share, filled by a framework's hook
LONGEST_TRACE_ID = 64  # characters; OpenMetrics allows an exemplar 128 with its label's name

Key = tuple[str, str, str, str, str, str]  # version, endpoint, method, status, segment, partner
Headers = Mapping[Any, Any]
Find = Callable[[Any], str]  # from a WSGI environ, an ASGI scope or a framework's request
Resolver = Callable[[Any, Headers], str]  # from an environ or scope, and the request's headers
Source = str | Find  # a fixed text or a header's name; or a callable
TraceSource = Callable[[Any], str | None]


matchers: list[Find] = []  # of frameworks in use: find the route of a request that ended before their hook saw it


class Describe:
    """Finds a request's labels. Asked when the answer starts or ends, while a framework's context lives."""

    __slots__ = ("endpoint", "partner", "segment", "trace_id", "version")

    def __init__(
        self, version: Resolver, endpoint: Find, segment: Resolver, partner: Resolver, trace_id: Find | None
    ) -> None:
        self.version = version
        self.endpoint = endpoint
        self.segment = segment
        self.partner = partner
        self.trace_id = trace_id  # None: no exemplars, and nothing paid for them

    def key(self, request: Any, headers: Headers, method: str, status: str) -> Key:
        return (
            self.version(request, headers),
            self.endpoint(request),
            method,
            status,
            self.segment(request, headers),
            self.partner(request, headers),
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
        find = safe(label, self.call(source), problems)
        return lambda request, headers: find(request)


def unchanged(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return call


def fixed(text: str) -> Resolver:
    return lambda request, headers: text


def endpoint_of(path_key: str, declared: Container[str], told: Find, again: Find) -> Find:
    """What a framework's hook added, or its own mark `told`, or the route that is matched `again`; else `unknown`.

    The path, under `path_key` in the environ or scope, only where it is a declared endpoint; never a raw path.
    """

    def find(request: Any) -> str:
        routes = request[ROUTES_KEY]
        template = routes[-1] if routes else told(request) or again(request)
        return request[path_key] if template == UNKNOWN and request[path_key] in declared else template

    return find


def matched_again(request: Any) -> str:
    return next((route for match in matchers if (route := match(request))), "")


def safe(label: str, find: Find, problems: Problems) -> Find:
    """`find`, but `unknown` where it raises or finds nothing: a broken callable never fails a request."""

    def found(request: Any) -> str:
        try:
            text = find(request)
            if isinstance(text, str) and text:
                return text
            if text is not None and text != "":
                problems.note(f"bad_{label}", text)
            return UNKNOWN
        except Exception as error:  # noqa: BLE001 - the service's own code may raise anything; it is counted
            problems.note(f"broken_{label}", error)
            return UNKNOWN

    return found


def safe_trace(find: TraceSource, problems: Problems) -> Find:
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
