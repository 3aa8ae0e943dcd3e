"""Signing in by a proxy's header: it counts from the proxy alone, and opens what the person's seat may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_caller import with_state
from fastapi.testclient import TestClient
from pydantic import ValidationError

from bascule.api import Tokens
from bascule.api.guard import PAGE_TOKEN
from bascule.api.proxied import SECRET_HEADER
from bascule.console import create_app
from bascule.spec import Spec, load
from bascule.spec.sign_in import ProxySignIn

PROXY, ELSEWHERE = "10.0.0.5", "10.0.0.6"
BY_NAME = ProxySignIn(proxies=[PROXY, "192.168.7.0/24"], operators=["ada"], host="bascule.example")


def spec_with(sign_in: ProxySignIn, folder: Path) -> Spec:
    spec = with_state(load("supersmartmatch"), folder)
    Tokens(spec.stack.state).ensure()
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"sign_in": sign_in})})


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., httpx.Response]:
    """A request from an address, as somebody."""
    app = create_app(spec_with(BY_NAME, tmp_path))

    def ask(peer: str, path: str = "/sign-in", method: str = "GET", **headers: Any) -> httpx.Response:
        client = TestClient(app, base_url="http://bascule.example", client=(peer, 4711))
        return client.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return ask


@pytest.mark.parametrize("peer", [PROXY, "192.168.7.9", f"::ffff:{PROXY}"])
def test_the_proxy_names_who_reads_and_who_acts(ask: Callable[..., httpx.Response], peer: str) -> None:
    assert "You are <b>ada</b>, and may act" in ask(peer, X_Forwarded_User="ada").text
    assert "You are <b>eve</b>, and may read" in ask(peer, X_Forwarded_User="eve").text


@pytest.mark.parametrize("peer", [ELSEWHERE, "127.0.0.1", "testclient", "192.168.8.9"])
def test_a_forged_header_from_elsewhere_is_ignored(ask: Callable[..., httpx.Response], peer: str) -> None:
    assert "You are" not in ask(peer, X_Forwarded_User="ada").text
    assert "You are" not in ask(peer, X_Forwarded_User="ada", X_Forwarded_For=PROXY, Forwarded=f"for={PROXY}").text
    assert ask(peer, "/logs", X_Forwarded_User="ada").status_code == 401


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\x07b"])
def test_what_is_no_name_signs_nobody_in(ask: Callable[..., httpx.Response], name: str) -> None:
    assert "You are" not in ask(PROXY, X_Forwarded_User=name).text


def test_a_header_that_stands_there_twice_signs_nobody_in(tmp_path: Path) -> None:
    """A proxy that adds its own to what the browser sent vouches for neither."""
    client = TestClient(create_app(spec_with(BY_NAME, tmp_path)), base_url="http://bascule.example", client=(PROXY, 1))
    twice = [("X-Forwarded-User", "ada"), ("X-Forwarded-User", "eve")]
    assert "You are" not in client.get("/sign-in", headers=twice).text


def test_who_acts_needs_the_token_of_a_page_made_for_them(ask: Callable[..., httpx.Response]) -> None:
    page = ask(PROXY, X_Forwarded_User="ada").text
    token = page.partition('name="page-token" content="')[2].partition('"')[0]
    act = "/act/checklist/nothing-at-all/sign"
    told = {"Content_Type": "application/json", "X_Forwarded_User": "ada"}
    assert ask(PROXY, act, "POST", **told).status_code == 403
    others = ask(PROXY, X_Forwarded_User="eve").text.partition('name="page-token" content="')[2].partition('"')[0]
    assert ask(PROXY, act, "POST", **told, **{PAGE_TOKEN: others}).status_code == 403
    assert ask(PROXY, act, "POST", **told, **{PAGE_TOKEN: token}).status_code == 400  # let in: there is no body
    reader = told | {"X_Forwarded_User": "eve", PAGE_TOKEN: others}
    assert "may read, but not change anything" in ask(PROXY, act, "POST", **reader).text


def test_a_proxy_on_this_machine_proves_itself_by_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the proxy\n")
    local = ProxySignIn(proxies=["127.0.0.1"], operators=["ada"], secret_file=secret)
    client = TestClient(create_app(spec_with(local, tmp_path)), base_url="http://127.0.0.1", client=("127.0.0.1", 1))

    def told(**headers: str) -> bool:
        return "You are <b>ada</b>" in client.get("/sign-in", headers={"X-Forwarded-User": "ada", **headers}).text

    assert told(**{SECRET_HEADER: "of the proxy"})
    assert not told()
    assert not told(**{SECRET_HEADER: "guessed"})
    secret.unlink()
    assert not told(**{SECRET_HEADER: ""})


def test_the_host_of_the_proxy_is_not_read_for_free(ask: Callable[..., httpx.Response]) -> None:
    assert ask(PROXY, "/logs").status_code == 401


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"proxies": ["127.0.0.1"]}, "secret_file"),
        ({"proxies": ["0.0.0.0/0"]}, "secret_file"),
        ({"proxies": []}, "at least 1"),
        ({"proxies": ["the-proxy"]}, "not an address or network"),
        ({"proxies": [PROXY], "header": "X Y"}, "not the name of a header"),
        ({"proxies": [PROXY], "host": "https://x"}, "not a host"),
    ],
)
def test_what_would_let_everybody_in_is_refused_by_the_spec(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ProxySignIn.model_validate(declared)
