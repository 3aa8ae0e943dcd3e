"""Verdict, gate, page, rule and report against one table of right answers: `make real NAME=matrix`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sla_truth
from matrix import Blocks, Cell, cells, wrong

from bascule.prometheus import Prometheus

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest, end: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus on the blocks of the cells that are asked for."""
    folder, blocks = tmp_path_factory.mktemp("matrix"), Blocks(end)
    blocks.plan()
    for item in request.session.items:
        cell = getattr(item, "callspec", None) and item.callspec.params.get("cell")
        if isinstance(cell, Cell):
            blocks.add(cell)
    blocks.write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_the_five_say_what_the_table_says(cell: Cell, client: Prometheus, end: int) -> None:
    """None of them says ok, kept or promote where the table says otherwise; and nothing else where it says ok."""
    assert wrong(cell, client, end) == []
