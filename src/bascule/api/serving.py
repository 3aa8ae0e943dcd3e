"""Serving a role's application until it is told to stop, whatever its clients do or fail to do."""

from __future__ import annotations

import socket
import threading
from functools import partial

import uvicorn
from fastapi import FastAPI

from bascule.api.connections import HttpConnection
from bascule.api.limits import Limits
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
