"""`logs try` and `init --from-logs`: what is read of a sample of a file, and why."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bascule.errors import UsageError
from bascule.logs import attempt, look_at_sources, propose_from
from bascule.processes.ports import free
from bascule.spec import load, parse
from bascule.spec.model import Logs, LogSource

CALL = "2026-01-31 12:00:00,123 - {service} - INFO - API_CALL user_id=u endpoint=/x response_time={seconds} status=200"
SPEC = load("supersmartmatch")


def written(folder: Path, *lines: str) -> Path:
    file = folder / "app.log"
    file.write_text("\n".join(lines) + "\n")
    return file


def call(service: str = "supersmartmatch-v2", seconds: object = 0.1) -> str:
    return CALL.format(service=service, seconds=seconds)


def test_the_formats_that_read_a_file_are_found_and_proposed(tmp_path):
    """The one that only reads a layout comes last."""
    trial = attempt(SPEC, written(tmp_path, *[call()] * 3, "2026-01-31 12:00:00,123 - shop - INFO - started"))
    assert trial.formats == {"api_call": 3, "python": 1}
    assert trial.source == {"files": str(tmp_path / "app.log"), "formats": ["api_call", "python"]}


def test_each_version_is_shown_with_how_it_is_known_and_what_tells_none(tmp_path):
    """A service that the spec does not know is named."""
    trial = attempt(SPEC, written(tmp_path, call(), call("shop-2")))
    assert trial.versions == {("v2", "service"): 1, ("unknown", "unknown"): 1}
    assert any("service 'shop-2' (1 of unknown version)" in hint for hint in trial.hints)


def test_what_was_not_understood_is_shown_with_its_reason_and_line(tmp_path):
    """A field, and a line that fits no format; the lines of a stack trace are none of these."""
    trace = ["Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: x"]
    trial = attempt(SPEC, written(tmp_path, "gibberish", call(), call(seconds="fast"), *trace), ["api_call", "python"])
    found = {(wrong.name, wrong.reason): wrong.examples for wrong in trial.not_understood}
    assert found == {
        ("response_time", "not a number"): [f"'fast' in {call(seconds='fast')}"],
        ("line", "fits no format"): ["gibberish"],
    }


def test_times_in_another_unit_are_told(tmp_path):
    """Seconds are assumed where a field's name says no unit."""
    lines = [json.dumps({"ts": 1769860800.1, "path": "/x", "status": 200, "duration": 300 + n}) for n in range(9)]
    trial = attempt(None, written(tmp_path, *lines))
    assert any("longer than 304 s" in hint for hint in trial.hints)


def test_names_without_a_column_are_listed(tmp_path):
    """They stay searchable."""
    line = json.dumps({"time": "2026-01-31T12:00:00Z", "path": "/x", "status": 200, "trace": "a1", "n": {"m": 1}})
    assert attempt(None, written(tmp_path, line)).ignored == {"trace": 1, "n.m": 1}


def test_both_ends_of_a_large_file_are_looked_at(tmp_path):
    """Whole lines only, and no more than the sample."""
    trial = attempt(None, written(tmp_path, *[call("old")] * 60_000, *[call("new")] * 60_000))
    assert trial.lines == 1000
    assert trial.values["service"] == {"old", "new"}


def test_a_compressed_file_can_be_tried(tmp_path):
    """As rotation leaves them."""
    file = tmp_path / "app.log.1.gz"
    file.write_bytes(gzip.compress(f"{call()}\n".encode()))
    assert attempt(None, file).formats == {"api_call": 1}


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_without_lines_is_refused(tmp_path, content):
    """Missing or empty."""
    file = tmp_path / "app.log"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot be read|is empty"):
        attempt(None, file)


def test_a_spec_can_begin_with_a_log_file_alone(tmp_path):
    """What it proposes is valid, and reads the file with the versions that its lines name."""
    file = written(tmp_path, *(call(f"shop-v{n % 2 + 3}") for n in range(10)))
    spec = parse(propose_from([file]))
    assert (spec.versions.both, list(spec.services)) == (("v3", "v4"), ["shop-v3", "shop-v4"])
    assert attempt(spec, file).versions == {("v3", "service"): 5, ("v4", "service"): 5}
    assert spec.latency is not None


def test_of_a_file_that_names_no_versions_they_are_guessed(tmp_path):
    """It says so."""
    text = propose_from([written(tmp_path, 'INFO:     127.0.0.1:1 - "GET /x HTTP/1.1" 200 OK')])
    assert "guessed: no line names two of them" in text
    assert (
        '# warning: no line tells the versions apart; add to nginx\' log_format: upstream_addr="$upstream_addr"' in text
    )
    assert "# warning: no line says how long its request took, so there is no latency; add" in text
    assert parse(text).logs.sources[0].formats == ["uvicorn"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("shop-v7.log", "shop-v3.log"), ("v7", "v3")), (("old.log", "desk.log"), ("v1", "v2"))],
)
def test_of_two_files_that_name_no_versions_each_is_of_one(tmp_path, names, expected):
    """Of the one in its name, else the old one first."""
    line = '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl" rt=0.012\n'
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_text(line)
    text = propose_from(files)
    spec = parse(text)
    assert tuple(source.version for source in spec.logs.sources) == expected
    assert spec.versions.both == tuple(sorted(expected))
    assert "# warning: guessed: each file is of one version" in text


@pytest.mark.parametrize(
    ("content", "formats", "expected"),
    [
        (None, ["api_call"], "no file matches"),
        ("", ["api_call"], "has no line"),
        (call() + "\n", ["api_call", "uvicorn"], "format uvicorn reads none of 1 lines"),
        ("gibberish\n" * 3 + call() + "\n", ["api_call"], "3 of 4 lines fit none of its formats"),
        (call() + "\n", ["api_call"], None),
    ],
)
def test_a_source_that_reads_nothing_is_told(tmp_path, content, formats, expected):
    """A file that is not there, one without a line, a format that never matches."""
    file = tmp_path / "app.log"
    if content is not None:
        file.write_text(content)
    logs = Logs(sources=[LogSource(name="app", files=str(file), formats=formats)])
    found = [str(each) for each in look_at_sources(SPEC.model_copy(update={"logs": logs}))]
    assert bool(found) == bool(expected)
    assert all(expected in each for each in found)


def test_the_two_servers_that_a_balancer_asked_are_the_services(tmp_path, metrics_free_service):
    """Each try counts for the server that it asked; one that answers at /health is there while it does."""
    dead = f"127.0.0.1:{free()}"
    line = '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl" rt=0.012 upstream_addr="{}"'
    asked = [dead, metrics_free_service, f"{dead}, {metrics_free_service}"]
    text = propose_from([written(tmp_path, *(line.format(each) for each in asked for _ in range(5)))])
    spec = parse(text)
    services = {service.targets[0]: (service.page, service.health) for service in spec.services.values()}
    assert services == {dead: (None, None), metrics_free_service: (None, "/healthz")}, text
    assert spec.errors.signal.all_events.metric == "bascule_log_tries_total"


def asked_of(tmp_path, *addresses):
    """The proposal from the lines of a balancer that asked these."""
    line = {"time_iso8601": "2026-01-31T12:00:00+00:00", "uri": "/x", "method": "GET", "status": 200}
    return propose_from([written(tmp_path, *(json.dumps(line | {"upstream_addr": each}) for each in addresses * 5))])


@pytest.mark.parametrize("odd", ["a\x1bb:80", "127.0.0.1:99999", "user@127.0.0.1:80", "127.0.0.1:0", "x" * 70 + ":٨٠"])
def test_an_address_that_no_spec_can_hold_is_not_proposed_and_not_asked(tmp_path, metrics_free_service, odd):
    text = asked_of(tmp_path, odd, metrics_free_service)
    assert parse(text).services["app-v1"].targets == ["127.0.0.1:8001"]
    assert f"the balancer asked {metrics_free_service}\n" in text


def test_an_address_with_a_quote_is_written_so_that_it_can_be_read(tmp_path, metrics_free_service):
    spec = parse(asked_of(tmp_path, 'a"b:80', metrics_free_service))
    assert {target for service in spec.services.values() for target in service.targets} == {
        'a"b:80',
        metrics_free_service,
    }


def test_an_address_whose_name_no_resolver_takes_tells_nothing(tmp_path, metrics_free_service):
    spec = parse(asked_of(tmp_path, "\uff41:80", metrics_free_service))
    assert {service.health for service in spec.services.values()} == {None, "/healthz"}


def test_a_step_of_a_path_with_thousands_of_digits_is_no_version(tmp_path):
    line = '1.2.3.4 - - [01/Jan/2026:10:00:00 +0000] "GET {} HTTP/1.1" 200 5 "-" "curl" rt=0.012'
    paths = ["/v1/a", f"/v{'2' * 4400}/a"]
    text = propose_from([written(tmp_path, *(line.format(path) for path in paths for _ in range(5)))])
    assert "guessed: no line names two of them" in text
    parse(text)


@pytest.mark.parametrize("services", [["aé-v1", "aé-v2"], ["a" * 200 + "-v1", "a" * 200 + "-v2"]], ids=["é", "long"])
def test_a_service_whose_name_no_spec_can_hold_has_a_guessed_one(tmp_path, services):
    lines = [json.dumps({"ts": 1769860800.1, "path": "/x", "status": 200, "service": each}) for each in services * 5]
    assert set(parse(propose_from([written(tmp_path, *lines)])).services) == {"app-v1", "app-v2"}


@pytest.fixture
def metrics_free_service():
    class Service(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
