"""Serving a role's application until it is told to stop, whatever its clients do or fail to do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from bascule.api.connections import Handshake, HttpConnection
from bascule.api.limits import Limits
from bascule.errors import ProcessFailed
from bascule.processes import ports

_QUEUE = 512  # connections that wait to be accepted
_GRACE = 2  # seconds that open requests get at the end


@dataclass(frozen=True)
class Beyond:
    """An address that other machines can reach; `context` where it encrypts itself."""

    host: str
    context: ssl.SSLContext | None


def serve_until(stop: threading.Event, app: FastAPI, host: str, port: int, beyond: Beyond | None = None) -> None:
    """Serve `app` on one thread of this process, on `host` and `beyond` at once; returns when `stop` is set and open
    requests are answered.

    Raises PortBusy when the port is taken, ProcessFailed when the server stops unexpectedly.
    """
    limits: Limits = app.state.limits
    hosts = [host, beyond.host] if beyond else [host]
    for each in hosts:
        ports.check(each, port, "an HTTP server of Bascule", "its port under stack.ports")
    with ExitStack() as opened:
        listener, *others = [opened.enter_context(_listening(each, port, len(hosts) > 1)) for each in hosts]
        config = uvicorn.Config(
            app,
            http=partial(HttpConnection, limits=limits, refusals=app.state.refusals),  # type: ignore[arg-type]
            ws="none",
            proxy_headers=False,  # X-Forwarded-For must not say where a connection comes from
            log_config=None,
            log_level="error",  # what a client can cause is counted, and told once, by `Refusals`
            access_log=False,
            server_header=False,
            timeout_keep_alive=limits.idle,  # type: ignore[arg-type]
            timeout_graceful_shutdown=_GRACE,
            backlog=max(8, limits.connections // 4),  # so many may be accepted before one can be dropped
        )
        server = _Server(config, beyond.context if beyond else None, others)
        thread = threading.Thread(target=server.run, args=([listener],), name=f"http:{port}", daemon=True)
        thread.start()
        while not stop.wait(0.2):
            if not thread.is_alive():
                raise ProcessFailed(f"the HTTP server on {host}:{port} stopped unexpectedly", "see the error above")
        server.should_exit = True
        thread.join(timeout=5)


class _Server(uvicorn.Server):
    """`others`: listeners whose connections are encrypted, where there is a `context`."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext | None, others: Sequence[socket.socket]) -> None:
        super().__init__(config)
        self._context = context
        self._others = others

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Few are accepted at a time, yet many may wait: a full queue costs its newcomer a second."""
        await super().startup(sockets)
        for other in self._others:
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(self._connection, sock=other, backlog=self.config.backlog))
        for listener in (*(sockets or ()), *self._others):
            listener.listen(_QUEUE)

    def _connection(self) -> asyncio.Protocol:
        return self._made() if self._context is None else Handshake(self._made, self._context)

    def _made(self) -> HttpConnection:
        make: Any = self.config.http_protocol_class
        connection: HttpConnection = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection


def _listening(host: str, port: int, is_shared: bool) -> socket.socket:
    """Of `0.0.0.0` and one address, the system gives a connection to the one that says more."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, reuse_port=is_shared)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer's second packet waits for 40 ms
    return listener
