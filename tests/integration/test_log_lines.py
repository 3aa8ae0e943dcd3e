"""Lines that real loggers and servers write, held against the requests that were made: none lost, none wrong.

Those of HAProxy, Apache, Caddy, Envoy and Node's loggers are recorded; `make real NAME=lines` makes them anew.
"""

from __future__ import annotations

from pathlib import Path

import line_loggers
import pytest
from line_servers import PROXIES, PYTHON_SERVERS, python_server
from lines import RECORDED, Recording, held

pytestmark = pytest.mark.integration

REQUESTS = 70
NAMES = [path.stem for path in sorted(RECORDED.glob("*.json"))]


def check(recordings: list[Recording], folder: Path) -> None:
    for number, recording in enumerate(recordings):
        result = held(recording, folder / f"store-{number}")
        assert result.is_right, f"{recording.name}: {result}"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    made = line_loggers.loggers(tmp_path_factory.mktemp("loggers"), REQUESTS)
    return {recording.name: recording for recording in made}


@pytest.mark.parametrize("name", line_loggers.NAMES)
def test_every_request_that_a_logger_tells_of_is_counted_as_what_it_was(name, logged, tmp_path):
    """In every layout of Python's logging, of loguru, structlog, python-json-logger and ecs-logging."""
    check([logged[name]], tmp_path)


@pytest.mark.parametrize("name", PYTHON_SERVERS)
def test_every_request_to_a_python_server_is_counted_as_what_it_was(name, tmp_path):
    """By its access log, also behind a logger's own head."""
    check(python_server(name, tmp_path, REQUESTS), tmp_path)


@pytest.mark.parametrize("name", PROXIES)
def test_every_request_through_a_proxy_is_counted_for_the_version_that_was_asked(name, tmp_path):
    """Odd requests, retries, a version that is wholly down, third parties and clients that leave included."""
    check(PROXIES[name](tmp_path, REQUESTS), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_lines_are_counted_as_the_requests_that_were_made(name, tmp_path):
    """Of programs that are not started here."""
    check([Recording.load(name)], tmp_path)


def test_a_recording_that_says_something_else_is_found(logged, tmp_path):
    """Else the tests above could not fail."""
    recording = logged["logging-dashes"]
    lines = recording.lines.replace(b"status=503", b"status=200").replace(b"endpoint=/api/match/0 ", b"endpoint=/x ")
    wrong = held(Recording(recording.name, lines, recording.sent, recording.source, stopwatch=0.0), tmp_path).wrong
    assert wrong["outcome"] == sum(sent.status == 503 for sent in recording.sent)
    assert wrong["lost"] == 1
