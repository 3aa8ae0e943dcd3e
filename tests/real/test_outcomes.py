"""The outcomes of requests on every server and framework of docs/instrument.md: `make real NAME=outcomes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from outcomes import CASES, HANG, Services, outcome, pairs, plays, running, truth

pytestmark = pytest.mark.real

Pair = tuple[str, str]


def _together(pair: Pair, *more: str) -> object:
    """A pair's cells run in one process, so that its service is started once."""
    name = "-".join(pair)
    return pytest.param(pair, *more, id="-".join([name, *more]), marks=pytest.mark.xdist_group(name))


CELLS = [_together(pair, case) for pair in pairs() for case in CASES if case != HANG and plays(*pair, case)]
HANGING = [_together(pair) for pair in pairs() if plays(*pair, HANG)]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp) as services:
        yield services


@pytest.mark.parametrize(("pair", "case"), CELLS)
def test_a_request_is_counted_as_what_became_of_it(services: Services, pair: tuple[str, str], case: str) -> None:
    expected = truth(*pair, case)
    assert outcome(services.of(pair), case, expected) == expected


@pytest.mark.parametrize("pair", HANGING)
def test_a_request_that_hangs_is_counted_when_the_server_ends_it(pair: Pair, tmp_path: Path) -> None:
    expected = truth(*pair, HANG)
    with running(*pair, tmp_path) as service:
        assert outcome(service, HANG, expected) == expected
