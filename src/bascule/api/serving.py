"""Serving a role's application until it is told to stop, whatever its clients do or fail to do."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from bascule.api.limits import Limits, Refusals
from bascule.errors import ProcessFailed
from bascule.processes import ports

_QUEUE = 512  # connections that wait to be accepted
_GRACE = 2  # seconds that open requests get at the end


def serve_until(stop: threading.Event, app: FastAPI, host: str, port: int) -> None:
    """Serve `app` on one thread of this process; returns when `stop` is set and open requests are answered.

    Raises PortBusy when the port is taken, ProcessFailed when the server stops unexpectedly.
    """
    limits: Limits = app.state.limits
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            app,
            http=partial(HttpConnection, limits=limits, refusals=app.state.refusals),  # type: ignore[arg-type]
            ws="none",
            proxy_headers=False,  # X-Forwarded-For must not say where a connection comes from
            log_level="error",  # what a client can cause is counted, and told once, by `Refusals`
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.idle,  # type: ignore[arg-type]
            timeout_graceful_shutdown=_GRACE,
            backlog=max(8, limits.connections // 4),  # so many may be accepted before one can be dropped
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name=f"http:{port}", daemon=True)
        thread.start()
        while not stop.wait(0.2):
            if not thread.is_alive():
                raise ProcessFailed(f"the HTTP server on {host}:{port} stopped unexpectedly", "see the error above")
        server.should_exit = True
        thread.join(timeout=5)


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Few are accepted at a time, yet many may wait: a full queue costs its newcomer a second."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_QUEUE)


def _listening(host: str, port: int) -> socket.socket:
    ports.check(host, port, "an HTTP server of Bascule", "its port under stack.ports")
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer's second packet waits for 40 ms
    return listener


class HttpConnection(H11Protocol):
    """A connection that is ended when its request's head does not arrive, or when it does not read its answer.

    Where there are too many, the idle one that has waited longest makes room; when none is idle, the new one is
    refused.
    """

    def __init__(self, limits: Limits, refusals: Refusals, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._refusals = refusals
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.is_idle:
            self._stop_waiting()
        elif self._patience is None:
            self._await_head()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.stall, self._give_up)

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._note(400, "it sends something else than HTTP")
        super().send_400_response(msg)

    # ------------------------------------------------------------ a head that does not come, an answer that is not read

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(self._limits.head, self._end_waiting)

    def _end_waiting(self) -> None:
        has_begun, _ = self.conn.trailing_data
        if has_begun:
            self._answer(408, "Request Timeout", f"no complete request within {self._limits.head:g} s")
        self.transport.close()

    def _give_up(self) -> None:
        self._note(408, f"it read nothing of the response for {self._limits.stall:g} s")
        self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # ------------------------------------------------------------ too many connections

    def _make_room(self) -> None:
        why = f"more than {self._limits.connections} connections are open"
        idle = [other for other in self.connections if isinstance(other, HttpConnection) and other._can_go(self)]
        if not idle:
            self._answer(503, "Service Unavailable", why)
            self.transport.close()
            return
        longest = min(idle, key=lambda other: other._idle_since)
        longest._note(503, why)
        longest.transport.close()

    def _can_go(self, newest: HttpConnection) -> bool:
        return self is not newest and self.is_idle and not self.transport.is_closing()

    def _answer(self, status: int, reason: str, why: str) -> None:
        self._note(status, why)
        self.transport.write(f"HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())

    def _note(self, status: int, why: str) -> None:
        self._refusals.note(status, self.client[0] if self.client else "unknown", why)
