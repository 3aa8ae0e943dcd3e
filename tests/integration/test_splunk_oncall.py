"""Splunk On-Call: what its REST endpoint gets from the journal, and what Alertmanager makes of its configuration."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bascule.delivery import Message, Result, deliver_now
from bascule.generate import generate
from bascule.processes import programs
from bascule.spec import parse
from bascule.spec.receivers import Receiver, kinds

pytestmark = pytest.mark.integration

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop: {{targets: ["127.0.0.1:8001"]}}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 10%, hold: 1h}}]
notify: {{receivers: {{people: {{splunk_oncall: {{api_key_file: {key}, routing_key: "team a"}}}}}}}}
"""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A server's address, and what it got: (path, body)."""
    got: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/alert", got
        server.shutdown()


@pytest.mark.parametrize(
    ("message", "message_type"),
    [
        (Message("a:0", "V2 is worse", "12 % errors", severity="critical", thread="a"), "CRITICAL"),
        (Message("a:1", "V2 is slow", "", severity="warning", thread="a"), "WARNING"),
        (Message("a:2", "Taken by Kim", "", severity="critical", thread="a", acknowledged=True), "ACKNOWLEDGEMENT"),
        (Message("a:3", "V2 is well again", "", severity="critical", thread="a", resolved=True), "RECOVERY"),
    ],
)
def test_notices_of_one_situation_open_take_and_end_one_incident(message, message_type, endpoint, tmp_path: Path):
    url, got = endpoint
    (tmp_path / "key").write_text("secret/key\n", "utf-8")
    channel = kinds()["splunk_oncall"](api_key_file=tmp_path / "key", routing_key="team a", url=url)
    (delivery,) = deliver_now("people", Receiver(splunk_oncall=channel), message)
    assert delivery.result is Result.DELIVERED
    (path, body), *_ = got
    assert path == "/alert/secret%2Fkey/team%20a"
    assert (body["message_type"], body["entity_id"], body["entity_display_name"]) == (
        message_type,
        "a",
        message.subject,
    )


def test_alertmanager_reaches_it_too(tmp_path: Path):
    files = generate(parse(SPEC.format(key=tmp_path / "key")))
    (tmp_path / "alertmanager.yml").write_text(files["alertmanager/alertmanager.yml"], "utf-8")
    amtool = [programs.find("amtool"), "check-config", tmp_path / "alertmanager.yml"]
    done = subprocess.run(amtool, capture_output=True, text=True, env=programs.environment("amtool"), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "victorops_configs" in files["alertmanager/alertmanager.yml"]
