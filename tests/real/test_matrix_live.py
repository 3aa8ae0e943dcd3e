"""The matrix of tests/support/matrix.py on services that are scraped: `make real NAME=matrix_live`, four minutes.

A pairwise set: each two things of different dimensions are met in one cell or more. All cells live at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations, product
from threading import Thread

import pytest
import sla_truth
import yaml
from matrix import CONDITIONS, LAYOUTS, UNITS, Cell, Live, wrong

from bascule.prometheus import Prometheus

pytestmark = pytest.mark.real

MOST = 30
BEFORE, SPAN = 40.0, 150  # seconds: both versions well, then judged and reported


def pairwise() -> list[Cell]:
    """The cell with most pairs that none has had yet, until all have been."""
    every = [Cell(*each) for each in product((1, 5), UNITS, LAYOUTS, ("scraped", "logs"), CONDITIONS)]
    pairs = {cell: set(combinations(enumerate(astuple(cell)), 2)) for cell in every}
    left, chosen = set().union(*pairs.values()), list[Cell]()
    while left:
        best = max(every, key=lambda cell: len(pairs[cell] & left))
        chosen.append(best)
        left -= pairs[best]
    return chosen


CELLS = pairwise()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("matrix_live")
    live = Live(CELLS, time.time(), BEFORE)
    with served(live.page) as port:
        jobs = [_job(name, interval, port) for name, interval in live.jobs.items()]
        with sla_truth.prometheus(folder / "data", folder, yaml.safe_dump({"scrape_configs": jobs})) as client:
            yield client


def _job(name: str, interval: int, port: int) -> dict[str, object]:
    return {
        "job_name": name,
        "metrics_path": f"/{name}",
        "scrape_interval": f"{interval}s",
        "scrape_timeout": "500ms",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }


@contextmanager
def served(page: Callable[[str], str | None]) -> Iterator[int]:
    """Each job's page under its name; None: the process hangs."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = page(self.path[1:])
            if text is None:
                time.sleep(1)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def end(client: Prometheus) -> int:
    """When the last condition has lasted for long enough."""
    begun = client.scalar("min(bascule_phase_started_timestamp_seconds)")
    while not isinstance(begun, float):
        time.sleep(1)
        begun = client.scalar("min(bascule_phase_started_timestamp_seconds)")
    end = int(begun) + SPAN + 5
    while time.time() < end + 10:
        time.sleep(1)
    return end


def test_the_set_is_small_enough() -> None:
    assert len(CELLS) <= MOST


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_five_say_what_the_table_says(cell: Cell, client: Prometheus, end: int) -> None:
    assert wrong(cell, client, end, SPAN) == []
