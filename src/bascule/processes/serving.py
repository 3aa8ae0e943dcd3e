"""Serving an HTTP application from a role's process until it is told to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bascule.errors import ProcessFailed
from bascule.processes import ports


def add_metrics_page(app: FastAPI, registry: CollectorRegistry) -> None:
    """`/metrics` in Prometheus' text format, and `/health` for readiness checks."""

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}


def serve_until(stop: threading.Event, app: Callable[..., Any], host: str, port: int) -> None:
    """Serve `app` on one thread of this process; returns when `stop` is set and open requests are answered.

    Raises PortBusy when the port is taken, ProcessFailed when the server ends by itself.
    """
    with _listening(host, port) as listener:
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name=f"http:{port}", daemon=True)
        thread.start()
        while not stop.wait(0.2):
            if not thread.is_alive():
                raise ProcessFailed(f"the HTTP server on {host}:{port} ended by itself")
        server.should_exit = True
        thread.join(timeout=5)


def _listening(host: str, port: int) -> socket.socket:
    ports.check(host, port, "an HTTP server of Bascule", "its port under stack.ports")
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
