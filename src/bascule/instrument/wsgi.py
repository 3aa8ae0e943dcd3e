"""WSGI middleware: counts each request when its answer has ended, and serves `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry

from bascule.conventions import UNKNOWN
from bascule.instrument.describe import CLIENT_GONE, ENDPOINT_KEY, FAILED, Describe, Kind, Resolver, unchanged
from bascule.instrument.exposition import render
from bascule.instrument.requests import Key, Requests

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiMiddleware:
    def __init__(self, app: WsgiApp, requests: Requests, describe: Describe, metrics: WsgiApp, path: str) -> None:
        self._app = app
        self._requests = requests
        self._describe = describe
        self._metrics = metrics
        self._path = path

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == self._path:
            return self._metrics(environ, start_response)
        started = perf_counter()
        key: Key | None = None
        trace = ""

        def start(line: str, *arguments: Any) -> Any:
            nonlocal key, trace
            trace = self._describe.trace(environ)
            key = self._describe.key(environ, environ["REQUEST_METHOD"], line[:3])
            return start_response(line, *arguments)

        def ended(outcome: str) -> None:
            described = key or self._describe.key(environ, environ["REQUEST_METHOD"], FAILED)
            if outcome:
                described = (*described[:3], outcome, *described[4:])
            self._requests.record(described, perf_counter() - started, trace)

        try:
            body: Iterable[bytes] = self._app(environ, start)
        except BaseException:
            ended(FAILED)
            raise
        if _is_file(body, environ):  # the server's own sendfile needs it bare
            ended("")
            return body
        return _Body(body, ended)


def _is_file(body: Iterable[bytes], environ: Environ) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _Body:
    """An answer's body; tells `ended` the status that its end makes of it, or "" if that stays as it was sent."""

    __slots__ = ("_body", "_ended", "_outcome")

    def __init__(self, body: Iterable[bytes], ended: Callable[[str], None]) -> None:
        self._body = body
        self._ended = ended
        self._outcome = CLIENT_GONE  # until the last chunk was taken

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception:
            self._outcome = FAILED
            raise
        self._outcome = ""

    def close(self) -> None:
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._ended(self._outcome)


def header(name: str, missing: str) -> Resolver:
    key = "HTTP_" + name.upper().replace("-", "_")
    return lambda environ: environ.get(key) or missing


def endpoint_of(declared: Container[str]) -> Resolver:
    """A framework's own mark, or the path where it is a declared endpoint; never a raw path."""

    def find(environ: Environ) -> str:
        path = environ["PATH_INFO"]
        return environ.get(ENDPOINT_KEY) or (path if path in declared else UNKNOWN)

    return find


WSGI = Kind(header, unchanged)


def metrics_page(registry: CollectorRegistry) -> WsgiApp:
    """A WSGI application that answers with the registry's metrics."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        page = render(registry, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", ""))
        start_response("200 OK", page.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    return serve
