"""How a request's labels are found, whatever the framework."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from bascule.conventions import NONE, PARTNER, SEGMENT, UNKNOWN, VERSION
from bascule.instrument.problems import Problems

ROUTES_KEY = "bascule.routes"  # in a WSGI environ or ASGI scope: a list that copies share, filled by a framework's hook
LONGEST_TRACE_ID = 64  # characters; OpenMetrics allows an exemplar 128 with its label's name

Text = str | bytes  # a header's value is bytes under ASGI, and decoded when its label set is first seen
Key = tuple[str, str, str, str, Text, Text]  # version, endpoint, method, status, segment, partner
Headers = Mapping[Any, Any]
Find = Callable[[Any], str]  # from a WSGI environ, an ASGI scope or a framework's request
Source = str | Find  # a fixed text or a header's name; or a callable
TraceSource = Callable[[Any], str | None]
KeyOf = Callable[[Any, Headers, str, str], Key]  # from an environ or scope, its headers, method and status
Resolver = Callable[[Any, Headers], Text]  # from an environ or scope, and its headers

matchers: list[Find] = []  # of frameworks in use: find the route of a request that ended before their hook saw it


@dataclass(frozen=True, slots=True)
class Describe:
    """Finds a request's labels. Asked when the answer starts or ends, while a framework's context lives."""

    key: KeyOf
    trace_id: Find | None  # None: no exemplars, and nothing paid for them

    def trace(self, request: Any) -> str:
        return self.trace_id(request) if self.trace_id is not None else ""


@dataclass(frozen=True)
class Interface:
    """What differs between WSGI, ASGI and frameworks: the key of a header, and what a callable is given."""

    header: Callable[[str], Text]
    call: Callable[[Callable[[Any], Any]], Callable[[Any], Any]]

    def key_of(self, version: Source, endpoint: Find, segment: Source, partner: Source, problems: Problems) -> KeyOf:
        if isinstance(version, str) and isinstance(segment, str) and isinstance(partner, str):
            return _looked_up(version, endpoint, self.header(segment), self.header(partner))
        return _asked_for(
            (lambda request, headers: version)
            if isinstance(version, str)
            else self._called(VERSION, version, problems),
            endpoint,
            self._header(segment, UNKNOWN) if isinstance(segment, str) else self._called(SEGMENT, segment, problems),
            self._header(partner, NONE) if isinstance(partner, str) else self._called(PARTNER, partner, problems),
        )

    def _header(self, name: str, missing: str) -> Resolver:
        key = self.header(name)
        return lambda request, headers: headers.get(key) or missing

    def _called(self, label: str, call: Find, problems: Problems) -> Resolver:
        find = safe(label, self.call(call), problems)
        return lambda request, headers: find(request)


def _looked_up(version: str, endpoint: Find, segment: Text, partner: Text) -> KeyOf:
    """Without callables, which is usual, nothing but look-ups is paid for."""

    def key(request: Any, headers: Headers, method: str, status: str) -> Key:
        found = headers.get
        return version, endpoint(request), method, status, found(segment) or UNKNOWN, found(partner) or NONE

    return key


def _asked_for(version: Resolver, endpoint: Find, segment: Resolver, partner: Resolver) -> KeyOf:
    def key(request: Any, headers: Headers, method: str, status: str) -> Key:
        where = str(version(request, headers)), endpoint(request)
        return *where, method, status, segment(request, headers), partner(request, headers)

    return key


def unchanged(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return call


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
