"""The list of attacks, on every role as it is served: each is refused with the right status, and the role goes on
answering within a second. Own guards alone, over loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from api_caller import with_state
from api_roles import ROLES, applications

from bascule.api import Tokens
from bascule.api.guard import COOKIE, LARGEST_HEAD
from bascule.api.limits import Limits
from bascule.api.serving import serve_until
from bascule.api.tokens import Seat, Session
from bascule.processes import ports
from bascule.spec import Spec, load

pytestmark = pytest.mark.integration
LIMITS = Limits(head=0.5, body=0.5, stall=0.5, idle=30, connections=30)
TRIES = 5  # on a busy machine one request may take long; a role that is held up answers none in time
# A change that every credential but the operator's is refused for; judge and supervisor have none.
CHANGES = {
    "incidents": "/api/annotations",
    "logs": "/api/forget",
    "sla": "/api/reports/1/send",
    "console": "/act/plan/promote",
}


@dataclass
class House:
    """Every role, served; `secret` is its operator's token."""

    spec: Spec
    ports: dict[str, int]
    secret: str
    webhook: str
    client: httpx.Client

    def ask(self, role: str, method: str, path: str, **how: Any) -> httpx.Response:
        return self.client.request(method, f"http://127.0.0.1:{self.ports[role]}{path}", **how)

    def change(self, role: str, content: bytes = b"{}", **headers: str) -> int:
        """The status of a change that is asked for with these headers."""
        told = {name.replace("_", "-"): text for name, text in {"content_type": "application/json", **headers}.items()}
        return self.ask(role, "POST", CHANGES[role], headers=told, content=content).status_code

    def connect(self, role: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.ports[role]), timeout=30)

    def raw(self, role: str, data: bytes) -> bytes:
        """What the role answers to these bytes until it closes the connection."""
        with self.connect(role) as connection:
            with suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(data)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            return b""

    def refused(self, role: str, status: int) -> float:
        name = f'bascule_http_requests_refused_total{{status="{status}"}} '
        lines = self.ask(role, "GET", "/metrics").text.splitlines()
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    def check_answers(self, role: str) -> None:
        """The rest goes on."""
        took = []
        while len(took) < TRIES:
            begun = time.monotonic()
            assert self.ask(role, "GET", "/healthz").status_code == 200
            took.append(time.monotonic() - begun)
            if took[-1] < 1:
                return
        raise AssertionError(f"the role answers in {took} seconds")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    state = tmp_path_factory.mktemp("state")
    free = ports.free_together(load("supersmartmatch").stack.ports.model_dump())
    spec = with_state(load("supersmartmatch"), state)
    stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update=free)})
    spec = spec.model_copy(update={"stack": stack})
    tokens = Tokens(state)
    tokens.ensure()
    each_alone = httpx.Limits(max_keepalive_connections=0)
    with applications(spec) as apps, ExitStack() as kept:
        client = kept.enter_context(httpx.Client(timeout=30, trust_env=False, limits=each_alone))
        stop = threading.Event()
        for role, app in apps.items():
            app.state.limits = LIMITS
            thread = threading.Thread(target=serve_until, args=(stop, app, "127.0.0.1", free[role]))
            thread.start()
            kept.callback(thread.join, 15)
        kept.callback(stop.set)
        served = House(spec, {role: free[role] for role in apps}, tokens.operator, tokens.webhook, client)
        for role in apps:
            _wait(lambda role=role: served.ask(role, "GET", "/healthz").status_code == 200)
        yield served


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if condition():
                return
    raise AssertionError("a role is not served in time")


def bearer(token: str) -> str:
    return f"Bearer {token}"


every_role = pytest.mark.parametrize("role", ROLES)


# ---------------------------------------------------------------- whose request it is


@every_role
def test_rebinding(house: House, role: str) -> None:
    """A name of another site that points here: not even with the right token."""
    for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "[::1"):
        for headers in ({}, {"Authorization": bearer(house.secret)}):
            answer = house.ask(role, "GET", "/openapi.json", headers=headers | {"Host": host})
            assert answer.status_code == 400, host
    house.check_answers(role)


@every_role
def test_a_forged_request_of_another_site(house: House, role: str) -> None:
    for origin in ("http://evil.example", "null", "https://127.0.0.1:1"):
        told = {"Origin": origin, "Authorization": bearer(house.secret)}
        assert house.ask(role, "GET", "/openapi.json", headers=told).status_code == 403, origin
        if role in CHANGES:
            assert house.change(role, origin=origin, authorization=told["Authorization"]) == 403, origin
    house.check_answers(role)


@pytest.mark.parametrize("role", CHANGES)
def test_a_form_changes_nothing(house: House, role: str) -> None:
    """What a page can send without being asked is no JSON; without the right nobody hears what would be."""
    content = b'{"who": "x", "why": "y"}'
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        assert house.change(role, content, content_type=kind) == 401, kind
        assert house.change(role, content, content_type=kind, authorization=bearer(house.secret)) == 415, kind
    house.check_answers(role)


@pytest.mark.parametrize("role", CHANGES)
def test_missing_wrong_and_foreign_tokens(house: House, role: str) -> None:
    """The operator's cookie alone acts nowhere: a browser sends it whoever asks."""
    cookie = Tokens(house.spec.stack.state).cookie(Session("", Seat.OPERATOR))
    name = COOKIE.format(port=house.spec.stack.ports.console)
    assert house.change(role) == 401
    assert house.change(role, authorization=bearer("x" * 43)) == 401
    assert house.change(role, authorization=bearer(house.secret[:-1])) == 401
    assert house.change(role, authorization=f"Basic {house.secret}") == 401
    assert house.change(role, authorization=bearer(house.webhook)) == 403
    assert house.change(role, cookie=f"{name}={cookie}") == (403 if role == "console" else 401)
    house.check_answers(role)


@pytest.mark.parametrize("role", CHANGES)
def test_the_right_is_asked_for_before_the_body_is(house: House, role: str) -> None:
    """Without it a body is refused for who sends it: neither read nor waited for, whatever its size and kind."""
    head = f"POST {CHANGES[role]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {1 << 40}\r\n\r\n"
    begun = time.monotonic()
    assert house.raw(role, head.encode())[9:12] == b"401"
    assert time.monotonic() - begun < 20
    house.check_answers(role)


# ---------------------------------------------------------------- where it leads

PATHS = (
    "/../secrets/token",
    "/static/../../secrets/token",
    "/static/%2e%2e/%2e%2e/secrets/token",
    "/static/..%5c..%5csecrets%5ctoken",
    "/runbooks/..%2f..%2fsecrets%2ftoken",
    "/reports/..%2f..%2fsecrets%2ftoken",
    "/drills/picture?name=../../secrets/token",
    "/dashboards/..%2f..%2fsecrets%2ftoken",
    "//etc/passwd",
    "/%00",
)


@every_role
def test_no_path_leads_to_a_file_beside_it(house: House, role: str) -> None:
    """As it stands, and not as a client would tidy it."""
    for path in PATHS:
        token = f"Authorization: {bearer(house.secret)}\r\n"
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}Connection: close\r\n\r\n"
        answer = house.raw(role, head.encode())
        assert answer.split()[1] in (b"400", b"404"), path
        assert house.secret.encode() not in answer, path
        assert b"root:" not in answer, path
    house.check_answers(role)


SMUGGLED = (
    "GET /healthz%0d%0aX-Forged:%201 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /sign-in?used=1%0d%0aX-Forged:%201 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /enter?token=%0d%0aX-Forged:%201 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\rX-Forged: 1\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
)


@every_role
def test_no_answer_has_a_header_that_a_request_smuggled_in(house: House, role: str) -> None:
    for sent in SMUGGLED:
        answer = house.raw(role, sent.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1).encode())
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nx-forged" not in head, sent
        assert answer.split()[1] in (b"400", b"404", b"303", b"200"), sent
    house.check_answers(role)


LENGTHS = (
    "Content-Length: 2\r\nContent-Length: 3",
    "Content-Length: 2\r\nTransfer-Encoding: chunked",
    "Content-Length: -1",
    "Content-Length: 2x",
    "Transfer-Encoding: gzip",
)


@every_role
def test_a_body_of_two_lengths_is_none(house: House, role: str) -> None:
    """Two readers who disagree about its end would see two requests."""
    for lengths in LENGTHS:
        sent = f"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{lengths}\r\nConnection: close\r\n\r\n{{}}"
        assert house.raw(role, sent.encode()).split()[1] == b"400", lengths
    house.check_answers(role)


@every_role
def test_methods_that_nothing_takes(house: House, role: str) -> None:
    for method in ("TRACE", "PUT", "DELETE", "PATCH"):
        answer = house.ask(role, method, "/healthz", headers={"Authorization": bearer(house.secret)})
        assert answer.status_code == 405, method
    house.check_answers(role)


# ---------------------------------------------------------------- too much


@every_role
def test_too_large_a_head_and_too_large_a_body(house: House, role: str) -> None:
    """A little too large is told; of a megabyte the rest is not read."""
    told = {"Authorization": bearer(house.secret), "Content-Type": "application/json"}
    assert house.ask(role, "GET", "/healthz", headers={"X": "a" * LARGEST_HEAD}).status_code == 431
    before = house.refused(role, 400)
    house.raw(role, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * (1 << 20))
    _wait(lambda: house.refused(role, 400) > before)
    if role in CHANGES:
        body = json.dumps("x" * (2 << 20)).encode()
        assert house.ask(role, "POST", CHANGES[role], headers=told, content=body).status_code == 413
        with suppress(httpx.TransportError):  # it may be closed before the client has sent it all
            assert house.ask(role, "POST", CHANGES[role], headers=told, content=iter([body])).status_code == 413
    house.check_answers(role)


HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127"
HALF_BODY = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"


@every_role
def test_a_slow_client(house: House, role: str) -> None:
    """It begins, and does not go on: in the head, in the body."""
    for begun in (HALF_HEAD, HALF_BODY):
        with house.connect(role) as connection:
            connection.sendall(begun)
            house.check_answers(role)
            assert connection.recv(12) == b"HTTP/1.1 408", begun


@every_role
def test_a_flood_of_connections(house: House, role: str) -> None:
    """Idle, with half a head, with half a body."""
    for begun in (b"", HALF_HEAD, HALF_BODY):
        with ExitStack() as held:
            for _ in range(2 * LIMITS.connections):
                held.enter_context(house.connect(role)).sendall(begun)
            house.check_answers(role)
    house.check_answers(role)


def test_a_stream_ends_with_the_session_that_opened_it(house: House) -> None:
    tokens = Tokens(house.spec.stack.state)
    name, cookie = COOKIE.format(port=house.spec.stack.ports.console), tokens.cookie(Session("", Seat.OPERATOR))
    url = f"http://127.0.0.1:{house.ports['console']}/stream"
    with house.client.stream("GET", url, headers={"Cookie": f"{name}={cookie}"}) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event")) == "event: frame"
        tokens.end_session(cookie)
        assert [line for line in lines if line.startswith("event")][-1] == "event: over"


def test_a_flood_of_viewers(house: House) -> None:
    """Each holds an answer that never ends; the oldest makes room."""
    with ExitStack() as held:
        for _ in range(2 * LIMITS.connections):
            viewer = held.enter_context(house.connect("console"))
            viewer.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert viewer.recv(12) == b"HTTP/1.1 200"
        house.check_answers("console")
    house.check_answers("console")


@every_role
def test_all_that_was_refused_is_counted(house: House, role: str) -> None:
    before = house.refused(role, 400)
    house.ask(role, "GET", "/healthz", headers={"Host": "evil.example"})
    assert house.refused(role, 400) == before + 1


def test_nothing_that_was_refused_is_kept(house: House) -> None:
    assert [each["kind"] for each in house.ask("incidents", "GET", "/api/timeline").json()] == ["phase"]
