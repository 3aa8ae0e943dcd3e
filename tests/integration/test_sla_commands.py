"""`bascule sla` on a real Prometheus: what cannot be answered is named, the report comes, the exit code says so."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.integration
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{label: version, baseline: old, candidate: new}}
services: {{shop: {{targets: ["127.0.0.1:8001"]}}}}
signals:
  errors: {{kind: ratio, bad: 'requests_total{{status="500"}}', total: requests_total, better: lower}}
  clicks: {{kind: ratio, good: 'clicks_total{{kind="yes"}}', total: clicks_total, better: higher}}
phases: [{{share: 50%, hold: 1h}}]
stack: {{state: {state}, external: {{prometheus: "{prometheus}"}}, ports: {{incidents: {port}}}}}
thresholds: {{min_requests: 10}}
notify:
  receivers:
    good: {{webhook: {{url: "{people}"}}}}
    wrong: {{slack: {{url_file: {secret}}}}}
"""
SLAS = (
    'slas: {availability: {objective: 99%, window: 1h}, error_rate: {objective: "< 10%", window: 1h, signal: errors}}\n'
)


def history() -> str:
    """Ten minutes of a healthy service, up to now."""
    now = int(time.time())
    beats = [(now - 600 + 10 * k, k) for k in range(61)]
    labels = 'job="shop",instance="a",version="old"'
    yes, no = (f'requests_total{{{labels},status="{code}"}}' for code in (200, 500))
    lines = ["# TYPE up gauge", *(f'up{{job="shop",instance="a"}} 1 {at}' for at, _ in beats)]
    lines += ["# TYPE requests unknown", "# TYPE requests_total unknown"]
    lines += [*(f"{yes} {100 * k} {at}" for at, k in beats), *(f"{no} 1 {at}" for at, _ in beats), "# EOF", ""]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def server(module_programs):
    return module_programs.start_prometheus(openmetrics=history())


@pytest.fixture
def people():
    """A webhook that takes everything, and under /wrong refuses who asks."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(403 if self.path == "/wrong" else 200)
            self.end_headers()
            self.wfile.write(b"invalid_token" if self.path == "/wrong" else b"")

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}", told
    http.shutdown()
    http.server_close()


@pytest.fixture
def write_spec(tmp_path, people, server, free_port):
    """Writes the spec with an ending of its own."""
    secret = tmp_path / "secret"
    secret.write_text(people[0] + "/wrong")

    def write(ending: str):
        path = tmp_path / "shop.yaml"
        known = {"state": tmp_path / "state", "prometheus": server.url, "people": people[0] + "/", "secret": secret,
                 "port": free_port()}  # fmt: skip
        path.write_text(SPEC.format(**known) + ending)
        return path

    return write


@pytest.fixture
def sla(bascule):
    """A command about SLAs."""

    def call(*arguments):
        done = bascule("sla", *arguments)
        assert "Traceback" not in done.stderr
        return done

    return call


RECENT = ("--from", "now-5m", "--format", "json", "--out", "-")


def test_a_spec_that_promises_nothing_is_told_and_still_compares(sla, write_spec):
    done = sla("report", write_spec(""), *RECENT)
    assert (done.returncode, "no SLA is declared" in done.stderr) == (4, True)
    report = json.loads(done.stdout)
    assert (report["outcome"], report["objectives"]) == ("NO DATA", [])
    assert report["notes"][0]["key"] == "no_sla"
    assert (
        "No SLA is declared" in sla("report", write_spec(""), "--from", "now-5m", "--format", "md", "--out", "-").stdout
    )


def test_a_report_without_a_file_gets_one_that_is_named(sla, write_spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = sla("report", write_spec(SLAS), "--from", "2020-01-01", "--to", "2020-01-02", "--format", "md")
    (written,) = tmp_path.glob("sla-*-2020-01-01-2020-01-02.md")
    assert done.stdout.splitlines() == [f"wrote {written.name}", "NO DATA: no series"]


def test_an_objective_that_is_not_declared_is_named_beside_the_others(sla, write_spec):
    done = sla("report", write_spec(SLAS), *RECENT, "--objective", "error_rate", "--objective", "speed")
    assert done.returncode == 4
    assert "'speed' is not an objective of the spec\n  declared are: availability, error_rate" in done.stderr
    report = json.loads(done.stdout)
    assert [(o["name"], o["outcome"]) for o in report["objectives"]] == [("error_rate", "PASS")]
    assert report["missing"] == ["speed"]


def test_an_objective_without_data_is_named_beside_the_others(sla, write_spec):
    slas = SLAS.replace("slas: {", 'slas: {clicked: {objective: "50%", window: 1h, signal: clicks}, ')
    done = sla("report", write_spec(slas), *RECENT)
    assert (done.returncode, "clicked: no data" in done.stderr) == (4, True)
    outcomes = {o["name"]: o["outcome"] for o in json.loads(done.stdout)["objectives"]}
    assert outcomes == {"clicked": "NO DATA", "availability": "PASS", "error_rate": "PASS"}


def test_a_window_without_data_still_gives_a_report(sla, write_spec, tmp_path):
    for form in ("pdf", "csv"):
        out = tmp_path / form
        done = sla("report", write_spec(SLAS), "--from", "2020-01-01", "--to", "2020-01-02", "--format", form,
                   "--out", out)  # fmt: skip
        assert done.returncode == 4
        assert "availability: no data" in done.stderr
        assert out.stat().st_size > 100


def test_a_receiver_with_a_wrong_secret_is_named_and_the_others_get_their_report(sla, write_spec, people, tmp_path):
    spec = write_spec(SLAS)
    done = sla("report", spec, "--from", "now-5m", "--format", "html", "--out", tmp_path / "r.html",
               "--send", "wrong", "--send", "good")  # fmt: skip
    assert done.returncode == 4
    assert "wrong: failed (Slack answered 403: invalid_token)" in done.stderr
    assert "good: delivered" in done.stderr
    assert "the report did not reach wrong" in done.stderr
    assert (tmp_path / "r.html").exists()
    assert [path for path, _ in people[1]].count("/wrong") == 1  # a retry cannot make a secret right
    (entry,) = json.loads(sla("list", spec, "--json").stdout)
    again = sla("resend", entry["id"], "--to", "good", "--spec", spec)
    assert (again.returncode, "good: delivered" in again.stderr) == (0, True)
    assert [path for path, _ in people[1]].count("/") == 2


def test_a_frozen_baseline_and_a_changed_promise_are_in_the_next_report(sla, write_spec, tmp_path):
    spec = write_spec(SLAS)
    frozen = sla("freeze", spec, "--from", "now-5m")
    assert (frozen.returncode, "old is frozen" in frozen.stdout) == (0, True)
    sla("report", spec, *RECENT)
    changed = write_spec(SLAS.replace("99%", "98%"))
    (change,) = json.loads(sla("report", changed, *RECENT).stdout)["changes"]
    assert (change["objective"], change["before"], change["after"]) == ("availability", "99%", "98%")
