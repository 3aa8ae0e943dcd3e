"""What becomes of requests under real servers: servers, cases, what was counted of each, and what must be.

A service is one application of outcome_apps.py under one server. Each case makes one request; what is counted of it is
read from the service's metrics files, which outlive a worker that is killed. The truth stands in docs/instrument.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import websockets
from outcome_apps import SLOW_SECONDS
from prometheus_client.multiprocess import MultiProcessCollector

from bascule.conventions import CLIENT_LEFT, HTTP_LEFT, HTTP_REQUESTS
from bascule.processes.ports import free
from bascule.processes.ready import answers, wait_until

SUPPORT = Path(__file__).parent
PAGE = SUPPORT.parents[1] / "docs" / "instrument.md"
PATIENCE_SECONDS = 1.5
SERVERS_PATIENCE_SECONDS = 3  # after which a server ends a worker or a request, where it does
CLIENTS_PATIENCE_SECONDS = 5  # of one that wants the whole answer, also from a busy machine
COUNTED_WITHIN_SECONDS = 20
STOPPED_WITHIN_SECONDS = 5
NO_MORE_WITHIN_SECONDS = 0.1
ANY = "any"

# ---------------------------------------------------------------- servers and frameworks


@dataclass(frozen=True)
class Server:
    """How a server starts; whether it ends a request that hangs, by a timeout or when it is told to stop."""

    argv: tuple[str, ...]
    asgi: bool
    ends_hanging: bool = False


APPLICATION = "outcome_apps:application"
WERKZEUG = "import outcome_apps as o, werkzeug; werkzeug.run_simple('127.0.0.1', PORT, o.application, threaded=True)"


def _server(*argv: str, asgi: bool = False, ends_hanging: bool = False) -> Server:
    return Server(("-m", *argv, APPLICATION), asgi, ends_hanging)


def _gunicorn(worker: str, *options: str, asgi: bool = False, ends_hanging: bool = False) -> Server:
    waits = ("--timeout", str(SERVERS_PATIENCE_SECONDS), "--graceful-timeout", "1")
    argv = ("gunicorn", "--bind", "127.0.0.1:PORT", "--worker-class", worker, *waits, *options)
    return _server(*argv, asgi=asgi, ends_hanging=ends_hanging)


def _granian(interface: str) -> Server:
    return _server("granian", "--interface", interface, "--port", "PORT", asgi=interface == "asgi")


SERVERS = {
    "uvicorn": _server("uvicorn", "--port", "PORT", asgi=True),
    "hypercorn": _server(
        "hypercorn", "--bind", "127.0.0.1:PORT", "--graceful-timeout", "1", asgi=True, ends_hanging=True
    ),
    "daphne": _server(
        "daphne", "-p", "PORT", "--http-timeout", str(SERVERS_PATIENCE_SECONDS), asgi=True, ends_hanging=True
    ),
    "granian": _granian("asgi"),
    "gunicorn asgi": _gunicorn("asgi", "--asgi-disconnect-grace-period", "1", asgi=True),
    "gunicorn uvicorn": _gunicorn("uvicorn.workers.UvicornWorker", asgi=True),
    "gunicorn sync": _gunicorn("sync", ends_hanging=True),
    "gunicorn gthread": _gunicorn("gthread", "--threads", "8"),
    "gunicorn gevent": _gunicorn("gevent"),
    "waitress": _server("waitress", "--listen", "127.0.0.1:PORT"),
    "granian wsgi": _granian("wsgi"),
    "werkzeug": Server(("-c", WERKZEUG), asgi=False),
    "cheroot": _server("cheroot", "--bind", "127.0.0.1:PORT"),
}


@dataclass(frozen=True)
class Framework:
    """The functions of outcome_apps.py that write the application in it, "" where it has none of that kind."""

    asgi: str = ""
    wsgi: str = ""
    has_websockets: bool = True


FRAMEWORKS = {
    "plain ASGI": Framework("asgi"),
    "Starlette": Framework("starlette"),
    "Starlette below BaseHTTPMiddleware": Framework("starlette_stack"),
    "FastAPI": Framework("fastapi"),
    "Django": Framework("django_asgi", "django_wsgi", has_websockets=False),
    "Django below Channels": Framework("channels", has_websockets=False),
    "plain WSGI": Framework(wsgi="wsgi"),
    "Flask": Framework(wsgi="flask"),
}


def application(server: str, framework: str) -> str:
    """The function of outcome_apps.py for this pair, "" where they do not go together."""
    return FRAMEWORKS[framework].asgi if SERVERS[server].asgi else FRAMEWORKS[framework].wsgi


def pairs() -> list[tuple[str, str]]:
    return [(server, framework) for server in SERVERS for framework in FRAMEWORKS if application(server, framework)]


# ---------------------------------------------------------------- services

Counts = dict[tuple[str, str, str], float]  # by endpoint, method and status


@dataclass
class Service:
    server: str
    framework: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def counted(self) -> Counts:
        files = [str(file) for file in self.folder.glob("*.db") if file.stat().st_size]
        families = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        found: Counts = {}
        for sample in (sample for family in families for sample in family.samples):
            if sample.name in (HTTP_REQUESTS.name, HTTP_LEFT.name) and sample.value:
                status = sample.labels.get("status", CLIENT_LEFT)
                key = (sample.labels["endpoint"], sample.labels["method"], status)
                found[key] = found.get(key, 0) + sample.value
        return found

    def stop(self) -> None:
        """By a signal that it may answer; its whole process group is gone afterwards."""
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOPPED_WITHIN_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running(server: str, framework: str, folder: Path) -> Iterator[Service]:
    """The application under the server, ready to be asked; `folder` holds its metrics and its log."""
    port = free()
    (folder / "instrument.json").write_text(json.dumps({"patience": PATIENCE_SECONDS}))
    environment = os.environ | {
        "APPLICATION": application(server, framework),
        "PYTHONPATH": str(SUPPORT),
        "BASCULE_INSTRUMENT": str(folder / "instrument.json"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }
    argv = [sys.executable, *(part.replace("PORT", str(port)) for part in SERVERS[server].argv)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)
    service = Service(server, framework, port, folder, process)
    try:
        if not wait_until(answers(f"http://127.0.0.1:{port}/metrics"), seconds=30):
            raise RuntimeError(f"{server} did not start {framework}:\n{(folder / 'log').read_text()[-3000:]}")
        yield service
    finally:
        service.stop()


class Services(contextlib.ExitStack):
    """Keeps the service that was last asked for, so that the cases of a pair share it."""

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        super().__init__()
        self._new_folder = new_folder
        self._pair = ("", "")

    def of(self, pair: tuple[str, str]) -> Service:
        if pair != self._pair:
            self.close()
            self._pair, self._service = pair, self.enter_context(running(*pair, self._new_folder("service")))
        return self._service


# ---------------------------------------------------------------- cases

Act = Callable[[Service], None]


def _connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=CLIENTS_PATIENCE_SECONDS)


def _ask(connection: socket.socket, path: str, method: str = "GET", *headers: str) -> None:
    lines = [f"{method} {path} HTTP/1.1", "Host: shop", "Connection: close", *headers]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())


def _whole(path: str, method: str = "GET", *headers: str) -> Act:
    """A client that reads the answer to its end."""

    def act(service: Service) -> None:
        with _connect(service) as connection, contextlib.suppress(ConnectionResetError, TimeoutError):
            _ask(connection, path, method, *headers)
            while connection.recv(65536):
                pass

    return act


def _leaves_after(path: str, seconds: float) -> Act:
    def act(service: Service) -> None:
        with _connect(service) as connection:
            _ask(connection, path)
            time.sleep(seconds)  # this is how long the client waits

    return act


def _leaves_during(service: Service) -> None:
    with _connect(service) as connection:
        _ask(connection, "/endless")
        connection.recv(100)


def _cut_upload(service: Service) -> None:
    with _connect(service) as connection:
        _ask(connection, "/upload", "POST", "Content-Type: application/json", "Content-Length: 100000")
        connection.sendall(b"{" * 1000)


def _websocket(service: Service) -> None:
    async def talk() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{service.port}/live", proxy=None):
            pass

    asyncio.run(talk())


def _hang(service: Service) -> None:
    """Until the server ends the request by its own timeout, or else because it is told to stop."""
    with _connect(service) as connection:
        _ask(connection, "/hanging")
        connection.settimeout(2.5 * SERVERS_PATIENCE_SECONDS)
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            service.stop()


@dataclass(frozen=True)
class Case:
    """One request; `endpoint` and `method` are those under which it must be counted."""

    endpoint: str
    act: Act
    method: str = "GET"


WEBSOCKET, HANG = "websocket", "the request hangs and the server ends it"
CASES = {
    "200": Case("/ok", _whole("/ok")),
    "404": Case("/missing", _whole("/missing")),
    "500": Case("/failing", _whole("/failing")),
    "exception": Case("/raising", _whole("/raising")),
    "HEAD": Case("/ok", _whole("/ok", "HEAD"), "HEAD"),
    "file": Case("/file", _whole("/file")),
    "stream": Case("/stream", _whole("/stream")),
    "exception in a stream": Case("/breaking", _whole("/breaking")),
    "BaseException in a stream": Case("/stopping", _whole("/stopping")),
    "background failure": Case("/background", _whole("/background")),
    "client leaves before the answer": Case("/slow", _leaves_after("/slow", 0.4 * SLOW_SECONDS)),
    "client leaves after `patience`": Case("/slower", _leaves_after("/slower", 1.2 * PATIENCE_SECONDS)),
    "client leaves during a stream": Case("/endless", _leaves_during),
    "upload cut": Case("/upload", _cut_upload, "POST"),
    "scrape or probe": Case("/ok", _whole("/ok", "OPTIONS", "User-Agent: Blackbox Exporter/0.24.0"), "OPTIONS"),
    WEBSOCKET: Case("/live", _websocket, "WEBSOCKET"),
    HANG: Case("/hanging", _hang),
}


def plays(server: str, framework: str, case: str) -> bool:
    if case == WEBSOCKET:
        return SERVERS[server].asgi and FRAMEWORKS[framework].has_websockets
    return SERVERS[server].ends_hanging if case == HANG else True


def outcome(service: Service, name: str, expected: str) -> str:
    """What was counted of the case, as the truth tells it; as soon as it is what was expected, and no more comes."""
    case, before = CASES[name], service.counted()

    def told() -> str:
        return _told(case, before, service.counted())

    case.act(service)
    wait_until(lambda: told() == expected, COUNTED_WITHIN_SECONDS)
    wait_until(lambda: told() != expected, NO_MORE_WITHIN_SECONDS)
    return told()


def _told(case: Case, before: Counts, now: Counts) -> str:
    """Such as `200`, `200 and 500`, `nothing`; with the place where it is not the case's own."""
    new = {key: int(value - before.get(key, 0)) for key, value in now.items() if value != before.get(key, 0)}
    return (
        " and ".join(
            ("" if count == 1 else f"{count} x ")
            + f"`{status}`"
            + ("" if (endpoint, method) == (case.endpoint, case.method) else f" at {method} {endpoint}")
            for (endpoint, method, status), count in sorted(new.items())
        )
        or "nothing"
    )


# ---------------------------------------------------------------- truth


def truth(server: str, framework: str, case: str) -> str:
    """What docs/instrument.md says is counted: by the first of its differences that fits, else by its main table."""
    for cases, servers, frameworks, counted in differences():
        if case in cases and _fits(server, servers) and _fits(framework, frameworks):
            return counted
    return counted_as()[case]


def counted_as() -> dict[str, str]:
    return dict(_table("| case | counted as |"))


def differences() -> list[tuple[list[str], list[str], list[str], str]]:
    """Cases, servers, frameworks, and what is counted where one of each meet."""
    rows = _table("| case | server | framework |")
    return [(_list(cases), _list(servers), _list(frameworks), counted) for cases, servers, frameworks, counted in rows]


def _fits(name: str, names: list[str]) -> bool:
    return names == [ANY] or name in names


def _list(cell: str) -> list[str]:
    return cell.split(", ")


def _table(head: str) -> list[list[str]]:
    """The rows of the page's table with this head, without the last column, which says why."""
    _, _, after = PAGE.read_text("utf-8").partition(head)
    rows = itertools.takewhile(lambda line: line.startswith("|"), after.splitlines()[2:])
    return [[cell.strip() for cell in row.strip("|").split(" | ")][:-1] for row in rows]
