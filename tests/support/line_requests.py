"""The requests that recordings tell of: which are made, and a client that sends each by itself and notes its answer."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lines import LEFT, UNKNOWN, Sent

METHODS = ("GET", "POST", "GET", "HEAD", "PUT", "DELETE", "GET", "OPTIONS", "PATCH")
STATUSES = (200, 201, 204, 200, 301, 400, 401, 200, 404, 429, 500, 502, 503)
QUERIES = ("", "&q=a%20b", "&next=/api/v1/x", "&q=caf%C3%A9", "&json=%7B%22a%22:1%7D", "&x=1&status_text=ok")
NAMES = ("match", "match", "jobs%20and%20more", "caf%C3%A9", "quote%22d", "match;v=1", "a.b-c~d")
AGENTS = ("curl/8.5.0", 'Mozilla/5.0 (X11; Linux) "quoted" [x]', "", "python-requests/2.32 é", "a\\b")
SECONDS = (0.0, 0.0, 0.002, 0.0, 0.011, 0.0)
TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(range(160))
WAIT_SECONDS = 5.0
_CLOSE = "Connection: close\r\n\r\n"
TOGETHER = 4


@dataclass(frozen=True)
class Request:
    """One to be made. `raw` is sent as it is; `leaves_after`: the client goes after so many seconds."""

    version: str
    target: str
    method: str = "GET"
    seconds: float = 0.0
    agent: str = "curl/8.5.0"
    raw: bytes = b""
    leaves_after: float | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def data(self) -> bytes:
        length = "Content-Length: 0\r\n" if self.method in ("POST", "PUT", "PATCH") else ""
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: shop\r\n{length}"
        return self.raw or f"{head}User-Agent: {self.agent}\r\nConnection: close\r\n\r\n".encode()


def plan(number: int, prefix: str = "/api/{version}") -> list[Request]:
    """So many requests, every second one for V2, each with a path of its own."""
    return [_planned(place, prefix) for place in range(number)]


def _planned(place: int, prefix: str) -> Request:
    def of(values: tuple) -> object:  # type: ignore[type-arg]
        return values[place % len(values)]

    version, seconds = f"v{1 + place % 2}", of(SECONDS)
    target = (
        f"{prefix.format(version=version)}/{of(NAMES)}/{place}?status={of(STATUSES)}&seconds={seconds}{of(QUERIES)}"
    )
    return Request(version, target, str(of(METHODS)), float(str(seconds)), str(of(AGENTS)))


def odd(first: int, prefix: str = "/{version}/api") -> list[Request]:
    """What is no HTTP, or hardly any; paths are numbered from `first`."""
    old, absolute = f"{prefix.format(version='v1')}/old/{first}", f"{prefix.format(version='v2')}/abs/{first}"
    return [
        Request(UNKNOWN, "", raw=TLS_HELLO),
        Request(UNKNOWN, "", raw=b"\r\n\r\nnonsense\r\n\r\n"),
        Request("v1", old, raw=f"GET {old} HTTP/1.0\r\n\r\n".encode()),
        Request("v2", absolute, raw=f"GET http://shop{absolute}?a=b HTTP/1.1\r\nHost: shop\r\n{_CLOSE}".encode()),
    ]


def leaving(first: int, version: str, target: str = "/api/{version}/slow/{number}?seconds=0.5") -> list[Request]:
    """Clients that go before the answer comes."""
    return [
        Request(version, target.format(version=version, number=number), leaves_after=0.05)
        for number in range(first, first + 3)
    ]


def send(port: int, requests: list[Request]) -> list[Sent]:
    """All of them, a few at once."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(lambda request: ask(port, request), requests))


def ask(port: int, request: Request) -> Sent:
    start = time.time()
    status = _answer(port, request)
    return Sent(
        request.method if request.path else "", request.path, status, request.version, start, time.time(),
        request.seconds,
    )  # fmt: skip


def _answer(port: int, request: Request) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=request.leaves_after or WAIT_SECONDS) as connection:
        connection.sendall(request.data)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while data := connection.recv(65536):
                said += data
        first = said.split(b" ", 2)
        return int(first[1]) if len(first) > 1 and first[1].isdigit() else LEFT
