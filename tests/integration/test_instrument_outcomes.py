"""The outcomes of requests on three real servers; all servers and frameworks: `make real NAME=outcomes`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from outcomes import CASES, HANG, Services, outcome, plays, truth

pytestmark = pytest.mark.integration

PAIRS = [
    ("uvicorn", "Starlette below BaseHTTPMiddleware"),
    ("hypercorn", "Django below Channels"),
    ("gunicorn sync", "Flask"),
]
SLOW = {"client leaves after `patience`", HANG}  # left to the whole run
CELLS = [(pair, case) for pair in PAIRS for case in CASES if case not in SLOW and plays(*pair, case)]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp) as services:
        yield services


@pytest.mark.parametrize(("pair", "case"), CELLS)
def test_a_request_is_counted_as_what_became_of_it(services: Services, pair: tuple[str, str], case: str) -> None:
    expected = truth(*pair, case)
    assert outcome(services.of(pair), case, expected) == expected
