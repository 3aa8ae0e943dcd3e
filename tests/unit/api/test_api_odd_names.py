"""Names that no file can have, in each place where a route takes a name: not found, and never a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_caller import operator, with_state
from api_roles import ROLES, applications

from bascule.spec import load

ODD = {
    "NUL": "a%00b",
    "NUL alone": "%00",
    "too long": "a" * 5000,
    "above": "..%2f..%2fetc%2fpasswd",
    "from the root": "%2fetc%2fpasswd",
    "of another system": "..%5c..%5cwindows",
    "bytes that are no text": "%ff%fe",
    "half a pair": "%ed%a0%80",
    "two lines": "a%0d%0ab",
    "dots": "%2e%2e",
}
PAGES = ["/runbooks/{}", "/dashboards/{}", "/dashboards/{}/now", "/drills/picture?name={}"]
LIKE_FILES = {"console": ["/static/{}", "/static/vendor/{}", *PAGES], "sla": ["/reports/{}"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    spec = with_state(load("supersmartmatch"), tmp_path_factory.mktemp("state"))
    with applications(spec) as apps:
        yield spec, apps


def places(app: Any) -> list[tuple[str, str]]:
    """Method and address of each parameter in a path or a query, which is `{}` in it."""
    found = []
    for path, methods in app.openapi()["paths"].items():
        for method, said in methods.items():
            for each in said.get("parameters", ()):
                plain = re.sub(r"\{\w+\}", "1", path.replace(f"{{{each['name']}}}", "{}"))
                found.append((method, plain if each["in"] == "path" else f"{plain}?{each['name']}={{}}"))
    return [each for each in found if "/stream" not in each[1]]  # they never end


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("role", ROLES)
def test_no_parameter_of_a_route_causes_a_traceback(house: Any, role: str, odd: str) -> None:
    """What a route cannot look up raises nothing; a server that it asks may be away."""
    spec, apps = house
    client = operator(apps[role], spec)
    for method, place in [*places(apps[role]), *(("get", each) for each in LIKE_FILES.get(role, ()))]:
        status = client.request(method, place.format(odd), json={} if method == "post" else None).status_code
        assert status != 500, (method, place)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(("role", "place"), [(role, place) for role, each in LIKE_FILES.items() for place in each])
def test_a_name_that_no_file_can_have_is_not_found(house: Any, role: str, place: str, odd: str) -> None:
    spec, apps = house
    answer = operator(apps[role], spec, follow_redirects=False).get(place.format(odd))
    assert answer.status_code in (404, 431), answer.text  # the head of a request has a bound, too
    assert Path("/etc/passwd").read_text()[:20] not in answer.text


@pytest.mark.parametrize("path", ["/tmp/a\0b", "/" + "a" * 1000, "a" * 5000, "..", "/", "\u00ff"])
def test_a_file_that_there_cannot_be_is_not_read(house: Any, path: str) -> None:
    spec, apps = house
    answer = operator(apps["logs"], spec).post("/api/ingest", json={"sources": {path: "nginx"}})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["fix"]
