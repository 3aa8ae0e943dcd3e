"""ASGI middleware: counts each request when its last byte is sent, websockets at their handshake; serves `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, MutableMapping
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry

from bascule.conventions import UNKNOWN
from bascule.instrument.describe import CLIENT_GONE, ENDPOINT_KEY, FAILED, Describe, Kind, Resolver, unchanged
from bascule.instrument.exposition import render
from bascule.instrument.requests import Requests
from bascule.instrument.starlette import route_template

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

WEBSOCKET = "WEBSOCKET"  # the method label of handshakes
HANDSHAKES = {"websocket.accept": "101", "websocket.close": "403"}  # message that answers one -> its status


class AsgiMiddleware:
    def __init__(
        self, app: AsgiApp, requests: Requests, describe: Describe, metrics: AsgiApp, path: str | None
    ) -> None:
        self._app = app
        self._requests = requests
        self._describe = describe
        self._metrics = metrics
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            answer = self._metrics if scope["path"] == self._path else self._http
        elif kind == "websocket":
            answer = self._websocket
        else:
            answer = self._app
        await answer(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        status = ""
        counted = False
        outcome = FAILED

        def count(status: str) -> None:
            nonlocal counted
            counted = True
            key = self._describe.key(scope, scope["method"], status)
            self._requests.record(key, perf_counter() - started, self._describe.trace(scope))

        async def watch(message: Message) -> None:
            nonlocal status, outcome
            try:
                await send(message)
            except OSError:  # the server's word for a client that has left
                outcome = CLIENT_GONE
                raise
            if message["type"] == "http.response.start":
                status = str(message["status"])
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                count(status)

        try:
            await self._app(scope, receive, watch)
            outcome = CLIENT_GONE if status else FAILED  # unless it was counted: an answer without its end
        except Exception:
            raise
        except BaseException:  # cancelled
            outcome = CLIENT_GONE
            raise
        finally:
            if not counted:
                count(outcome)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        handshake: float | None = None

        def count(status: str) -> None:
            nonlocal handshake
            if handshake is None:
                handshake = perf_counter() - started
            self._requests.record(self._describe.key(scope, WEBSOCKET, status), handshake, "")

        async def watch(message: Message) -> None:
            await send(message)
            if handshake is None and (status := _handshake_status(message)):
                count(status)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            count(FAILED)  # also after the handshake: a connection was accepted, and then served badly
            raise


def _handshake_status(message: Message) -> str:
    if message["type"] == "websocket.http.response.start":
        return str(message["status"])
    return HANDSHAKES.get(message["type"], "")


def header(name: str, missing: str) -> Resolver:
    key = name.lower().encode("latin-1")

    def find(scope: Scope) -> str:
        for header, value in scope["headers"]:
            if header == key:
                return value.decode("latin-1") or missing
        return missing

    return find


def endpoint_of(declared: Container[str]) -> Resolver:
    """A framework's own mark, or Starlette's route, or the path where it is a declared endpoint; never a raw path."""

    def find(scope: Scope) -> str:
        template = scope.get(ENDPOINT_KEY) or route_template(scope)
        return scope["path"] if template == UNKNOWN and scope["path"] in declared else template

    return find


ASGI = Kind(header, unchanged)


def metrics_page(registry: CollectorRegistry, prepare: Callable[[], None]) -> AsgiApp:
    """An ASGI application that answers with the registry's metrics; `prepare` is called before each look."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        prepare()
        page = render(registry, asked.get(b"accept", ""), asked.get(b"accept-encoding", ""))
        headers = [(name.lower().encode(), value.encode()) for name, value in page.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})

    return serve
