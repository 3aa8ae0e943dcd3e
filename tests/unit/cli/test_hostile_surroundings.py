"""Whatever stands where a file, a server or a reader should be, a command says so and exits as documented."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from bascule import judge, private
from bascule.cli import output
from bascule.cli.judging import comparison
from bascule.spec import built_in_text, load


@pytest.fixture
def run(bascule):
    """The exit code and what was said, of a command as its user types it."""

    def call(*arguments: str) -> tuple[int, str]:
        done = bascule(*arguments)
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture
def spec_asking(tmp_path):
    """Makes a copy of the built-in spec whose parts are at ports of the test's own; returns its path."""

    def make(**ports: int) -> str:
        path = tmp_path / "spec.yaml"
        stack = {"ports": ports, "state": str(tmp_path / "state")}
        path.write_text(f"{built_in_text()}\nstack: {json.dumps(stack)}\n")
        return str(path)

    return make


@pytest.fixture
def answering():
    """Makes a server that gives one answer to everything; returns its port."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def make(status: int, body: bytes) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("path", ["nowhere/starter.yaml", "file/starter.yaml"])
def test_a_starter_that_cannot_be_written_is_told(run, tmp_path, path):
    (tmp_path / "file").touch()
    code, said = run("init", str(tmp_path / path))
    assert (code, "cannot be written" in said, "Traceback" in said) == (2, True, False), said


def test_a_wait_that_is_no_time_is_a_usage_error_and_not_a_roll_back(run):
    code, said = run("gate", "supersmartmatch", "--wait", "soon")
    assert (code, "10m or 24h" in said) == (2, True), said


@pytest.mark.parametrize("url", ["foo", "http://[::1", "ftp://x", "", "http://", "http://a b/", "http://h:99999"])
@pytest.mark.parametrize("command", [["gate"], ["compare"], ["backtest"], ["sla", "report"]])
def test_what_is_no_url_is_a_usage_error(run, command, url):
    code, said = run(*command, "supersmartmatch", "--prometheus", url)
    assert (code, "write it like http://127.0.0.1:9090" in said) == (2, True), said


@pytest.mark.parametrize(
    "arguments", [["init", "{}/new.yaml", "--from-prometheus"], ["generate", "supersmartmatch", "--verify"]]
)
def test_a_proposal_and_a_verification_want_a_url_too(run, tmp_path, arguments):
    code, said = run(*(each.format(tmp_path) for each in arguments), "foo")
    assert (code, "write it like http://127.0.0.1:9090" in said) == (2, True), said


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("command", [["gate"], ["compare"], ["backtest"], ["sla", "report"]])
def test_a_page_instead_of_prometheus_is_no_data_and_never_exits_1(run, answering, spec_asking, command, status):
    page = answering(status, b"<html>please log in</html>")
    code, said = run(*command, spec_asking(judge=page), "--prometheus", f"http://127.0.0.1:{page}")
    assert (code, "check that this is the address of a Prometheus" in said) == (4, True), said


@pytest.mark.parametrize("named", [{"migration": "another"}, {}])
def test_the_verdict_on_another_migration_is_no_verdict_on_this_one(run, answering, spec_asking, named):
    port = answering(200, json.dumps({"verdict": "promote", **named}).encode())
    code, said = run("gate", spec_asking(judge=port))
    assert (code, f"The judge at http://127.0.0.1:{port} judges" in said) == (4, True), said


def test_a_defect_is_shown_whole_and_does_not_exit_1(run, monkeypatch):
    def broken(*_, **__):
        raise KeyError("unforeseen")

    monkeypatch.setattr(judge, "gate", broken)
    code, said = run("gate", "supersmartmatch")
    assert (code, "KeyError" in said, "internal error" in said) == (70, True, True), said


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (500, b"oops"), (200, b"\xff\xfe\x00"), (200, b'"text"'), (302, b"")]
)
@pytest.mark.parametrize("command", [["incidents", "list"], ["phase", "show"]])
@pytest.mark.parametrize("token", ["", "of-the-operator-" * 3])
def test_another_server_on_the_incidents_port_is_told(
    run, answering, spec_asking, tmp_path, command, status, body, token
):
    if token:
        private.create(tmp_path / "state/secrets/token", token)
    code, said = run(*command, spec_asking(incidents=answering(status, body)))
    assert (code, "not the incidents role" in said) == (4, True), said


def test_the_version_is_told(run):
    assert run("--version") == (0, "bascule 0.1.0\n")


def test_names_of_metrics_hold_no_emoji(run, capfd):
    output.say("shop:x:rate5m at :100: %")
    assert capfd.readouterr().out == "shop:x:rate5m at :100: %\n"


def test_a_reader_who_goes_changes_no_exit_code():
    done = subprocess.run(
        ["bash", "-c", '"$0" -m bascule schema | true; echo "${PIPESTATUS[0]}"', sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_ctrl_c_while_the_program_still_loads_ends_it_without_a_traceback(eventually):
    process = subprocess.Popen(
        [sys.executable, "-m", "bascule", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    maps = Path(f"/proc/{process.pid}/maps")
    eventually(lambda: "pydantic_core" in maps.read_text(), 30, pause=0.001)
    os.kill(process.pid, signal.SIGINT)
    assert (process.wait(30), process.stderr.read()) == (-signal.SIGINT, "")


def test_a_comparison_without_data_shows_no_figures_and_fits_a_narrow_terminal(capsys):
    row = dict.fromkeys(("baseline", "candidate", "effect", "effect_low", "effect_high", "evidence", "threshold"))
    rows = [{**row, "signal": name, "segment": "api_partners", "state": "no_data"} for name in ("errors", "latency")]
    answer = {"verdict": "no_data", "reasons": ["No series of v2 has been seen."], "signals": rows}
    Console(width=80).print(comparison(load("supersmartmatch"), answer))
    told = capsys.readouterr().out
    assert "NO DATA" in told
    assert "api_partners" in told
    assert "…" not in told
    assert "to -" not in told


def test_a_comparison_shows_every_figure_with_its_unit(capsys):
    figures = {"baseline": 0.0123456, "candidate": 0.12, "effect": 0.1076544, "effect_low": 0.09, "effect_high": 0.13}
    row = {**figures, "evidence": 9.12, "threshold": 7.0, "signal": "errors", "segment": "all", "state": "bad"}
    answer = {"verdict": "roll_back", "reasons": [], "signals": [{**row, "unit": "ratio"}]}
    Console(width=160).print(comparison(load("supersmartmatch"), answer))
    told = " ".join(capsys.readouterr().out.split())
    assert "1.23 % 12 % +10.8 pt (+9 pt to +13 pt) 9.1 (7.0) bad" in told


def test_a_comparison_beyond_the_buckets_shows_their_last_bound(capsys):
    figures = {"baseline": 0.04, "candidate": None, "effect": None, "effect_low": 0.004, "effect_high": None}
    row = {**figures, "evidence": 9.12, "threshold": 7.0, "signal": "latency", "segment": "all", "state": "bad"}
    answer = {"verdict": "roll_back", "reasons": [], "signals": [{**row, "unit": "seconds", "candidate_over": 0.05}]}
    Console(width=160).print(comparison(load("supersmartmatch"), answer))
    told = " ".join(capsys.readouterr().out.split())
    assert "40 ms over 50 ms - (at least +4 ms) 9.1 (7.0) bad" in told


def test_a_report_from_a_prometheus_that_hangs_ends_soon_and_names_what_is_missing(run, monkeypatch):
    """It takes connections and never answers, as a stopped process does."""
    monkeypatch.setattr("bascule.cli.reporting.ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        code, told = run(
            "sla", "report", "supersmartmatch", "--prometheus", f"http://127.0.0.1:{hung.getsockname()[1]}"
        )
    assert code == 4
    assert told.startswith("no data for availability, response_time, accuracy, error_rate")
