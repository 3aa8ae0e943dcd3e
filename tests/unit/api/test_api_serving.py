"""Serving an application until told to stop."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from bascule.errors import PortBusy
from bascule.processes.serving import add_metrics_page, serve_until


@pytest.fixture
def served(free_port):
    """The address of an application with a metrics page, and the event that stops it."""
    registry = CollectorRegistry()
    Counter("looks", "Looks taken.", registry=registry).inc(3)
    app, stop, port = FastAPI(), threading.Event(), free_port()
    add_metrics_page(app, registry)
    thread = threading.Thread(target=serve_until, args=(stop, app, "127.0.0.1", port))
    thread.start()
    yield f"http://127.0.0.1:{port}", stop, thread
    stop.set()
    thread.join()


def answer(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return None


def test_metrics_and_health_are_answered_until_it_is_told_to_stop(served, eventually):
    url, stop, thread = served
    assert eventually(lambda: answer(f"{url}/health")).json() == {"status": "ok"}
    metrics = answer(f"{url}/metrics")
    assert "looks_total 3.0" in metrics.text
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert answer(f"{url}/health") is None


def test_a_taken_port_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortBusy, match="is taken by"):
        serve_until(threading.Event(), FastAPI(), "127.0.0.1", server.getsockname()[1])
