"""WSGI middleware: counts each request when its answer has ended, and serves `/metrics`.

A client has left if its upload ends early, or if the server closes the answer before its end because of a connection
error or without a reason. What the application raises is its failure, and so is an answer that something else ends: a
worker's timeout, a chunk that cannot be sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry

from bascule.conventions import CLIENT_LEFT
from bascule.instrument.describe import ROUTES_KEY, Interface, Key, unchanged
from bascule.instrument.exposition import render
from bascule.instrument.middleware import Middleware
from bascule.instrument.requests import FAILED, Requests
from bascule.instrument.uploads import watched

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class WsgiMiddleware(Middleware[WsgiApp, str]):
    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == self._path:
            return self._metrics(environ, start_response)
        if environ.get("HTTP_USER_AGENT", "").startswith(self._uncounted):
            return self._app(environ, start_response)
        answer = _Answer(self._requests, environ, start_response)
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
        "_environ",
        "_key",
        "_outcome",
        "_requests",
        "_since",
        "_start_response",
        "_started",
        "_trace",
        "_upload",
        "body",
    )

    body: Iterable[bytes]

    def __init__(self, requests: Requests, environ: Environ, start_response: StartResponse) -> None:
        self._started = self._since = perf_counter()  # since: when the client last got something
        self._requests = requests
        self._environ = environ
        self._start_response = start_response
        self._key: Key | None = None
        self._trace = ""
        self._outcome: str | None = None  # until the body has ended
        length = environ.get("CONTENT_LENGTH")
        self._upload = watched(environ, length) if length and length != "0" else None
        environ.setdefault(ROUTES_KEY, [])

    def start(self, status: str, *arguments: Any) -> Any:
        environ, describe = self._environ, self._requests.describe
        self._key = describe.key(environ, environ, environ["REQUEST_METHOD"], status[:3])
        if describe.trace_id is not None:
            self._trace = describe.trace_id(environ)
        return self._start_response(status, *arguments)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self.body:  # no `yield from`: it would close the body, which the server does
                yield chunk
                self._since = perf_counter()
        except GeneratorExit:
            raise
        except BaseException:
            self._outcome = FAILED
            raise
        self._outcome = ""  # it ended as it began

    def close(self) -> None:
        outcome = self._outcome if self._outcome is not None else self._ended_early(sys.exc_info()[1])
        try:
            if close := getattr(self.body, "close", None):
                close()
        finally:
            self.count(outcome)

    def _ended_early(self, reason: BaseException | None) -> str:
        if reason is None and self._environ["REQUEST_METHOD"] == "HEAD":  # some servers do not look at the body
            return ""
        is_clients = reason is None or isinstance(reason, OSError) or "Disconnect" in type(reason).__name__
        return CLIENT_LEFT if is_clients else FAILED

    def count(self, outcome: str) -> None:
        """Record the request, with the status it started with unless `outcome` is another."""
        now, environ = perf_counter(), self._environ
        key = self._key or self._requests.describe.key(environ, environ, environ["REQUEST_METHOD"], FAILED)
        if self._upload is not None and self._upload.is_cut:
            outcome = CLIENT_LEFT
        if outcome:
            key = (*key[:3], self._requests.left(now - self._since) if outcome == CLIENT_LEFT else outcome, *key[4:])
        self._requests.record(key, now - self._started, self._trace)


def _is_file(body: Iterable[bytes], wrapper: Any) -> bool:
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def header(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


WSGI = Interface(header, unchanged)


def metrics_page(registry: CollectorRegistry, prepare: Callable[[], None]) -> WsgiApp:
    """A WSGI application that answers with the registry's metrics; `prepare` is called before each scrape."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        prepare()
        page = render(registry, environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_ACCEPT_ENCODING", ""))
        start_response("200 OK", page.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [page.body]

    return serve
