"""A TLS endpoint on this machine whose certificate can be replaced while it serves."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bascule.errors import ProcessFailed
from bascule.processes import command

GOOD_DAYS, LAST_DAYS = 90, 1
SECONDS = 30.0  # that openssl may take
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def unable() -> str:
    """Why there can be no certificate on this machine; empty where there can."""
    return "" if shutil.which("openssl") else "the program openssl is not installed"


class TlsDoor:
    """Serves `/health` at `address` (host:port), with certificates of an authority of its own (`ca`)."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
        _openssl("req", "-x509", *_EC, "-days", "365", "-subj", "/CN=drills", *self._named("keyout", "out", "ca"))
        _openssl("req", "-new", *_EC, *name, *self._request)
        self.renew(GOOD_DAYS)
        self._server = _Server(self)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def renew(self, days: int) -> None:
        """Serve a new certificate from the next connection on."""
        authority = ("-CA", str(self.ca), "-CAkey", str(self._folder / "ca.key"), "-CAcreateserial")
        asked, made = self._folder / "server.csr", self._folder / "server.pem"
        life = ("-days", str(days), "-copy_extensions", "copy")
        _openssl("x509", "-req", "-in", str(asked), *authority, *life, "-out", str(made))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, self._folder / "server.key")
        self.context = context

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _named(self, key: str, out: str, name: str) -> tuple[str, ...]:
        return f"-{key}", str(self._folder / f"{name}.key"), f"-{out}", str(self._folder / f"{name}.pem")

    @property
    def _request(self) -> tuple[str, ...]:
        return "-keyout", str(self._folder / "server.key"), "-out", str(self._folder / "server.csr")


@contextmanager
def serving(folder: Path) -> Iterator[TlsDoor]:
    """The endpoint, on a free port of loopback."""
    tls = TlsDoor(folder)
    threading.Thread(target=tls.serve, daemon=True).start()
    try:
        yield tls
    finally:
        tls.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls: TlsDoor) -> None:
        super().__init__(("127.0.0.1", 0), _Health)
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake is the connection's own thread's: who only connects keeps nobody waiting."""
        request.settimeout(5.0)
        with self._tls.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who does not trust the certificate leaves."""


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def _openssl(*arguments: str) -> None:
    done = command.run(["openssl", *arguments], SECONDS)
    if done.status:
        raise ProcessFailed(f"openssl {arguments[0]} failed: {done.said[-300:]}", "install OpenSSL 3")
