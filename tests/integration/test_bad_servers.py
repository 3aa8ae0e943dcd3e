"""What is wrong with a real Prometheus is said by `init`, `check --prometheus` and `doctor`, with the next step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from prometheus_proxy import proxied
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.spec import starter_text

pytestmark = pytest.mark.integration

COMMANDS = ("init", "check", "doctor")
PAGE = "shop_requests_total 100\n"
BAD = 'http_requests_total{status=~"5.."}'
SIGNALS = {"errors": {"kind": "ratio", "bad": BAD, "total": "http_requests_total", "better": "lower"}}
SLAS = {"availability": {"objective": "99.9%", "window": "30d"}}


@pytest.fixture(scope="module")
def server(module_programs: Any, module_metrics_page: Callable[..., Any], eventually: Callable[..., Any]) -> Any:
    """It keeps two days, and what the services count is not what the spec says."""
    pages = {f"shop-{version}": [module_metrics_page(PAGE).target] for version in ("v1", "v2")}
    started = module_programs.start_prometheus(scrape=pages, kept="2d")
    eventually(lambda: started.client.scalar("count(shop_requests_total)") == 2, 30)
    return started


def asked(command: str, url: str, folder: Path, *more: str) -> Result:
    path = folder / f"{command}.yaml"
    if command == "init":
        return CliRunner().invoke(app, ["init", str(path), "--from-prometheus", url, *more])
    document = yaml.safe_load(starter_text()) | {"signals": SIGNALS, "slas": SLAS}
    path.write_text(yaml.safe_dump(document | {"stack": {"external": {"prometheus": url}}}))
    more = ("--prometheus", url) if command == "check" else ()
    return CliRunner().invoke(app, [command, str(path), *more])


def said(result: Result) -> str:
    error = getattr(result.exception, "fix", "")
    return " ".join(f"{result.output} {result.exception} {error}".split())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("ills", "what", "fix"),
    [
        ({"token": "t0ken"}, "answered 401", "name their files under stack.access.prometheus"),
        ({"ahead": 3600.0}, "its clock is 1 h ahead of this machine's", "by a time server"),
        ({"ahead": -90.0}, "its clock is 1 min 30 s behind this machine's", "by a time server"),
        ({}, "it keeps samples for 2d, and 30d are needed", "--storage.tsdb.retention.time=30d"),
    ],
    ids=["token", "ahead", "behind", "retention"],
)
def test_what_is_wrong_with_a_server_is_said_with_the_next_step(
    command: str, ills: dict[str, Any], what: str, fix: str, server: Any, tmp_path: Path
) -> None:
    with proxied(server.url, **ills) as url:
        result = asked(command, url, tmp_path)
    assert what in said(result), said(result)
    assert fix in said(result), said(result)
    assert (result.exit_code == 0) == (command == "init" and "token" not in ills), said(result)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_metric_that_is_not_there_is_said_with_what_to_do(command: str, server: Any, tmp_path: Path) -> None:
    result = asked(command, server.url, tmp_path)
    told = {
        "init": "no counter of requests by their status was found",
        "check": "no series of http_requests_total",
        "doctor": "no series of http_requests_total",
    }
    assert told[command] in said(result), said(result)
    assert command == "init" or "there are shop_requests_total" in said(result), said(result)
    assert (result.exit_code == 0) == (command == "init"), said(result)


def test_a_job_that_is_not_scraped_is_refused_with_those_that_are(server: Any, tmp_path: Path) -> None:
    result = asked("init", server.url, tmp_path, "--job", "shop")
    assert result.exit_code != 0
    assert "does not scrape the job 'shop'" in said(result)
    assert "shop-v1, shop-v2" in said(result)
    assert not (tmp_path / "init.yaml").exists()


def test_a_token_in_a_file_opens_it(server: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "access.yaml").write_text(yaml.safe_dump({"token_file": str(tmp_path / "token")}))
    with ExitStack() as stack:
        url = stack.enter_context(proxied(server.url, token="t0ken"))
        result = asked("init", url, tmp_path, "--access", str(tmp_path / "access.yaml"))
    assert result.exit_code == 0, said(result)
    assert "t0ken" not in (tmp_path / "init.yaml").read_text() + result.output
