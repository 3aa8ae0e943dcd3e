"""Lines that real loggers, servers and proxies write, held against the requests that were made: `make real NAME=lines`.

More requests than in tests/integration/test_log_lines.py, and every program is started.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from line_loggers import loggers
from line_servers import OTHERS, PROXIES, PYTHON_SERVERS, python_server
from lines import Recording, held

pytestmark = pytest.mark.real

REQUESTS = 1000


def check(recordings: list[Recording], folder: Path) -> None:
    for number, recording in enumerate(recordings):
        result = held(recording, folder / f"store-{number}")
        wrong = sum(result.wrong.values())
        print(f"{recording.name}: {result.sent} requests sent, {result.stored} rows stored, {wrong} wrong")
        assert result.is_right, f"{recording.name}: {result}"


def test_every_request_that_a_logger_tells_of_is_counted_as_what_it_was(tmp_path):
    check(loggers(tmp_path, REQUESTS), tmp_path)


@pytest.mark.parametrize("name", PYTHON_SERVERS)
def test_every_request_to_a_python_server_is_counted_as_what_it_was(name, tmp_path):
    check(python_server(name, tmp_path, REQUESTS), tmp_path)


@pytest.mark.parametrize("name", [*PROXIES, *OTHERS])
def test_every_request_through_a_proxy_is_counted_for_the_version_that_was_asked(name, tmp_path):
    check((PROXIES | OTHERS)[name](tmp_path, REQUESTS), tmp_path)
