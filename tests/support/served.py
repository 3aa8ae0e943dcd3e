"""A small HTTP server of a test's own, on a free port of 127.0.0.1."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EXPOSITION = "text/plain; version=0.0.4"  # Prometheus' text format


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no log; it says nothing of an answer's type unless it is told."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def posted(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", kind: str = "") -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Its address, `127.0.0.1:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class MetricsPage:
    """What a scrape target says at /metrics, in Prometheus' text format; 503 while `up` is False. Posts are taken."""

    target: str = ""
    text: str = ""
    up: bool = True

    @property
    def url(self) -> str:
        return f"http://{self.target}/metrics"


@contextmanager
def metrics_page(text: str = "") -> Iterator[MetricsPage]:
    page = MetricsPage(text=text)

    class Handler(Quiet):
        def do_GET(self) -> None:
            if page.up:
                self.answer(200, page.text.encode(), EXPOSITION)
            else:
                self.answer(503)  # without a body: some engines read that, too

        def do_POST(self) -> None:
            self.posted()
            self.answer(200)

    with served(Handler) as page.target:
        yield page
