"""WSGI middleware: counts each request when its answer has ended, and serves `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry

from bascule.instrument.exposition import render
from bascule.instrument.requests import Key, Requests

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Resolver = Callable[[Environ], str]

CLIENT_GONE = "499"  # nginx' word for a client that left before the answer's end
FAILED = "500"


@dataclass(frozen=True)
class Describe:
    """How the labels of a request are found. Called when the answer starts, while a framework's context lives."""

    version: Resolver
    endpoint: Resolver
    segment: Resolver
    partner: Resolver

    def key(self, environ: Environ, status: str) -> Key:
        return (
            self.version(environ),
            self.endpoint(environ),
            environ["REQUEST_METHOD"],
            status,
            self.segment(environ),
            self.partner(environ),
        )


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

        def start(line: str, *arguments: Any) -> Any:
            nonlocal key
            key = self._describe.key(environ, line[:3])
            return start_response(line, *arguments)

        def ended(outcome: str) -> None:
            described = key or self._describe.key(environ, FAILED)
            if outcome:
                described = (*described[:3], outcome, *described[4:])
            self._requests.record(described, perf_counter() - started)

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


def metrics_page(registry: CollectorRegistry) -> WsgiApp:
    """A WSGI application that answers with the registry's metrics."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        page = render(registry, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers = [("Content-Type", page.content_type), ("Content-Length", str(len(page.body)))]
        if page.encoding:
            headers.append(("Content-Encoding", page.encoding))
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    return serve
