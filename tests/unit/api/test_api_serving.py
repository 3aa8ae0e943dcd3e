"""The server itself, over real connections: what clients do wrong or fail to do, and that the rest is answered."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import httpx
import pytest
from api_caller import with_state
from fastapi import Body, FastAPI, Request
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import StreamingResponse

from bascule.api import Tokens
from bascule.api.limits import Limits
from bascule.api.rights import Right, needs
from bascule.api.server import application
from bascule.api.serving import serve_until
from bascule.errors import PortBusy
from bascule.spec import load
from bascule.spec.addresses import bracketed
from bascule.transport import MIB

QUICK = Limits(head=0.4, body=0.4, stall=0.4, idle=5.0, connections=20)


@dataclass
class Role:
    """A role that is served: its address, its token, and how it is told to stop."""

    port: int
    token: str
    stop: threading.Event
    thread: threading.Thread
    took: list[Any]
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"http://{bracketed(self.host)}:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, content: Any, **headers: str) -> httpx.Response:
        told = self.bearer | {"Content-Type": "application/json"} | headers
        return httpx.post(f"{self.url}/keep", content=content, headers=told, timeout=20, trust_env=False)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5, trust_env=False).json() == {
                "status": "ok",
                "problems": [],
            }
        except httpx.TransportError:
            return False

    def answers_within_a_second(self) -> bool:
        begun = time.monotonic()
        return self.answers() and time.monotonic() - begun < 1

    def connect(self, data: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(data)
        return connection

    def refused(self, status: int) -> float:
        """How many requests were refused with a status, by the role's own metrics."""
        name = f'bascule_http_requests_refused_total{{status="{status}"}} '
        lines = httpx.get(f"{self.url}/metrics", trust_env=False).text.splitlines()
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)


@pytest.fixture
def serve(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., Role]]:
    roles: list[Role] = []

    def start(
        limits: Limits = QUICK,
        ready: Callable[[], list[str]] = list,
        host: str = "127.0.0.1",
        more: Callable[[FastAPI], None] = lambda app: None,
    ) -> Role:
        spec = with_state(load("supersmartmatch"), tmp_path)
        tokens, registry, took = Tokens(tmp_path), CollectorRegistry(), []
        tokens.ensure()
        Counter("looks", "Looks taken.", registry=registry).inc(3)
        app = application(spec, "incidents", registry, ready, limits)
        add_routes(app, took)
        more(app)
        stop, port = threading.Event(), free_port()
        thread = threading.Thread(target=serve_until, args=(stop, app, host, port))
        thread.start()
        roles.append(Role(port, tokens.operator, stop, thread, took, host))
        return roles[-1]

    yield start
    for role in roles:
        role.stop.set()
        role.thread.join(15)


def add_routes(app: FastAPI, took: list[Any]) -> None:
    @app.post("/keep")
    def keep(body: Annotated[Any, Body()]) -> int:
        took.append(body)
        return len(took)

    @app.post("/bulk", **needs(Right.DELIVER, 4 * MIB))
    def bulk(body: Annotated[Any, Body()]) -> int:
        return len(body)

    @app.get("/flood")
    async def flood() -> StreamingResponse:
        async def pieces() -> Any:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    @app.get("/work")
    async def work(request: Request) -> None:
        took.append("work")
        while not await request.is_disconnected():
            await asyncio.sleep(0.02)


@pytest.fixture
def role(serve: Callable[..., Role], eventually: Callable[..., Any]) -> Role:
    started = serve()
    eventually(started.answers)
    return started


def status_of(connection: socket.socket) -> int:
    """The status that the server sends; 0 when it only closes."""
    with connection, connection.makefile("rb") as answer:
        line = answer.readline()
    return int(line.split()[1]) if line else 0


# ---------------------------------------------------------------- what every role has


def test_metrics_and_health_are_answered_until_it_is_told_to_stop(role: Role) -> None:
    metrics = httpx.get(f"{role.url}/metrics", trust_env=False)
    assert "looks_total 3.0" in metrics.text
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert httpx.get(f"{role.url}/openapi.json", trust_env=False).json()["openapi"].startswith("3.")
    role.stop.set()
    role.thread.join(10)
    assert not role.thread.is_alive()
    assert not role.answers()


def test_an_answer_does_not_wait_for_an_acknowledgement(role: Role) -> None:
    """Head and body leave as two packets; on one connection the second must not wait for the 40 ms of a delayed ACK."""
    with httpx.Client(base_url=role.url, trust_env=False) as client:
        took = [client.get("/healthz").elapsed.total_seconds() for _ in range(60)]
    assert statistics.median(took[20:]) < 0.03  # the first are acknowledged at once


def test_readiness_says_what_keeps_the_role_from_its_work(
    serve: Callable[..., Role], eventually: Callable[..., Any]
) -> None:
    """Alive and ready are two things: the second has reasons."""
    problems = ["the store cannot be read"]
    role = serve(ready=lambda: problems)
    eventually(role.answers)
    answer = httpx.get(f"{role.url}/readyz", trust_env=False)
    assert (answer.status_code, answer.json()["problems"]) == (503, problems)
    problems.clear()
    assert httpx.get(f"{role.url}/readyz", trust_env=False).status_code == 200


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    app = application(with_state(load("supersmartmatch"), tmp_path), "incidents", CollectorRegistry())
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PortBusy, match="is taken by"):
        serve_until(threading.Event(), app, "127.0.0.1", server.getsockname()[1])


def test_the_listener_on_ipv6_is_guarded_as_the_other(
    serve: Callable[..., Role], eventually: Callable[..., Any]
) -> None:
    """A real connection to `::1`: reading is free, a change needs the token, another's name is refused."""
    role = serve(host="::1")
    eventually(role.answers)
    statuses = [
        httpx.get(f"{role.url}/openapi.json", trust_env=False).status_code,
        httpx.get(f"{role.url}/openapi.json", headers={"Host": "evil.example"}, trust_env=False).status_code,
        httpx.post(f"{role.url}/keep", json=1, trust_env=False).status_code,
        role.post("1").status_code,
    ]
    assert statuses == [200, 400, 401, 200]


# ---------------------------------------------------------------- too much, too deep, not JSON


@pytest.mark.parametrize("length", [MIB + 1, 40 * MIB])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(role: Role, length: int) -> None:
    """With its length told, and in pieces of unknown number."""
    assert role.post(b" " * length).status_code == 413
    assert role.post(b" " * 65536 for _ in range(length // 65536 + 1)).status_code == 413
    assert role.took == []
    assert role.answers_within_a_second()
    assert role.refused(413) == 2


def test_a_body_of_the_largest_size_is_taken_and_a_machines_route_takes_its_own(role: Role) -> None:
    assert role.post(json.dumps("x" * (MIB - 2))).status_code == 200
    large = json.dumps(["x" * MIB] * 3)
    told = {"headers": role.bearer | {"Content-Type": "application/json"}, "timeout": 20, "trust_env": False}
    assert httpx.post(f"{role.url}/bulk", content=large, **told).status_code == 200
    assert httpx.post(f"{role.url}/bulk", content=json.dumps(["x" * MIB] * 4), **told).status_code == 413


def test_an_unauthorised_body_is_not_read_at_all(role: Role) -> None:
    """Only its head is sent; the refusal comes all the same."""
    head = f"POST /keep HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {900_000}\r\n\r\n"
    assert status_of(role.connect(head.encode())) == 401


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"a":' * 100_000, b"{", b"\xff\xfe", b'"\\ud800', b"NaN,"])
def test_what_is_no_json_is_refused(role: Role, body: bytes) -> None:
    answer = role.post(body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "fix"}
    assert role.took == []
    assert role.answers_within_a_second()


def test_another_type_of_content_is_refused(role: Role) -> None:
    assert role.post(b"a=1", **{"Content-Type": "text/plain"}).status_code == 415


def test_what_is_no_http_is_refused_and_told_once(role: Role, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert status_of(role.connect(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")) == 400
    assert role.refused(400) == 3
    told = [record for record in caplog.records if record.name == "bascule.api"]
    assert len(told) == 1
    assert "127.0.0.1" in told[0].getMessage()


CHUNKED = b"HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nnonsense\r\n\r\n", [200, 400]),
        (b"GET /healthz " + CHUNKED + b"nonsense\r\n", [400]),
        (b"POST /keep " + CHUNKED, [401]),
    ],
    ids=["after a request", "within a body", "a body that nobody reads"],
)
def test_nonsense_ends_its_connection_and_makes_no_noise(
    role: Role, caplog: pytest.LogCaptureFixture, sent: bytes, statuses: list[int]
) -> None:
    with role.connect(sent) as connection, connection.makefile("rb") as answer:
        if statuses == [401]:
            assert answer.readline().split()[1] == b"401"
            with suppress(OSError):  # the connection may have been closed before
                connection.sendall(b"nonsense\r\n")
                answer.read()
        else:
            assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", answer.read())] == statuses
    assert role.answers_within_a_second()
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []


# ---------------------------------------------------------------- too slow


def test_a_head_that_does_not_arrive_ends_its_connection(role: Role) -> None:
    """A byte now and then gains no time."""
    connection = role.connect(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    dripping = threading.Thread(target=drip, args=(connection, b"X-A: b\r\n"), daemon=True)
    dripping.start()
    assert role.answers_within_a_second()
    assert status_of(connection) == 408
    dripping.join(5)
    assert role.refused(408) == 1


def test_a_body_that_does_not_arrive_is_refused(role: Role) -> None:
    head = f"POST /keep HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {role.token}\r\n"
    connection = role.connect(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n1".encode())
    dripping = threading.Thread(target=drip, args=(connection, b"1"), daemon=True)
    dripping.start()
    assert role.answers_within_a_second()
    assert status_of(connection) == 408
    dripping.join(5)
    assert role.took == []


TOKEN = "Authorization: Bearer {token}"
CHUNKED_BODY, LONG_BODY = "Transfer-Encoding: chunked", "Content-Length: 1000"


@pytest.mark.parametrize("length", [CHUNKED_BODY, LONG_BODY])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("POST /keep", 401),
        ("POST /nowhere", 404),
        ("GET /nowhere", 404),
        ("PUT /keep", 405),
        ("POST /healthz", 405),
        ("GET /healthz", 408),
        ("POST /keep HTTP/1.1\r\n" + TOKEN, 408),
    ],
)
def test_a_body_that_never_ends_holds_no_connection_for_longer_than_the_deadline_whatever_it_is_sent_to(
    role: Role, asked: str, status: int, length: str
) -> None:
    """It is answered and closed; where nobody reads a body, at once."""
    line, _, credential = asked.partition(" HTTP/1.1\r\n")
    told = [credential.format(token=role.token), "Content-Type: application/json", "Host: 127.0.0.1", length]
    head = "\r\n".join([f"{line} HTTP/1.1", *filter(None, told)])
    connection = role.connect(f"{head}\r\n\r\n".encode())
    dripping = threading.Thread(
        target=drip, args=(connection, b"1\r\n1\r\n" if length == CHUNKED_BODY else b"1"), daemon=True
    )
    begun = time.monotonic()
    dripping.start()
    with connection, connection.makefile("rb") as answer:
        assert int(answer.readline().split()[1]) == status
        with suppress(ConnectionResetError):  # the rest of its body was on the way
            answer.read()
    assert time.monotonic() - begun < QUICK.body + 1
    dripping.join(5)
    assert role.took == []


def drip(connection: socket.socket, piece: bytes) -> None:
    """Send a piece every 50 ms until the other side closes."""
    ended = threading.Event()
    try:
        for _ in range(200):
            connection.sendall(piece)
            ended.wait(0.05)
    except OSError:
        return


def test_a_client_that_does_not_read_its_answer_is_dropped(role: Role, eventually: Callable[..., Any]) -> None:
    connection = role.connect(b"GET /flood HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert role.answers_within_a_second()
    eventually(lambda: role.refused(408) == 1)
    connection.close()


def test_a_client_that_ends_in_the_middle_of_its_body_leaves_nothing_behind(role: Role) -> None:
    head = f"POST /keep HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {role.token}\r\n"
    role.connect(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n[1, 2".encode()).close()
    assert role.answers_within_a_second()
    assert role.took == []


# ---------------------------------------------------------------- too many


def test_a_flood_of_idle_connections_silences_nobody(
    serve: Callable[..., Role], eventually: Callable[..., Any]
) -> None:
    """Ten times as many as may be open: the longest idle make room, and each newcomer is answered."""
    role = serve(Limits(head=60, body=60, stall=60, idle=60, connections=20))
    eventually(role.answers)
    with ExitStack() as held:
        for _ in range(200):
            held.enter_context(role.connect())
        for _ in range(5):
            assert role.answers_within_a_second()
        assert role.refused(503) > 100
    assert role.answers_within_a_second()


def test_when_all_are_busy_the_newest_is_refused(serve: Callable[..., Role], eventually: Callable[..., Any]) -> None:
    """A request that is being worked on is never dropped for another."""
    role = serve(Limits(head=60, body=60, stall=60, idle=60, connections=4))
    eventually(role.answers)
    with ExitStack() as held:
        for number in range(4):
            held.enter_context(role.connect(b"GET /work HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
            eventually(lambda number=number: len(role.took) > number)
        eventually(lambda: status_of(role.connect(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")) == 503)
    eventually(role.answers)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /flood HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n{",
    ],
    ids=["they read nothing", "they send half a body"],
)
def test_clients_that_are_waited_for_make_room(
    serve: Callable[..., Role], eventually: Callable[..., Any], request_head: bytes
) -> None:
    """Their requests are begun, so they are not idle; yet the others do not wait until their time is over."""
    role = serve(Limits(head=60, body=60, stall=60, idle=60, connections=4))
    eventually(role.answers)
    with ExitStack() as held:
        for _ in range(12):
            connection = held.enter_context(role.connect(request_head))
            assert connection.recv(9) == b"HTTP/1.1 "
        assert role.answers_within_a_second()
        assert role.refused(503) >= 8
    eventually(role.answers)


# ---------------------------------------------------------------- too slow to answer

TURNS = Limits(reading=2, changing=2, queue=3, turn=0.3)


@dataclass
class Slow:
    """A role with slow routes, which work until they are let go."""

    role: Role
    let_go: threading.Event
    begun: list[str]

    def ask(self, method: str, path: str) -> httpx.Response:
        return httpx.request(method, self.role.url + path, headers=self.role.bearer, timeout=30, trust_env=False)


@pytest.fixture
def slow(serve: Callable[..., Role], eventually: Callable[..., Any]) -> Iterator[Slow]:
    let_go, begun = threading.Event(), []

    def work(name: str) -> str:
        begun.append(name)
        let_go.wait(30)
        return name

    def add(app: FastAPI) -> None:
        app.get("/slow")(lambda: work("reading"))
        app.post("/slow")(lambda: work("changing"))

    role = serve(TURNS, more=add)
    eventually(role.answers)
    yield Slow(role, let_go, begun)
    let_go.set()


@pytest.mark.parametrize(("method", "lane"), [("GET", "reading"), ("POST", "changing")])
def test_slow_requests_leave_threads_for_the_others(
    slow: Slow, eventually: Callable[..., Any], method: str, lane: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As many as have turns are worked on; the others wait a moment, and are refused. Intake and metrics go on."""
    with ThreadPoolExecutor(50) as clients:
        asked = [clients.submit(slow.ask, method, "/slow") for _ in range(50)]
        eventually(lambda: sum(each.done() for each in asked) == 48)
        assert slow.begun == [lane, lane]
        refused = [each.result() for each in asked if each.done()]
        assert slow.role.answers_within_a_second()
        assert slow.role.refused(503) == 48
        assert httpx.post(f"{slow.role.url}/bulk", json=[1], headers=slow.role.bearer, trust_env=False).json() == 1
        slow.let_go.set()
    assert {(each.status_code, each.headers["retry-after"]) for each in refused} == {(503, "1")}
    assert {each.json()["fix"] for each in refused} == {"try again in 1 s"}
    assert sorted(each.result().status_code for each in asked) == [200, 200] + [503] * 48
    told = [each.getMessage() for each in caplog.records if each.name == "bascule.api"]
    assert len(told) == 1
    assert f"from 127.0.0.1: {method} '/slow': the role is busy" in told[0]


def test_one_lane_leaves_the_other_alone(slow: Slow, eventually: Callable[..., Any]) -> None:
    """However many search: an operator's change is made."""
    with ThreadPoolExecutor(5) as clients:
        asked = [clients.submit(slow.ask, "GET", "/slow") for _ in range(4)]
        eventually(lambda: slow.begun == ["reading", "reading"])
        assert slow.role.post("1").status_code == 200
        slow.let_go.set()
        assert {each.result().status_code for each in asked} <= {200, 503}


def test_who_waits_in_the_queue_gets_the_turn_that_ends(slow: Slow, eventually: Callable[..., Any]) -> None:
    with ThreadPoolExecutor(5) as clients:
        asked = [clients.submit(slow.ask, "GET", "/slow") for _ in range(2)]
        eventually(lambda: slow.begun == ["reading", "reading"])
        waits = clients.submit(slow.ask, "GET", "/slow")
        slow.let_go.set()
        assert [each.result().status_code for each in (*asked, waits)] == [200, 200, 200]


def test_what_its_sender_gave_up_in_the_queue_is_not_done(slow: Slow, eventually: Callable[..., Any]) -> None:
    head = f"POST /slow HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {slow.role.token}\r\n\r\n"
    with ThreadPoolExecutor(5) as clients:
        asked = [clients.submit(slow.ask, "POST", "/slow") for _ in range(2)]
        eventually(lambda: len(slow.begun) == 2)
        slow.role.connect(head.encode()).close()
        slow.let_go.set()
        assert [each.result().status_code for each in asked] == [200, 200]
    assert slow.ask("POST", "/slow").status_code == 200
    assert len(slow.begun) == 3


def test_the_lanes_leave_threads_for_what_waits_for_no_turn() -> None:
    """The server's threads are anyio's; health, metrics and intake need some whatever else is slow."""
    limits = Limits()
    assert limits.reading + limits.changing <= 20

    async def threads() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert anyio.run(threads) >= 40
