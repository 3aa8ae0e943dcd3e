"""Runbooks in the console: every alert has its page, and no page can do harm."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from bascule.console import Runbooks, create_app
from bascule.generate import generate
from bascule.spec import load

SPEC = load("supersmartmatch")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(SPEC), base_url="http://127.0.0.1")


def alerts() -> Iterator[dict[str, Any]]:
    for path, text in generate(SPEC).items():
        if path.startswith("prometheus/rules/"):
            rules = [rule for group in yaml.load(text, yaml.CSafeLoader)["groups"] for rule in group["rules"]]
            yield from (rule for rule in rules if "alert" in rule)


def test_every_alert_links_to_a_runbook_that_the_console_serves(client: TestClient) -> None:
    """`runbook_url` stands in pages to people at night: it must lead somewhere."""
    urls = {alert["annotations"]["runbook_url"] for alert in alerts()}
    assert urls
    for url in urls:
        page = client.get(url.removeprefix(SPEC.stack.url("console")))
        assert page.status_code == 200, url
        assert "What to do" in page.text, url


def test_an_alert_without_its_annotations_is_led_to_the_same_page() -> None:
    books = Runbooks()
    for alert in alerts():
        linked = alert["annotations"]["runbook_url"].rpartition("/")[2]
        assert books.page_for(alert["alert"]) == linked
    assert books.page_for("CandidateWorse") == "candidate-worse"
    assert books.page_for("acme_ServiceDown", prefix="acme_") == "service-down"
    assert books.page_for("AnAlertOfTheirOwn") == ""


def test_the_index_links_to_every_runbook_of_the_repository_but_those_that_moved(client: TestClient) -> None:
    index = client.get("/runbooks").text
    for file in (ROOT / "docs" / "runbooks").glob("*.md"):
        moved = file.read_text("utf-8").startswith("# Moved")
        assert (f'href="/runbooks/{file.stem}"' in index) is not moved


MOVED = {"segment-promises": "segment-targets", "partner-promises": "partner-targets"}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_the_old_address_of_a_renamed_runbook_leads_to_the_new_one(client: TestClient, old: str, new: str) -> None:
    assert f'href="{new}.md"' in client.get(f"/runbooks/{old}").text
    assert client.get(f"/runbooks/{new}.md").status_code == 200


def test_links_between_runbooks_work_as_they_stand_in_the_repository(client: TestClient) -> None:
    assert client.get("/runbooks/sla.md").text == client.get("/runbooks/sla").text


@pytest.mark.parametrize("page", ["nothing", "..%2F..%2Fpyproject", "sla.md.md", "%3Cimg%20src=x%3E"])
def test_a_runbook_that_is_not_there_is_said_with_those_that_are(client: TestClient, page: str) -> None:
    answer = client.get(f"/runbooks/{page}")
    assert answer.status_code == 404
    assert "<img" not in answer.text


def test_markup_in_a_runbook_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    text = "# Bad\n\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n[x](javascript:alert(1))\n"
    (tmp_path / "bad.md").write_text(text)
    html = Runbooks(tmp_path).pages["bad"].html
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html


def test_the_runbooks_ship_with_the_package() -> None:
    """An installed package has no docs folder: the wheel takes them along."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"docs/runbooks": "bascule/console/runbooks"}


def test_without_any_runbook_the_console_still_stands(tmp_path: Path) -> None:
    assert Runbooks(tmp_path / "none").pages == {}
