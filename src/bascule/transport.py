"""HTTP to other programs: one deadline for the whole exchange, an answer of bounded size and depth, never a proxy."""

from __future__ import annotations

import base64
import ipaddress
import math
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from pydantic_core import from_json

from bascule.conventions import OWN_AGENT
from bascule.errors import QueryRejected, Unreachable, UsageError

__all__ = ["MIB", "NO_CREDENTIALS", "Credentials", "Http", "HttpAnswer", "OneConnection", "Prove", "is_local", "parsed"]

MIB = 1 << 20
_LARGEST_FIRST = 64 << 10  # bytes of the first answer of a connection
_SOON = 0.001  # seconds: a socket takes zero for "never wait"
_SURROGATE = re.compile(rb"(?<!\\)((?:\\\\)*)\\(u[dD][89abABcdefCDEF][0-9a-fA-F]{2})")

_deadline: ContextVar[float] = ContextVar("deadline")


@dataclass(frozen=True)
class Credentials:
    """What a server asks of those who enter. Each secret is the content of a file, read again for each request, because
    tokens are renewed; none is ever part of a message. `header_files`: further headers, such as a tenant's.
    """

    token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    header_files: Mapping[str, Path] = field(default_factory=dict)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def headers(self) -> dict[str, str]:
        """Raises UsageError for a file that cannot be read, or holds what no header can."""
        found = {name: _secret(file) for name, file in self.header_files.items()}
        if self.token_file is not None:
            found["Authorization"] = f"Bearer {_secret(self.token_file)}"
        elif self.username is not None:
            password = _secret(self.password_file) if self.password_file is not None else ""
            found["Authorization"] = "Basic " + base64.b64encode(f"{self.username}:{password}".encode()).decode()
        return found

    def context(self) -> ssl.SSLContext:
        """Raises UsageError for certificates that cannot be read."""
        if self.ca is None and self.certificate is None:
            return _certificates()
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file is not None)
            raise UsageError(
                f"the certificates in {named} cannot be used: {_plain(error)}", "name readable PEM files"
            ) from error
        return context


NO_CREDENTIALS = Credentials()


def _secret(file: Path) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"the secret in {file} cannot be read: {_plain(error)}", "check the file's path") from error
    if not text.isascii() or not text.isprintable():
        raise UsageError(f"the secret in {file} is not one line of ASCII text", "write the secret alone into the file")
    return text


@dataclass(frozen=True)
class HttpAnswer:
    """What a server answered, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError for what is not JSON, or is nested deeper than 200 levels."""
        return parsed(self.body)


class OneConnection:
    """A connection over which nothing has gone yet. What is asked here and what follows go to the same listener."""

    def __init__(self, host: str, port: int, stream: httpcore.NetworkStream) -> None:
        origin = httpcore.Origin(b"http", host.encode(), port)
        self._http = httpcore.HTTP11Connection(origin, stream)
        self.named = (host, port)
        peer: socket.socket = stream.get_extra_info("socket")
        self.peer: tuple[str, int] = peer.getpeername()[:2]

    def get(self, path: str, headers: Mapping[bytes | str, bytes | str]) -> HttpAnswer:
        """Raises httpcore's errors."""
        url = httpcore.URL(scheme="http", host=self.named[0], port=self.named[1], target=path)
        body = bytearray()
        with self._http.stream("GET", url, headers=headers) as response:
            for piece in response.iter_stream():
                body += piece
                if len(body) > _LARGEST_FIRST:
                    raise httpcore.RemoteProtocolError("its first answer is too large")
        return HttpAnswer(response.status, httpx.Headers(response.headers), bytes(body))

    @property
    def goes_on(self) -> bool:
        """Whether another request may follow."""
        return self._http.is_idle()


Prove = Callable[[OneConnection], None]  # raises a BasculeError for a listener that is not whom we mean


class Http:
    """A client of one server, safe to share between threads; `name` and `fix` go into errors.

    `seconds` bounds an exchange from the look-up of the name to the last byte of the answer, `within` (seconds from
    now) all exchanges together, `largest` (bytes) the answer. Neither proxies nor passwords are taken from the
    environment, and no redirect is followed. `prove` sees each connection, before TLS, ahead of every request; there is
    none with a `transport`, which takes the place of all connections. Raises UsageError for what is no URL.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        seconds: float,
        fix: str = "check that it runs and that the address is right",
        largest: int = 64 * MIB,
        within: float = math.inf,
        transport: httpx.BaseTransport | None = None,
        credentials: Credentials = NO_CREDENTIALS,
        prove: Prove | None = None,
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.seconds = seconds
        self._until = time.monotonic() + within
        self._fix = fix
        self._largest = largest
        self._credentials = credentials
        try:
            self._client = httpx.Client(
                base_url=self.url,
                transport=transport or _Transport(credentials.context(), prove),
                trust_env=False,
                headers={"Accept-Encoding": "identity" if is_local(url) else "gzip", "User-Agent": OWN_AGENT},
            )
        except httpx.InvalidURL as error:
            what = f"{name} cannot be asked at {self.url!r}: {error}"
            raise UsageError(what, "write its address like http://127.0.0.1:9090") from error

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, *, seconds: float | None = None, **content: Any) -> HttpAnswer:
        """The answer, whatever its status; `content` as httpx takes it (`json`, `params`, `data`, `headers`).

        Raises Unreachable when no whole answer came in time, QueryRejected when it is too large, UsageError for a
        credential that cannot be read.
        """
        with self._streamed(method, path, seconds, **content) as response:
            return HttpAnswer(response.status_code, response.headers, self._body(response))

    def first_line(self, path: str, start: str, **content: Any) -> str:
        """The first line of a stream that begins with `start`, empty where there is none. Raises as `ask`."""
        with self._streamed("GET", path, None, **content) as response:
            return next((line for line in response.iter_lines() if line.startswith(start)), "")

    @contextmanager
    def _streamed(self, method: str, path: str, seconds: float | None, **content: Any) -> Iterator[httpx.Response]:
        content["headers"] = {**self._credentials.headers(), **(content.get("headers") or {})}
        limit = min(self.seconds if seconds is None else seconds, max(_SOON, self._until - time.monotonic()))
        before = _deadline.set(time.monotonic() + limit)
        try:
            with self._client.stream(method, path, timeout=limit, **content) as response:
                yield response
        except httpx.TimeoutException as error:
            raise self._away(f"no whole answer within {limit:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away(_plain(error)) from error
        finally:
            _deadline.reset(before)

    def _body(self, response: httpx.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > self._largest:
                what = f"{self.name} at {self.url} answered with more than {self._largest / MIB:g} MiB"
                raise QueryRejected(what, "ask for less: a shorter time, or fewer series or lines")
        return b"".join(pieces)

    def _away(self, why: str) -> Unreachable:
        return Unreachable(f"{self.name} at {self.url} does not answer: {why}", self._fix)


def parsed(body: bytes) -> Any:
    """JSON as Python objects; half a surrogate pair becomes its escape. Raises ValueError (see `HttpAnswer`)."""
    try:
        return from_json(body)
    except ValueError:
        if not _SURROGATE.search(body):
            raise
        return from_json(_SURROGATE.sub(rb"\1\\\\\2", body))


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine's loopback, where no proxy has anything to do."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


# ---------------------------------------------------------------- the deadline, on every wait of a socket


class _Transport(httpx.HTTPTransport):
    def __init__(self, certificates: ssl.SSLContext, prove: Prove | None) -> None:
        super().__init__(verify=certificates, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=certificates,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Backend(prove),
        )


@cache
def _certificates() -> ssl.SSLContext:
    """Who may vouch for a server; read once, since it takes longer than most requests."""
    return httpx.create_ssl_context(trust_env=False)


class _Backend(httpcore.SyncBackend):
    """Connections whose every wait ends at the deadline of the exchange that waits."""

    def __init__(self, prove: Prove | None) -> None:
        self._prove = prove

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"the name {host} has no address")
        for address in _addresses(host, port):
            try:
                stream = _Stream(super().connect_tcp(address, port, _left(), local_address, socket_options))
                break
            except httpcore.ConnectError as error:
                failure = error
        else:
            raise failure
        try:
            if self._prove is not None:
                self._prove(connection := OneConnection(host, port, stream))
                if not connection.goes_on:
                    raise httpcore.RemoteProtocolError("it closed the connection after its first answer")
        except BaseException:
            stream.close()
            raise
        return stream


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        sock: socket.socket = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        try:
            while rest:
                sock.settimeout(_left())
                rest = rest[sock.send(rest) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left()))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left() -> float:
    """Seconds until the deadline. Raises ReadTimeout when it has passed: a server that drips gets no more time."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return max(_SOON, left)


def _addresses(host: str, port: int) -> list[str]:
    """The host's addresses; the look-up of a name, which nothing can interrupt, is left behind at the deadline."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        found: queue.Queue[list[str] | Exception] = queue.Queue()
        threading.Thread(target=_look_up, args=(host, port, found), name=f"look up {host}", daemon=True).start()
    try:
        answer = found.get(timeout=_left())
    except queue.Empty as error:
        raise httpcore.ConnectTimeout(f"the look-up of {host}") from error
    if isinstance(answer, Exception):
        raise httpcore.ConnectError(str(answer)) from answer
    return answer


def _look_up(host: str, port: int, found: queue.Queue[list[str] | Exception]) -> None:
    try:
        found.put([str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except (OSError, UnicodeError) as error:
        found.put(error)
