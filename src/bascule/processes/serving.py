"""Serving an HTTP application from a role's process until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def add_metrics_page(app: FastAPI, registry: CollectorRegistry) -> None:
    """`/metrics` in Prometheus' text format, and `/health` for readiness checks."""

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}


def serve_until(stop: threading.Event, app: Callable[..., Any], host: str, port: int) -> None:
    """Serve `app` on one thread of this process; returns when `stop` is set and open requests are answered."""
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, name=f"http:{port}", daemon=True)
    thread.start()
    while not stop.wait(0.2):
        if not thread.is_alive():
            raise OSError(f"the HTTP server on {host}:{port} ended by itself")
    server.should_exit = True
    thread.join(timeout=5)
