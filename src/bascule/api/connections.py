"""One connection of a role's server: what it may take of time and room, and how one over TLS begins."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from bascule.api.limits import Limits, Refusals


class BoundedConnection(asyncio.Protocol):
    """One of the connections of a server. Where there are too many, one makes room: that which has waited longest for
    its client, else that which has been answered longest, such as a stream. When there is none, the new one is refused.
    """

    connections: set[Any]
    transport: Any
    limits: Limits
    refusals: Refusals
    since: float  # of the loop's time: when the client was heard or its last answer ended

    @property
    def waits(self) -> bool:
        """Whether nothing goes on until the client sends or reads something."""
        return True

    @property
    def is_answered(self) -> bool:
        """Whether the client has the beginning of its answer."""
        return False

    def take_place(self) -> None:
        if len(self.connections) <= self.limits.connections:
            return
        why = f"more than {self.limits.connections} connections are open"
        others = [other for other in self.connections if other is not self and not other.transport.is_closing()]
        candidates = [other for other in others if other.waits] or [other for other in others if other.is_answered]
        longest = min(candidates, key=lambda other: other.since, default=None)
        if longest is None:
            self.refuse(why)
        else:
            longest.note(503, why)
            longest.leave()

    def leave(self) -> None:
        """What it has not read of its answer would keep it open."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def refuse(self, why: str) -> None:
        self.note(503, why)
        self.transport.close()

    def note(self, status: int, why: str) -> None:
        peer = self.transport.get_extra_info("peername")
        self.refusals.note(status, str(peer[0]) if peer else "unknown", why)


class HttpConnection(BoundedConnection, H11Protocol):
    """A connection that is ended when its request's head does not arrive, or when it does not read its answer."""

    def __init__(self, limits: Limits, refusals: Refusals, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.limits = limits
        self.refusals = refusals
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self.since = self.loop.time()

    @property
    def waits(self) -> bool:
        return self._is_idle or self.cycle.more_body or self._stalled is not None

    @property
    def is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_started

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        self.take_place()

    def data_received(self, data: bytes) -> None:
        self.since = self.loop.time()
        super().data_received(data)
        if not self._is_idle:
            self._stop_waiting()
        elif self._patience is None:
            self._await_head()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stall, self._give_up)

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self.note(400, "it sends something else than HTTP")
        if self.is_answered and (self.cycle.more_body or not self.cycle.response_complete):
            self.transport.close()  # a second answer to the same request is none
        else:
            super().send_400_response(msg)

    def refuse(self, why: str) -> None:
        self._say(503, "Service Unavailable")
        super().refuse(why)

    # ------------------------------------------------------------ a head that does not come, an answer that is not read

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(self.limits.head, self._end_waiting)

    def _end_waiting(self) -> None:
        has_begun, _ = self.conn.trailing_data
        if has_begun:
            self.note(408, f"no complete request within {self.limits.head:g} s")
            self._say(408, "Request Timeout")
        self.transport.close()

    def _give_up(self) -> None:
        self.note(408, f"it read nothing of the response for {self.limits.stall:g} s")
        self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _say(self, status: int, reason: str) -> None:
        self.transport.write(f"HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())


class Handshake(BoundedConnection):
    """A connection until it is encrypted, which is then handed to one of `make`'s. It counts as any other: half a
    greeting is not free."""

    def __init__(self, make: Callable[[], HttpConnection], context: ssl.SSLContext) -> None:
        self._made = make()
        self._context = context
        self._early = bytearray()  # what comes in the moment before the other takes over
        self._task: asyncio.Task[None] | None = None
        self.limits, self.refusals = self._made.limits, self._made.refusals
        self.connections, self.since = self._made.connections, self._made.since

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.pause_reading()
        self.connections.add(self)
        self.take_place()
        self._task = asyncio.get_running_loop().create_task(self._shake())

    def data_received(self, data: bytes) -> None:
        self._early += data

    def shutdown(self) -> None:
        """The server is told to stop."""
        self.transport.abort()

    async def _shake(self) -> None:
        encrypted = await self._encrypted()
        self.connections.discard(self)
        if encrypted is None or encrypted.is_closing():
            self.transport.abort()
            return
        encrypted.set_protocol(self._made)
        self._made.connection_made(encrypted)
        if self._early:
            self._made.data_received(bytes(self._early))

    async def _encrypted(self) -> asyncio.Transport | None:
        start = asyncio.get_running_loop().start_tls
        try:
            return await start(
                self.transport, self, self._context, server_side=True, ssl_handshake_timeout=self.limits.head
            )
        except (OSError, ssl.SSLError) as error:
            self.note(400, f"no TLS connection: {error}")
            return None
