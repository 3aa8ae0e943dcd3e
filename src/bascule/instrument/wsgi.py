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
    def __init__(
        self, app: WsgiApp, requests: Requests, describe: Describe, metrics: WsgiApp, path: str | None
    ) -> None:
        self._app = app
        self._requests = requests
        self._describe = describe
        self._metrics = metrics
        self._path = path

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == self._path:
            return self._metrics(environ, start_response)
        answer = _Answer(self._requests, self._describe, environ, start_response)
        try:
            answer.body = body = self._app(environ, answer.start)
        except BaseException:
            answer.count(FAILED)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if wrapper is not None and _is_file(body, wrapper):  # the server's own sendfile needs it bare
            answer.count("")
            return body
        return answer


class _Answer:
    """One request's answer: its `start_response`, then its body. Made per request, so it is kept small."""

    __slots__ = (
        "_describe",
        "_environ",
        "_key",
        "_outcome",
        "_requests",
        "_start_response",
        "_started",
        "_trace",
        "body",
    )

    body: Iterable[bytes]

    def __init__(self, requests: Requests, describe: Describe, environ: Environ, start_response: StartResponse) -> None:
        self._started = perf_counter()
        self._requests = requests
        self._describe = describe
        self._environ = environ
        self._start_response = start_response
        self._key: Key | None = None
        self._trace = ""
        self._outcome = CLIENT_GONE  # until the last chunk was taken

    def start(self, status: str, *arguments: Any) -> Any:
        environ, describe = self._environ, self._describe
        self._key = describe.key(environ, environ["REQUEST_METHOD"], status[:3])
        if describe.trace_id is not None:
            self._trace = describe.trace_id(environ)
        return self._start_response(status, *arguments)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self.body
        except Exception:
            self._outcome = FAILED
            raise
        self._outcome = ""  # it ended as it began

    def close(self) -> None:
        try:
            if close := getattr(self.body, "close", None):
                close()
        finally:
            self.count(self._outcome)

    def count(self, outcome: str) -> None:
        """Record the request, with the status it started with unless `outcome` is another."""
        key = self._key or self._describe.key(self._environ, self._environ["REQUEST_METHOD"], FAILED)
        if outcome:
            key = (*key[:3], outcome, *key[4:])
        self._requests.record(key, perf_counter() - self._started, self._trace)


def _is_file(body: Iterable[bytes], wrapper: Any) -> bool:
    return isinstance(wrapper, type) and isinstance(body, wrapper)


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


def metrics_page(registry: CollectorRegistry, prepare: Callable[[], None]) -> WsgiApp:
    """A WSGI application that answers with the registry's metrics; `prepare` is called before each look."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        prepare()
        page = render(registry, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", ""))
        start_response("200 OK", page.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    return serve
