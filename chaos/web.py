"""A small HTTP server of a world: each request on a thread of its own, and a client that has gone is no error."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


class Handler(BaseHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Serves from the moment it is made until `close`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, handler: type[Handler]) -> None:
        super().__init__((HOST, port), handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def close(self) -> None:
        self.shutdown()
        self.server_close()
