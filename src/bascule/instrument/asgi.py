"""ASGI middleware: counts each request when its last byte is sent, websockets at their handshake; serves `/metrics`.

A client has left once the server says so: by `http.disconnect` or `websocket.disconnect`, no matter who receives it, or
by an OSError of a message that is sent. Any other way for an answer to stop before its end is the application's
failure. A server that cancels the application is asked for its reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from time import perf_counter
from traceback import walk_tb
from typing import Any

from prometheus_client import CollectorRegistry

from bascule.instrument.describe import ROUTES_KEY, Headers, Interface, unchanged
from bascule.instrument.exposition import render
from bascule.instrument.middleware import Middleware
from bascule.instrument.requests import FAILED, Requests

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BODIES = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})  # or a file as one
ACCEPTED, REFUSED = "101", "403"


class AsgiMiddleware(Middleware[AsgiApp, bytes]):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _EXCHANGES.get(scope["type"])
        if exchange is None:
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._path and scope["type"] == "http":
            await self._metrics(scope, receive, send)
            return
        headers = dict(scope.get("headers", ()))
        if headers.get(b"user-agent", b"").startswith(self._uncounted):
            await self._app(scope, receive, send)
            return
        await exchange(self._requests, scope, headers, receive, send).run(self._app)


class _Exchange:
    """What server and application say to each other about one request. Made per request, so it is kept small."""

    __slots__ = (
        "_counted",
        "_headers",
        "_left",
        "_receive",
        "_requests",
        "_scope",
        "_seconds",
        "_send",
        "_since",
        "_started",
        "_status",
    )

    DISCONNECT: str  # the message that says that the client has left
    METHOD = ""  # the method label; "": the scope's

    def __init__(self, requests: Requests, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        self._started = self._since = perf_counter()  # since: when the client last got something
        self._requests = requests
        self._scope = scope
        self._headers = headers
        self._receive = receive
        self._send = send
        self._status = FAILED  # unless an answer begins
        self._left = 0.0  # when the client did, by perf_counter
        self._counted = False
        scope.setdefault(ROUTES_KEY, [])

    async def run(self, app: AsgiApp) -> None:
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not (self._counted or self._left):
                await self._ask_why()
            raise
        except BaseException as error:
            if self._counted and not self._left and self._is_a_failure(error):
                self._record(FAILED, self._seconds)
            raise
        finally:
            if not self._counted:
                self._count(FAILED, self._left)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == self.DISCONNECT:
            self._leave()
        return message

    async def send(self, message: Message) -> None:
        raise NotImplementedError

    def _is_a_failure(self, error: BaseException) -> bool:
        """Whether an error that came after the request was counted is one more failure."""
        raise NotImplementedError

    async def _ask_why(self) -> None:
        """Receive what the server has to say at once, which the application did not ask for."""
        asked = asyncio.ensure_future(self._receive_the_rest())
        with suppress(asyncio.CancelledError):
            await asyncio.wait({asked}, timeout=0)
        asked.cancel()

    async def _receive_the_rest(self) -> None:
        """The rest of the request, and the message after it, which can only be that the client has left."""
        while (await self.receive()).get("more_body", False):
            pass
        if not self._left:
            await self.receive()

    def _leave(self) -> None:
        self._left = self._left or perf_counter()

    def _count(self, status: str, left: float) -> None:
        """Record the request; `left` is when the client left before the answer's end, if it did."""
        self._counted = True
        self._seconds = seconds = (left or perf_counter()) - self._started
        self._record(self._requests.left(left - self._since) if left else status, seconds)

    def _record(self, status: str, seconds: float) -> None:
        scope, describe = self._scope, self._requests.describe
        key = describe.key(scope, self._headers, self.METHOD or scope["method"], status)
        self._requests.record(key, seconds, describe.trace(scope))


class _HttpExchange(_Exchange):
    """Of HTTP."""

    __slots__ = ()

    DISCONNECT = "http.disconnect"

    async def send(self, message: Message) -> None:
        kind = message["type"]
        left = self._left  # what is received while the last bytes are sent is the connection's own end
        try:
            await self._send(message)
        except OSError:
            self._leave()
            raise
        if kind == "http.response.start":
            self._status = str(message["status"])
        elif kind in BODIES:
            if message.get("more_body", False):
                self._since = perf_counter()
            elif not self._counted:
                self._count(self._status, left)

    def _is_a_failure(self, error: BaseException) -> bool:
        """If it comes from a stream: Starlette's BaseHTTPMiddleware ended that answer as if it were whole.

        A task that fails in the background comes after a whole answer.
        """
        return any("stream_response" in frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__))


class _WebsocketExchange(_Exchange):
    """Of a websocket. Its duration is the handshake's; what comes after is counted only if the application crashes."""

    __slots__ = ()

    DISCONNECT = "websocket.disconnect"
    METHOD = "WEBSOCKET"

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self._leave()
            raise
        if not self._counted and (status := _handshake_status(message)):
            self._status = status
            self._count(status, 0.0)

    def _is_a_failure(self, error: BaseException) -> bool:
        """If the connection was accepted: what it was accepted for has failed."""
        return self._status == ACCEPTED


_EXCHANGES: dict[str, type[_Exchange]] = {"http": _HttpExchange, "websocket": _WebsocketExchange}


def _handshake_status(message: Message) -> str:
    if message["type"] == "websocket.http.response.start":
        return str(message["status"])
    return {"websocket.accept": ACCEPTED, "websocket.close": REFUSED}.get(message["type"], "")


def header(name: str) -> bytes:
    return name.lower().encode("latin-1")


ASGI = Interface(header, unchanged)


def metrics_page(registry: CollectorRegistry, prepare: Callable[[], None]) -> AsgiApp:
    """An ASGI application that answers with the registry's metrics; `prepare` is called before each scrape."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        prepare()
        page = render(registry, asked.get(b"accept", ""), asked.get(b"accept-encoding", ""))
        headers = [(name.lower().encode(), value.encode()) for name, value in page.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})

    return serve
