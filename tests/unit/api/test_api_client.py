"""The one client of the roles: what it sends, what it makes of answers, and what it says when there is none."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_caller import with_state
from api_roles import applications
from fastapi.testclient import TestClient

from bascule import logs
from bascule.api import Identity, IncidentsClient, JudgeClient, LogsClient, Tokens
from bascule.api.identity import HEADER
from bascule.api.models.logs import Search
from bascule.api.models.moves import PlanMove
from bascule.api.rights import Right, declared
from bascule.delivery import Message
from bascule.delivery.line import Line
from bascule.delivery.web import send
from bascule.errors import BasculeError, NotAllowed, OtherMigration, QueryRejected, Unreachable, UsageError
from bascule.incidents import silences
from bascule.incidents.model import Window
from bascule.judge import gate
from bascule.lab import write_spec
from bascule.logformat import LogIndex
from bascule.logs.storing.places import root_of
from bascule.logs.storing.store import open_store
from bascule.prometheus import Alertmanager, Prometheus
from bascule.sla.journal import read_journal
from bascule.spec import Spec, load
from bascule.spec.model import SearchEngine
from bascule.spec.receivers import Webhook

SPEC = load("supersmartmatch")
PHASE = {"number": 1, "share": 0.1, "started": 1_767_225_600.0}
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    Tokens(tmp_path).ensure()
    return with_state(SPEC, tmp_path)


def journal(spec: Spec, handler: Handler) -> IncidentsClient:
    return IncidentsClient(spec, transport=httpx.MockTransport(handler))


def answering(spec: Spec, status: int, body: Any, **headers: str) -> IncidentsClient:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return journal(spec, lambda request: httpx.Response(status, content=content, headers=headers))


# ---------------------------------------------------------------- what it sends


def test_every_request_carries_the_token_and_the_migration(spec: Spec, tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=PHASE)

    client = journal(spec, handler)
    client.phase()
    client.set_phase(1, "ada", "gates passed")
    for request in asked:
        assert request.headers["authorization"] == f"Bearer {Tokens(tmp_path).operator}"
        assert Identity.read(request.headers[HEADER]) == Identity.of(spec)
    assert json.loads(asked[1].content) == {"number": 1, "who": "ada", "why": "gates passed"}


@pytest.mark.parametrize("who", ["", " ", "two\nlines", "x" * 201])
def test_what_a_role_would_refuse_is_not_even_sent(spec: Spec, who: str) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise AssertionError("it was sent")

    with pytest.raises(UsageError, match="who"):
        journal(spec, unreachable).annotate("text", who)


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that the environment names; what it hears."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(65536))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for spelled in (name, name.lower()):
            monkeypatch.setenv(spelled, f"http://127.0.0.1:{listener.getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield heard
    listener.close()


def test_no_client_sends_anything_to_a_proxy(
    spec: Spec, trap: list[bytes], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Each of them, with nobody at the address that it asks: not to the proxy either."""
    ports = spec.stack.ports.model_copy(update={name: free_port() for name in type(spec.stack.ports).model_fields})
    spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"ports": ports})})
    url = spec.stack.url
    store = open_store(root_of(spec))  # held, so that `logs forget` asks the running role
    message = Message("key", "subject", "text")
    asked: dict[str, Callable[[], Any]] = {
        "phase": IncidentsClient(spec).phase,
        "set phase": lambda: IncidentsClient(spec).set_phase(1, "ada", "why"),
        "verdict": JudgeClient(spec).verdict,
        "search": lambda: LogsClient(spec).search(Search(text="x")),
        "forget": lambda: logs.forget(spec, "bob"),
        "gate": lambda: gate(spec),
        "report": lambda: read_journal(spec, 0, 1),
        "prometheus": Prometheus(url("prometheus")).targets,
        "alertmanager": Alertmanager(url("alertmanager")).alerts,
        "silence": lambda: silences.silence(spec, Window(0, 0, 1, "why"), "j"),
        "engine": lambda: logs.SearchClient(SearchEngine(url=url("sla")), LogIndex("shop", "Shop", 86400.0)).prepare(),
        "webhook": lambda: send(Webhook(url=url("console")), message, Line(2.0, 30.0)),
    }
    for name, ask in asked.items():
        with suppress(BasculeError, httpx.TransportError):
            ask()
        assert trap == [], name
    store.close()


# ---------------------------------------------------------------- what it makes of answers


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, {"error": "a token is needed"}, NotAllowed, "a token is needed"),
        (403, {"error": "not with this token"}, NotAllowed, "not with this token"),
        (409, {"error": "it serves shop", "fix": "give another"}, OtherMigration, "it serves shop"),
        (400, {"error": "there is no phase 9", "fix": "phases are 0 to 5"}, UsageError, "phases are 0 to 5"),
        (413, {"error": "too large", "fix": "send less"}, UsageError, "too large"),
        (502, {"error": "the hook failed", "fix": "look at it"}, QueryRejected, "the hook failed"),
        (503, {"error": "the disk is full", "fix": "free some"}, Unreachable, "the disk is full"),
        (500, b"oops", Unreachable, "not the incidents role"),
        (200, b"<html>", Unreachable, "not the incidents role"),
        (200, [], Unreachable, "not the incidents role"),
        (200, {"number": "one"}, QueryRejected, "number"),
        (200, b'{"number": ' * 400, Unreachable, "not the incidents role"),
        (302, b"", Unreachable, "not the incidents role"),
    ],
)
def test_each_answer_that_is_none_is_an_error_of_its_own(
    spec: Spec, status: int, body: Any, error: type[BasculeError], words: str
) -> None:
    with pytest.raises(error) as caught:
        answering(spec, status, body).phase()
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert caught.value.fix


def test_without_a_role_the_message_says_where_and_how_to_start_it(spec: Spec, free_port: Callable[[], int]) -> None:
    ports = spec.stack.ports.model_copy(update={"incidents": free_port()})
    spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"ports": ports})})
    with pytest.raises(Unreachable, match="refused") as caught:
        IncidentsClient(spec).phase()
    assert spec.stack.url("incidents") in caught.value.what
    assert "--role incidents" in caught.value.fix


def test_a_row_that_cannot_be_read_does_not_hide_the_others(spec: Spec, caplog: pytest.LogCaptureFixture) -> None:
    """A time in milliseconds, none at all, and one beyond any calendar."""
    good = {"at": 1_767_225_600.0, "kind": "note", "text": "kept"}
    rows = [good, good | {"at": 1_767_225_600_000.0}, {"kind": "note"}, good | {"at": None}, "text", good]
    assert [entry.text for entry in answering(spec, 200, rows).timeline()] == ["kept", "kept"]
    assert sum("is skipped" in record.getMessage() for record in caplog.records) == 4


def test_rows_of_which_none_can_be_read_are_no_empty_list(spec: Spec) -> None:
    """An empty list of incidents would be good news."""
    with pytest.raises(QueryRejected, match="no row can be read"):
        answering(spec, 200, [{"alert": "ServiceDown"}]).incidents()
    assert answering(spec, 200, []).incidents() == []


# ---------------------------------------------------------------- which migration


def other_versions(spec: Spec) -> Spec:
    return spec.model_copy(update={"versions": spec.versions.model_copy(update={"candidate": "v3"})})


def renamed(spec: Spec) -> Spec:
    return spec.model_copy(update={"metadata": spec.metadata.model_copy(update={"name": "shop"})})


def edited(spec: Spec) -> Spec:
    return spec.model_copy(update={"metadata": spec.metadata.model_copy(update={"title": "another title"})})


@pytest.fixture
def served(spec: Spec) -> Iterator[Callable[[Spec], IncidentsClient]]:
    """Clients, with specs of their own, of an incidents role that serves `spec`."""
    with applications(spec) as apps:
        caller = TestClient(apps["incidents"], base_url=spec.stack.url("incidents"))

        def handler(request: httpx.Request) -> httpx.Response:
            answer = caller.request(
                request.method, str(request.url), content=request.read(), headers=request.headers.raw
            )
            return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

        yield lambda own: journal(own, handler)


@pytest.mark.parametrize(("other", "named"), [(renamed, "'shop'"), (other_versions, "v1 to v3")])
def test_another_migrations_role_is_refused_naming_both(
    served: Any, spec: Spec, other: Callable[[Spec], Spec], named: str
) -> None:
    """Neither read from nor moved."""
    client = served(other(spec))
    for ask in (client.phase, lambda: client.set_phase(1, "ada", "why")):
        with pytest.raises(OtherMigration) as caught:
            ask()
        assert "'supersmartmatch' (v1 to v2)" in caught.value.what
        assert named in caught.value.what
    assert served(spec).phase().number == 0


def test_an_edited_spec_is_warned_of_once_and_still_rolls_back(
    served: Any, spec: Spec, caplog: pytest.LogCaptureFixture
) -> None:
    client = served(edited(spec))
    with caplog.at_level(logging.WARNING):
        assert client.set_phase(0, "ada", "rolled back").number == 0
        client.phase()
    assert sum("another state of this spec" in record.getMessage() for record in caplog.records) == 1
    caplog.clear()
    served(spec).phase()
    assert "another state" not in caplog.text


def test_where_a_spec_runs_and_how_it_is_written_make_no_other_state(spec: Spec, tmp_path: Path) -> None:
    """Ports, state folder and external parts differ between roles and commands of one migration."""
    moved = spec.model_copy(update={"stack": spec.stack.model_copy(update={"external": {"prometheus": "http://p:1"}})})
    written = load(write_spec(spec, tmp_path / "spec.yaml"))
    assert Identity.of(moved) == Identity.of(spec) == Identity.of(written)
    assert Identity.of(edited(spec)).digest != Identity.of(spec).digest


def test_a_name_beyond_ascii_fits_a_header() -> None:
    identity = Identity(migration="été", versions=("v1", "v²"), digest="0")
    assert identity.header.isascii()
    assert Identity.read(identity.header) == identity
    assert Identity.read("{") is None


# ---------------------------------------------------------------- against the real roles


def test_a_command_without_the_token_is_told_where_it_is(served: Any, spec: Spec, tmp_path: Path) -> None:
    """Reading on this machine is free all the same."""
    stranger = with_state(spec, tmp_path / "another folder")
    assert served(stranger).phase().number == 0
    with pytest.raises(NotAllowed) as caught:
        served(stranger).set_phase(1, "ada", "why")
    assert str(tmp_path / "another folder" / "secrets" / "token") in caught.value.fix
    assert served(spec).phase().number == 0


def test_the_client_asks_nothing_that_the_roles_do_not_serve(served: Any, spec: Spec) -> None:
    """Each of its calls reaches a route and reads its answer."""
    client = served(spec)
    client.set_phase(1, "ada", "start", force=True)
    client.move(PlanMove.PAUSE, "ada")
    client.comparison()
    client.annotate("deployed", "ada", "deployment")
    window = client.add_maintenance(1_767_225_600.0, 1_767_229_200.0, "upgrade", "ada", ["redis"], silent=False)
    assert client.end_maintenance(window.id, "ada").services == ("redis",)
    assert [entry.kind for entry in client.timeline()] == [
        "phase",
        "phase",
        "verdict",
        "pause",
        "verdict",
        "deployment",
        "maintenance",
        "maintenance",
    ]
    assert [kept.id for kept in client.maintenance()] == [window.id]
    assert (client.incidents(), client.notices()) == ([], [])
    with pytest.raises(UsageError, match="there is no incident 9"):
        client.acknowledge(9, "ada")


def test_rights_are_named_in_the_openapi_document(spec: Spec) -> None:
    with applications(spec) as apps:
        for app in apps.values():
            for route in app.routes:
                if declared(route, "POST").right is Right.DELIVER:
                    assert app.openapi()["paths"][route.path]["post"]["x-bascule-right"] == "deliver"


def test_a_post_that_alertmanager_refuses_is_told_in_its_words() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(400, text="bad labels"))
    with pytest.raises(QueryRejected, match="bad labels"):
        Alertmanager("http://a", transport=transport).post([])


def test_one_place_makes_the_clients_of_the_specs_servers() -> None:
    """Another one would ask without the credentials that the spec gives them."""
    asked = re.compile(r"\b(?:Http|Prometheus|Alertmanager)\([^()]*\.url\(.(?:prometheus|alertmanager)")
    files = Path(logs.__file__).parents[1].rglob("*.py")
    assert [file.name for file in files if asked.search(file.read_text("utf-8"))] == ["servers.py"]
