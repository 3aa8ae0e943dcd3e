"""Wrong addresses: each gets a page that says what is wrong, with a way back, and a status that says so too.

The journal and the logs role are the real ones; Prometheus knows two versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from api_caller import with_state
from api_roles import applications
from fastapi.testclient import TestClient

from bascule.api import Tokens
from bascule.console import Parts, create_app
from bascule.spec import load

SPEC = load("supersmartmatch")
HTML = {"accept": "text/html"}


def prometheus(request: httpx.Request) -> httpx.Response:
    data = ["v1", "v2"] if "/label/" in request.url.path else {"resultType": "vector", "result": []}
    return httpx.Response(200, json={"status": "success", "data": data})


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("state")
    Tokens(folder).ensure()
    spec = with_state(SPEC, folder)
    with ExitStack() as kept:
        apps = kept.enter_context(applications(spec))
        roles = {
            getattr(spec.stack.ports, role): kept.enter_context(TestClient(apps[role], base_url=spec.stack.url(role)))
            for role in ("incidents", "judge", "logs")
        }

        def ask(request: httpx.Request) -> httpx.Response:
            role = roles.get(request.url.port or 0)
            if role is None:
                return prometheus(request)
            headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
            told = role.request(request.method, str(request.url), content=request.content, headers=headers)
            return httpx.Response(told.status_code, content=told.content, headers=told.headers)

        app = create_app(spec, parts=Parts(spec, httpx.MockTransport(ask)))
        yield kept.enter_context(TestClient(app, base_url="http://127.0.0.1"))


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/logs?since=2099-01-01T00:00:00Z&until=1999-01-01T00:00:00Z", 400, "the span begins in the future"),
        ("/logs?since=now-1h&until=now-2h", 400, "before it begins"),
        ("/logs?since=5m&until=1999-01-01", 400, "before it begins"),
        ("/logs?since=yesterday", 400, "&#39;yesterday&#39; is not a time"),
        ("/logs?until=10000-01-01T00:00:00Z", 400, "is not a time"),
        ("/logs?since=99999999999999d", 400, "is not a time"),
        ("/logs?where=status%3E%3Dmany", 400, "is not a number"),
        ("/logs?level=loud", 400, "give one of warning, error"),
        ("/logs?status=6", 400, "give one of 400, 500"),
        ("/?window=9y", 400, "give one of 15m"),
        ("/dashboards/technical?window=9y", 400, "give one of 15m"),
        ("/dashboards/technical?start=now&end=now-1h", 400, "before it begins"),
        ("/dashboards/technical?start=4102444800&end=4102448400", 400, "the span begins in the future"),
        ("/dashboards/technical?start=1&end=100", 400, "before 2012"),
        ("/dashboards/technical?start=now-90d&end=now", 400, "longer than 35 days"),
        ("/dashboards/technical?start=now-1h", 400, "give both start and end"),
        ("/dashboards/technical?start=1e300&end=2e300", 400, "is not a time"),
        ("/dashboards/technical?var-version=v9", 404, "there is no Version &#39;v9&#39;; give one of v1, v2"),
        ("/dashboards/none", 404, "there is no dashboard"),
        ("/incidents/99999", 404, "99999"),
        ("/incidents/0", 400, "greater than or equal to 1"),
        ("/incidents/seven", 400, "valid integer"),
        ("/segments?by=colour", 400, "give one of state"),
        ("/executive?lang=tlh", 400, "give one of en, fr"),
        ("/wall?every=-1", 400, "greater than or equal to 0"),
        ("/checklist?phase=never", 400, "is not a phase"),
        ("/detail?signal=errors&segment=gold", 404, "does not know this signal and segment"),
        ("/runbooks/none", 404, "no runbook"),
        ("/none", 404, "nothing is at this address"),
    ],
)
def test_a_wrong_address_gets_a_page_that_says_so_with_a_way_back(
    console: TestClient, address: str, status: int, words: str
) -> None:
    page = console.get(address, headers=HTML)
    main = page.text[page.text.index("<main") : page.text.index("</main>")]
    assert (page.status_code, words in main) == (status, True), main
    assert any(f'href="{way}' in main for way in ('/"', '/logs"', "/runbooks/"))


@pytest.mark.parametrize(
    "address",
    [
        "/logs?since=now-2h&until=now%2B30m",
        "/logs?since=2026-01-31T08:00:00Z&until=2026-01-31T09:00:00Z",
        "/dashboards/technical?start=now-2h&end=now",
        "/dashboards/technical?var-version=v2",
        "/dashboards/technical?var-version=$__all",
        "/?window=6h",
    ],
)
def test_what_people_write_for_a_time_or_a_choice_is_understood(console: TestClient, address: str) -> None:
    assert console.get(address, headers=HTML).status_code == 200
