"""Commands of the incidents role, run against the role itself: the plan's step, incidents, another migration."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from bascule import incidents
from bascule.api import Tokens
from bascule.cli.commands import app
from bascule.spec import Spec, parse, starter_text


def spec_of(name: str, port: int, state: Path) -> str:
    stack = f"stack: {{state: {state}, ports: {{incidents: {port}}}}}\n"
    return starter_text().replace("{name: shop}", f"{{name: {name}}}") + stack


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], eventually: Callable[..., object]
) -> Iterator[Spec]:
    """The migration `shop`, whose incidents role runs."""
    spec, stop = parse(spec_of("shop", free_port(), tmp_path_factory.mktemp("state"))), threading.Event()
    role = threading.Thread(target=incidents.run, args=(spec, stop))
    role.start()
    eventually(lambda: answers(spec), 30)
    yield spec
    stop.set()
    role.join()


def answers(spec: Spec) -> bool:
    try:
        return httpx.get(f"{spec.stack.url('incidents')}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def bascule(tmp_path: Path, shop: Spec) -> Callable[..., Result]:
    """Runs a command for the migration `shop`, or for another one that has the same port and a state of its own."""

    def run(migration: str, *arguments: str) -> Result:
        path = tmp_path / f"{migration}.yaml"
        state = shop.stack.state if migration == "shop" else tmp_path
        path.write_text(spec_of(migration, shop.stack.ports.incidents, state))
        return CliRunner().invoke(app, [*arguments, "--spec", str(path)])

    return run


SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
SET = ("phase", "set", "1", "--who", "me", "--why", "to begin", "--force")
CHANGES = [
    SET,
    ("maintenance", "add", "disks", "--from", "now", "--to", SOON, "--who", "me"),
    ("incidents", "ack", "1", "--who", "me"),
    ("phase", "show"),
    ("incidents", "list"),
]


def test_the_plans_step_is_shown_in_words_and_as_json(bascule: Callable[..., Result]) -> None:
    assert bascule("shop", *SET).exit_code == 0
    shown = bascule("shop", "phase", "show")
    assert shown.output.startswith("phase 1 of 2: 10 % to v2, since 20")
    assert shown.output.endswith(": to begin)\n")
    step = json.loads(bascule("shop", "phase", "show", "--json").output)
    assert (step["number"], step["share"]) == (1, 0.1)


@pytest.mark.parametrize("arguments", CHANGES, ids=lambda arguments: " ".join(arguments[:2]))
def test_a_role_that_serves_another_migration_is_refused_and_left_alone(
    arguments: tuple[str, ...], bascule: Callable[..., Result], shop: Spec
) -> None:
    """Both stand on the usual port when nobody changed it: a step for one must not move the other."""
    url = f"{shop.stack.url('incidents')}/api/phase"
    before = httpx.get(url, trust_env=False).json()
    refused = bascule("search", *arguments)
    assert "serves the migration 'shop' (v1 to v2), not the migration 'search'" in str(refused.exception)
    assert httpx.get(url, trust_env=False).json() == before


def test_an_incident_says_what_it_is_about(bascule: Callable[..., Result], shop: Spec) -> None:
    labels = {"alertname": "ServiceDown", "severity": "critical", "job": "shop-new"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "Service is down"},
        "startsAt": "2026-01-31T08:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "abc",
    }
    body = {"version": "4", "status": "firing", "alerts": [alert]}
    headers = {"Authorization": f"Bearer {Tokens(shop.stack.state).webhook}"}
    url = f"{shop.stack.url('incidents')}/api/webhook"
    httpx.post(url, json=body, headers=headers, trust_env=False).raise_for_status()
    shown = bascule("shop", "incidents", "list")
    assert (shown.exit_code, "shop-new" in shown.output) == (0, True), shown.output


def test_who_moved_the_share_and_why_is_listed_with_the_verdict_it_was_made_on(bascule: Callable[..., Result]) -> None:
    assert bascule("shop", *SET).exit_code == 0
    told = bascule("shop", "phase", "log").output
    assert "to begin" in told
    assert "the judge gave no answer" in told
    assert "verdict at" not in told  # a move and its verdict are one row
    kinds = [each["kind"] for each in json.loads(bascule("shop", "phase", "log", "--json").output)]
    assert kinds[-2:] == ["phase", "verdict"]


def test_a_user_is_set_listed_and_removed(bascule: Callable[..., Result]) -> None:
    password = ("--password", "correct horse battery")
    assert bascule("shop", "users", "set", "ada", "--seat", "operator", *password).exit_code == 0
    assert json.loads(bascule("shop", "users", "list", "--json").output) == [{"user": "ada", "seat": "operator"}]
    assert bascule("shop", "users", "remove", "ada").exit_code == 0
    assert bascule("shop", "users", "list").output == "no users\n"
    assert "/enter?token=" in bascule("shop", "users", "address").output
