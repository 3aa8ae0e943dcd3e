"""Every route of every role, and the right that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_caller import with_state
from api_roles import ROLES, applications
from fastapi.testclient import TestClient

from bascule.api import Tokens
from bascule.api.guard import COOKIE, PAGE_TOKEN
from bascule.api.rights import Lane, Right, declared
from bascule.api.tokens import Seat, Session
from bascule.api.users import Users
from bascule.spec import load

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")
ROW = re.compile(r"^\| `([A-Z]+) (\S+)` \| (\w+) \|", re.MULTILINE)
EVERYWHERE = {
    ("GET", path): Right.READ if path == "/openapi.json" else Right.OPEN
    for path in ("/healthz", "/health", "/readyz", "/metrics", "/proof", "/openapi.json")
}
Table = dict[tuple[str, str], Right]


def documented(role: str) -> Table:
    section = PAGE.partition(f"\n### {role}\n")[2].partition("\n#")[0]
    return EVERYWHERE | {(method, path): Right(right) for method, path, right in ROW.findall(section)}


def walked(app: Any) -> Table:
    """What the application really has."""
    found: Table = {}
    for route in app.routes:
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}:
            found[method, route.path] = declared(route, method).right
    return found


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return with_state(load("supersmartmatch"), tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def house(spec: Any) -> Iterator[dict[str, Any]]:
    Tokens(spec.stack.state).ensure()
    with applications(spec) as apps:
        yield apps


@pytest.mark.parametrize("role", ROLES)
def test_every_route_is_in_the_table_of_rights_and_no_other(house: dict[str, Any], role: str) -> None:
    """docs/api.md is the table; a route that is added or changes its right fails until it stands there."""
    assert walked(house[role]) == documented(role)


def test_what_is_no_reading_needs_a_token_unless_the_page_says_why(house: dict[str, Any]) -> None:
    """Only Flagger's question, which has no token to send, and who comes in to the console or leaves it."""
    free = {
        (role, path)
        for role, app in house.items()
        for (method, path), right in walked(app).items()
        if method != "GET" and right in (Right.OPEN, Right.READ)
    }
    assert free == {("judge", "/api/flagger/{kind}"), ("console", "/sign-in"), ("console", "/sign-out")}


# What takes no turn: it holds a thread for a moment at most, or must not wait.
UNLIMITED = {
    ("incidents", "/api/phase"),
    ("incidents", "/api/webhook"),
    ("logs", "/api/stats"),
    ("supervisor", "/api/status"),
    *(("console", path) for path in ("/", "/wall", "/stream", "/stream/incidents")),
    *(("console", path) for path in ("/static", "/enter", "/sign-in", "/sign-out")),
}


def test_all_but_a_few_routes_take_turns(house: dict[str, Any]) -> None:
    """A route that is added takes turns; one that shall take none is listed here, on purpose."""
    free = {
        (role, route.path, method)
        for role, app in house.items()
        for route in app.routes
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
        if declared(route, method).lane is Lane.FREE
    }
    own = {("GET", path) for path in ("/healthz", "/health", "/readyz", "/metrics", "/proof")}
    assert {(role, path) for role, path, method in free if (method, path) not in own} == UNLIMITED
    assert declared(route_of(house["console"], "/sign-in", "POST"), "POST").lane is Lane.CHANGING


def route_of(app: Any, path: str, method: str) -> Any:
    return next(route for route in app.routes if route.path == path and method in route.methods)


def requests() -> list[tuple[str, str, str, Right]]:
    table = [(role, *call, right) for role in ROLES for call, right in documented(role).items()]
    return [row for row in table if "/stream" not in row[2]]  # they never end


def called(
    house: dict[str, Any], role: str, method: str, path: str, base: str = "http://127.0.0.1", **more: Any
) -> int:
    """The status of a harmless request: no body, and an id that is not there."""
    client = TestClient(house[role], base_url=base, raise_server_exceptions=False)
    path = re.sub(r"\{\w+\}", "9", path)
    return client.request(method, path, follow_redirects=False, **more).status_code


REFUSED = (401, 403)


@pytest.mark.parametrize(("role", "method", "path", "right"), requests())
def test_each_credential_opens_what_its_right_allows(
    house: dict[str, Any], spec: Any, role: str, method: str, path: str, right: Right
) -> None:
    """None, a wrong one, Alertmanager's and the operator's, over loopback."""
    tokens = Tokens(spec.stack.state)
    given = {
        "none": {},
        "wrong": bearer("x" * 43),
        "webhook": bearer(tokens.webhook),
        "operator": bearer(tokens.operator),
    }
    told = {name: called(house, role, method, path, headers=headers) for name, headers in given.items()}
    opened = {name for name, status in told.items() if status not in REFUSED}
    assert (
        opened
        == {
            Right.OPEN: {"none", "wrong", "webhook", "operator"},
            Right.READ: {"none", "wrong", "webhook", "operator"},
            Right.ACT: {"operator"},
            Right.CHANGE: {"operator"},
            Right.DELIVER: {"webhook", "operator"},
        }[right]
    )
    if right in (Right.ACT, Right.CHANGE):
        assert (told["none"], told["wrong"], told["webhook"]) == (401, 401, 403)


@pytest.mark.parametrize(("role", "method", "path", "right"), requests())
def test_a_foreign_host_or_origin_is_refused_whatever_the_token(
    house: dict[str, Any], spec: Any, role: str, method: str, path: str, right: Right
) -> None:
    """DNS rebinding and a form of another site: neither reaches a route, not even with the right token."""
    headers = bearer(Tokens(spec.stack.state).operator)
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.", "[::1", ""):
        assert called(house, role, method, path, headers=headers | {"host": host}) == 400, host
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999", "file://"):
        assert called(house, role, method, path, headers=headers | {"origin": origin}) == 403, origin
    assert called(house, role, method, path, headers=headers | {"origin": "http://127.0.0.1"}) not in REFUSED


ACTS = [call[1:3] for call in requests() if call[0] == "console" and call[3] is Right.ACT]


@pytest.mark.parametrize(("method", "path"), ACTS)
def test_who_may_only_read_or_has_no_page_of_their_own_acts_on_no_route(
    house: dict[str, Any], spec: Any, method: str, path: str
) -> None:
    """A user who reads, with the token of a page made for them; an operator without one, and with another's."""
    tokens = Tokens(spec.stack.state)
    users = Users(spec.stack.state)
    users.put("bob", Seat.VIEWER, "correct horse battery")
    bob = users.sign_in("bob", "correct horse battery")
    name = COOKIE.format(port=spec.stack.ports.console)
    viewer, operator = tokens.cookie(bob), tokens.cookie(Session("", Seat.OPERATOR))

    def status(cookie: str, page: str) -> int:
        headers = {"Cookie": f"{name}={cookie}", PAGE_TOKEN: page, "Content-Type": "application/json"}
        return called(house, "console", method, path, headers=headers, content=b"{}")

    assert status(viewer, tokens.page_token(viewer)) == 403
    assert status(operator, "") == 403
    assert status(operator, tokens.page_token(viewer)) == 403
    assert status(operator, tokens.page_token(operator)) not in REFUSED


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/segments?by=nothing", "by is &#39;nothing&#39;; give one of state, who, what, used"),
        ("/executive?lang=xx", "give one of en, fr"),
        ("/dashboards/technical?window=9z", "give one of 15m, 1h, 6h, 24h, 7d, all"),
        ("/dashboards/technical?start=9&end=1", "before it begins"),
        ("/dashboards/nothing", "there is no dashboard"),
        ("/charts/share?start=0&end=99999999999", "the span is longer than"),
        ("/wall?every=-1", "every"),
        ("/incidents/0", "identity"),
        ("/checklist?phase=nothing", "give pre-deployment"),
        ("/runbooks/nothing", "There is no runbook"),
        ("/nowhere", "Page not found"),
    ],
)
def test_a_wrong_link_says_what_is_wrong_and_the_way_back(house: dict[str, Any], address: str, words: str) -> None:
    client = TestClient(house["console"], base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.get(address, headers={"accept": "text/html"})
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert '<a href="/"' in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9463", "[::1]:9463", "LOCALHOST"])
def test_every_loopback_name_is_ours(house: dict[str, Any], host: str) -> None:
    assert called(house, "incidents", "GET", "/api/phase", headers={"host": host}) == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# ---------------------------------------------------------------- beyond this machine


@pytest.fixture
def outside(spec: Any) -> Iterator[dict[str, Any]]:
    """Roles that listen on every address, as in a container."""
    everywhere = spec.model_copy(update={"stack": spec.stack.model_copy(update={"listen": "0.0.0.0"})})
    with applications(with_state(everywhere, spec.stack.state / "outside")) as apps:
        Tokens(spec.stack.state / "outside").ensure()
        yield apps


@pytest.mark.parametrize("role", ROLES)
def test_every_listener_asks_for_the_same_rights(outside: Any, role: str) -> None:
    """What loopback asks for, `::1` asks for as well; other machines need the token for all but health and metrics."""
    for listener, free in (("http://[::1]", {Right.OPEN, Right.READ}), ("http://192.0.2.7", {Right.OPEN})):
        assert called(outside, role, "GET", "/healthz", listener) == 200
        assert (called(outside, role, "GET", "/openapi.json", listener) == 200) is (Right.READ in free)
        for _, method, path, _ in [row for row in requests() if row[0] == role and row[3] not in free]:
            for headers in ({}, bearer("x" * 43)):
                assert called(outside, role, method, path, listener, headers=headers) == 401, (method, path)


@pytest.mark.parametrize(
    ("base", "host", "free"),
    [
        ("http://127.0.0.1", "127.0.0.1", True),
        ("http://127.0.0.1", "0.0.0.0:9463", True),
        ("http://192.0.2.7", "192.0.2.7:9463", False),
        ("http://192.0.2.7", "bascule:9463", False),
        ("http://127.0.0.1", "evil.example", False),
    ],
)
def test_off_loopback_reading_needs_a_token(outside: Any, spec: Any, base: str, host: str, free: bool) -> None:
    """The address that the connection came in at decides, and a name that is not ours is never free."""
    client = TestClient(outside["incidents"], base_url=base, headers={"host": host})
    token = bearer(Tokens(spec.stack.state / "outside").operator)
    assert client.get("/api/phase").status_code == (200 if free else 401)
    assert client.get("/api/phase", headers=token).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_the_printed_address_opens_the_console_once_and_its_cookie_reads_and_no_more(outside: Any, spec: Any) -> None:
    tokens = Tokens(spec.stack.state / "outside")
    console, base = outside["console"], "http://192.0.2.7"
    first, second = (TestClient(console, base_url=base, follow_redirects=False) for _ in range(2))
    assert first.get("/").status_code == 401
    address = f"/enter?token={tokens.one_time()}"
    entered = first.get(address)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert first.get("/runbooks/").status_code == 200
    again = second.get(address)
    assert (again.status_code, again.headers["location"]) == (303, "/sign-in?used=1")
    assert "has been used" in second.get("/sign-in?used=1").text
    assert second.get("/runbooks/").status_code == 401
    cookie = tokens.cookie(Session("", Seat.OPERATOR))
    name = COOKIE.format(port=spec.stack.ports.console)
    other = TestClient(outside["incidents"], base_url=base, cookies={name: cookie})
    assert other.post("/api/annotations", json={"text": "x", "who": "x"}).status_code == 401


ENDINGS = {
    "signs out": lambda page, users: page.post("/sign-out", json={}),
    "gets a new password": lambda page, users: users.put("eve", Seat.OPERATOR, "another password"),
    "gets another seat": lambda page, users: users.put("eve", Seat.VIEWER, "correct horse battery"),
    "is removed": lambda page, users: users.remove("eve"),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_copied_cookie_opens_nothing_once_its_user(outside: Any, spec: Any, how: str) -> None:
    """Ends the session for its copy as well; that of another user goes on."""
    users = Users(spec.stack.state / "outside")
    pages = {}
    for name in ("eve", "dan"):
        users.put(name, Seat.OPERATOR, "correct horse battery")
        pages[name] = TestClient(outside["console"], base_url="http://192.0.2.7")
        assert pages[name].post("/sign-in", json={"user": name, "password": "correct horse battery"}).status_code == 200
    copy = TestClient(outside["console"], base_url="http://192.0.2.7", cookies=dict(pages["eve"].cookies))
    assert copy.get("/runbooks/").status_code == 200
    ENDINGS[how](pages["eve"], users)
    assert copy.get("/runbooks/").status_code == 401
    assert pages["eve"].get("/runbooks/").status_code == 401
    assert pages["dan"].get("/runbooks/").status_code == 200
