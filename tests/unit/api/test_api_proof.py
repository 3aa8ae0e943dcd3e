"""A secret goes to a listener that has proven to be the role, over the same connection, and to no other."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_caller import with_state
from api_roles import applications
from fastapi.testclient import TestClient

from bascule.api import IncidentsClient, JudgeClient, RoleClient, Tokens
from bascule.api.proof import PATH, address_of, proof_of
from bascule.api.serving import serve_until
from bascule.conventions import Verdict
from bascule.errors import BasculeError, OtherMigration, Unreachable
from bascule.spec import Spec, load
from bascule.stack import state
from bascule.stack.doctor import _delivery

NONCE = "n" * 43


@pytest.fixture
def spec(tmp_path: Path, free_port: Callable[[], int]) -> Spec:
    Tokens(tmp_path).ensure()
    return placed(load("supersmartmatch"), tmp_path, free_port())


def placed(spec: Spec, folder: Path, port: int, role: str = "incidents") -> Spec:
    found = with_state(spec, folder)
    ports = found.stack.ports.model_copy(update={role: port})
    return found.model_copy(update={"stack": found.stack.model_copy(update={"ports": ports})})


@contextmanager
def serving(spec: Spec, role: str = "incidents", port: int | None = None) -> Iterator[None]:
    with applications(spec) as apps:
        stop, at = threading.Event(), port or getattr(spec.stack.ports, role)
        thread = threading.Thread(target=serve_until, args=(stop, apps[role], "127.0.0.1", at))
        thread.start()
        try:
            yield until_answers(at)
        finally:
            stop.set()
            thread.join(15)


def until_answers(port: int) -> None:
    for _ in range(500):
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10, trust_env=False)
            return
        except httpx.ConnectError:
            threading.Event().wait(0.02)
    raise AssertionError("it is not served")


class Stranger:
    """A program on a port, which keeps all that it hears; it answers each request by `answer`, given the request."""

    def __init__(self, port: int, answer: Callable[[bytes], bytes]) -> None:
        self.heard = bytearray()
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while data := connection.recv(65536):
                self.heard += data
                connection.sendall(self._answer(data))


def saying(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def passing_on_to(port: int) -> Callable[[bytes], bytes]:
    """To the real role, with the Host header that it takes."""

    def answer(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as real:
            real.sendall(data)
            said = real.recv(65536)
            while not said.endswith(b"}"):
                said += real.recv(65536)
            return said

    return answer


PRETENDED = {
    "an old or another program": saying("404 Not Found", b'{"error": "Not Found", "fix": ""}'),
    "one that says yes to everything": saying("200 OK", b'{"number": 1, "share": 0.1, "started": 1767225600.0}'),
    "one that guesses": saying("200 OK", json.dumps({"role": "incidents", "proof": "0" * 64}).encode()),
    "one that proves an empty token": saying("200 OK", b'{"role": "incidents", "proof": ""}'),
    "one that says something else": saying("200 OK", b"\xff<html>"),
    "one that refuses": saying("403 Forbidden", b'{"error": "send me the token", "fix": "now"}'),
}


def asked(spec: Spec) -> list[Callable[[], Any]]:
    """What a person asks, and what changes something."""
    client = IncidentsClient(spec, seconds=10)
    return [client.phase, lambda: client.set_phase(0, "ada", "rolled back")]


@pytest.mark.parametrize("answer", PRETENDED.values(), ids=PRETENDED)
def test_a_stranger_on_the_port_hears_no_token_and_is_named(spec: Spec, answer: bytes) -> None:
    port = spec.stack.ports.incidents
    with Stranger(port, lambda _: answer) as stranger:
        for ask in asked(spec):
            with pytest.raises(Unreachable) as caught:
                ask()
            assert f"127.0.0.1:{port}" in caught.value.what
            assert "not the incidents role" in caught.value.what
            assert "python" in caught.value.what or "pytest" in caught.value.what  # who holds the port
            assert "stack.ports.incidents" in caught.value.fix
    assert stranger.heard.count(f"GET {PATH}?".encode()) == 2
    assert b"POST" not in stranger.heard
    assert Tokens(spec.stack.state).operator.encode() not in stranger.heard


@pytest.mark.parametrize(
    "answer", [b"", saying("200 OK", b"x" * 200_000), b"HTTP/1.0 200 OK\r\n\r\n", b"\x00\xff not HTTP\r\n\r\n"]
)
def test_a_stranger_that_breaks_off_is_no_role_either(spec: Spec, answer: bytes) -> None:
    with Stranger(spec.stack.ports.incidents, lambda _: answer) as stranger:
        with pytest.raises(Unreachable):
            IncidentsClient(spec, seconds=0.5).phase()
        assert Tokens(spec.stack.state).operator.encode() not in stranger.heard


def test_a_proof_that_is_passed_on_from_the_real_role_proves_nothing(spec: Spec, free_port: Callable[[], int]) -> None:
    """The spec's port was changed, and the role still runs at the one before."""
    elsewhere = free_port()
    with serving(spec, port=elsewhere), Stranger(spec.stack.ports.incidents, passing_on_to(elsewhere)) as stranger:
        for ask in asked(spec):
            with pytest.raises(Unreachable, match="not the incidents role"):
                ask()
    assert Tokens(spec.stack.state).operator.encode() not in stranger.heard


def test_another_role_on_the_port_is_not_the_one_that_is_meant(spec: Spec) -> None:
    with serving(spec, "sla", spec.stack.ports.incidents), pytest.raises(Unreachable, match="incidents role"):
        IncidentsClient(spec).phase()


def test_the_role_itself_is_asked_over_connections_that_are_proven_once_each(spec: Spec) -> None:
    client = IncidentsClient(spec)
    with serving(spec):
        assert client.set_phase(0, "ada", "rolled back").number == 0
        assert [client.phase().number for _ in range(5)] == [0] * 5
        assert client.first_line("/healthz", "{").startswith('{"status":"ok"')
    client.close()


def test_who_takes_the_port_after_the_role_has_to_prove_itself_too(spec: Spec) -> None:
    """The client still has the connections from before."""
    client = IncidentsClient(spec, seconds=10)
    with serving(spec):
        assert client.phase().number == 0
    answer = PRETENDED["one that says yes to everything"]
    with Stranger(spec.stack.ports.incidents, lambda _: answer) as stranger:
        with pytest.raises(BasculeError):
            client.set_phase(0, "ada", "rolled back")
        assert Tokens(spec.stack.state).operator.encode() not in stranger.heard
    with serving(spec):
        assert client.phase().number == 0


def test_a_replaced_token_counts_at_once(spec: Spec) -> None:
    with serving(spec):
        (spec.stack.state / "secrets" / "token").write_text("another" * 8)
        assert IncidentsClient(spec).set_phase(0, "ada", "rolled back").number == 0


def test_without_a_token_there_is_nothing_to_prove(spec: Spec, tmp_path: Path) -> None:
    """Reading on this machine is free."""
    with serving(spec):
        assert IncidentsClient(with_state(spec, tmp_path / "another")).phase().number == 0


def test_the_token_of_another_state_folder_is_not_sent(spec: Spec, tmp_path: Path) -> None:
    Tokens(tmp_path / "another").ensure()
    with serving(spec), pytest.raises(Unreachable) as caught:
        IncidentsClient(with_state(spec, tmp_path / "another")).phase()
    assert str(tmp_path / "another" / "secrets" / "token") in caught.value.fix


def test_another_migration_is_still_named(spec: Spec, tmp_path: Path) -> None:
    other = spec.model_copy(update={"metadata": spec.metadata.model_copy(update={"name": "shop"})})
    Tokens(tmp_path / "shop").ensure()
    with serving(spec), pytest.raises(OtherMigration, match="'supersmartmatch'"):
        IncidentsClient(with_state(other, tmp_path / "shop")).phase()


def test_a_judge_beside_this_one_is_read_without_the_token_that_it_does_not_know(
    spec: Spec, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    Tokens(tmp_path / "beside").ensure()
    beside = placed(spec, tmp_path / "beside", free_port(), "judge")
    with serving(beside, "judge"):
        assert RoleClient(spec, "judge", url=beside.stack.url("judge")).text("/healthz")
        assert JudgeClient(beside).verdict().verdict is Verdict.NO_DATA


def test_doctor_sends_alertmanagers_token_to_the_journal_alone(spec: Spec) -> None:
    secrets = spec.stack.state / "config" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "alertmanager-webhook-token").write_text(Tokens(spec.stack.state).webhook)
    with state.held(spec.stack.state, "spec.yaml"):
        answer = PRETENDED["one that says yes to everything"]
        with Stranger(spec.stack.ports.incidents, lambda _: answer) as stranger:
            (check,) = _delivery(spec)
        assert (check.state, "not the incidents role" in check.found) == ("missing", True)
        assert Tokens(spec.stack.state).webhook.encode() not in stranger.heard
        with serving(spec):
            assert [each.state for each in _delivery(spec)] == ["ok"]


# ---------------------------------------------------------------- what a role proves


@contextmanager
def role_of(spec: Spec, base: str) -> Iterator[TestClient]:
    with ExitStack() as kept:
        yield TestClient(kept.enter_context(applications(spec))["incidents"], base_url=base)


@pytest.mark.parametrize("nonce", ["", "n" * 31, "n" * 129, "n" * 40 + "\n", "é" * 40, "n n" * 20, "n" * 40 + "\0"])
def test_a_nonce_has_bounds(spec: Spec, nonce: str) -> None:
    with role_of(spec, "http://127.0.0.1:5080") as caller:
        assert caller.get(PATH, params={"nonce": nonce}).status_code == 400
        assert caller.get(PATH).status_code == 400


def test_a_role_proves_its_own_address_whatever_name_it_is_asked_by(spec: Spec) -> None:
    with role_of(spec, "http://127.0.0.1:5080") as caller:
        for host in ("127.0.0.1:9", "localhost:5080", "[::1]"):
            given = caller.get(PATH, params={"nonce": NONCE}, headers={"Host": host}).json()
            right = proof_of(Tokens(spec.stack.state).operator, "incidents", "127.0.0.1:5080", NONCE)
            assert given == {"role": "incidents", "proof": right}


def test_beyond_loopback_no_name_of_loopback_is_proven(spec: Spec) -> None:
    """Else a local stranger could pass on what this machine's role proves to another."""
    stack = spec.stack.model_copy(update={"listen": "192.0.2.7", "tls": "elsewhere"})
    spec = spec.model_copy(update={"stack": stack})
    with role_of(spec, "http://192.0.2.7:5080") as caller:
        assert caller.get(PATH, params={"nonce": NONCE}, headers={"Host": "127.0.0.1:5080"}).status_code == 403
        right = proof_of(Tokens(spec.stack.state).operator, "incidents", "192.0.2.7:5080", NONCE)
        assert caller.get(PATH, params={"nonce": NONCE}).json()["proof"] == right


def test_a_role_without_a_token_proves_nothing(spec: Spec) -> None:
    (spec.stack.state / "secrets" / "token").unlink()
    with role_of(spec, "http://127.0.0.1:5080") as caller:
        assert caller.get(PATH, params={"nonce": NONCE}).status_code == 403


def test_an_address_is_written_in_one_way() -> None:
    assert address_of("0:0:0:0:0:0:0:1", 5080) == address_of("::1", 5080) == "[::1]:5080"
    assert address_of("Bascule.Example", 443) == "bascule.example:443"


def test_a_proof_is_good_for_its_purpose_alone(spec: Spec) -> None:
    """No nonce makes a role sign a page's token or a cookie."""
    tokens = Tokens(spec.stack.state)
    forged = proof_of(tokens.operator, "incidents", "127.0.0.1:5080", "console page: x")
    assert not tokens.is_page_token(forged, "x")
