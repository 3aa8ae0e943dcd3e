"""Ten cells of the matrix, so that each thing of every dimension is met once or more; all: `make real NAME=matrix`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sla_truth
from matrix import Blocks, Cell, wrong

from bascule.prometheus import Prometheus

pytestmark = pytest.mark.integration

TEN = [
    Cell(15, "milliseconds", "unlike", "scraped", "healthy"),
    Cell(15, "nanoseconds", "around", "scraped", "failing"),
    Cell(60, "seconds", "exact", "logs", "healthy"),
    Cell(60, "microseconds", "unlike", "logs", "failing"),
    Cell(15, "seconds", "exact", "scraped", "hung"),
    Cell(60, "milliseconds", "unlike", "logs", "hung"),
    Cell(15, "seconds", "unlike", "scraped", "silent"),
    Cell(60, "seconds", "exact", "logs", "silent"),
    Cell(15, "milliseconds", "exact", "logs", "absent"),
    Cell(60, "seconds", "unlike", "scraped", "stale"),
]


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def client(end: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder, blocks = tmp_path_factory.mktemp("matrix"), Blocks(end)
    blocks.plan()
    for cell in TEN:
        blocks.add(cell)
    blocks.write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


@pytest.mark.parametrize("cell", TEN, ids=lambda cell: cell.name)
def test_the_five_say_what_the_table_says(cell: Cell, client: Prometheus, end: int) -> None:
    """A version that has no data is never kept, promoted or ok; one that fails is told by all five."""
    assert wrong(cell, client, end) == []
