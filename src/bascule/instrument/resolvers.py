"""Where the labels of a request come from: a fixed text, a header, or the service's own callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bascule.conventions import UNKNOWN
from bascule.instrument.problems import Problems

SEGMENT_HEADER = "X-User-Segment"
PARTNER_HEADER = "X-Partner"

Resolver = Callable[[Any], str]  # from a WSGI environ, an ASGI scope or a framework's request
Source = str | Resolver


def fixed(value: str) -> Resolver:
    return lambda _: value


def wsgi_header(name: str, default: str) -> Resolver:
    key = "HTTP_" + name.upper().replace("-", "_")
    return lambda environ: environ.get(key) or default


def safe(label: str, resolve: Resolver, problems: Problems) -> Resolver:
    """`resolve`, but `unknown` where it raises or finds nothing: a broken callable never fails a request."""

    def resolved(request: Any) -> str:
        try:
            return resolve(request) or UNKNOWN
        except Exception as error:  # noqa: BLE001 - the service's own code may raise anything; it is counted
            problems.note(f"broken_{label}", error)
            return UNKNOWN

    return resolved
