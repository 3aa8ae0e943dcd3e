"""Certificates as servers really have them: what a failing probe says, and that an expiry ends no alert of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bascule.generate import generate
from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program
from bascule.spec import parse

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
DAY = timedelta(days=1)
SOON = timedelta(seconds=20)
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop: {{targets: ["127.0.0.1:1"]}}}}
signals:
  errors: {{kind: ratio, bad: 'hits_total{{code=~"5.."}}', total: hits_total, better: lower}}
phases: [{{share: 10%, hold: 1h}}]
stack: {{ports: {{blackbox_exporter: {exporter}}}}}
probes:
"""
Key = ec.EllipticCurvePrivateKey
Signed = tuple[x509.Certificate, Key]


def signed(name: str, ends: timedelta, by: Signed | None = None, host: str = "localhost") -> Signed:
    """A certificate for `host` that ends so long from now, signed by `by` or by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder(by[0].subject if by else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


def written(one: Signed, path: Path) -> Path:
    certificate, key = one
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Page(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A client that refuses the certificate is no error of the server."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Broken(Page):
    status = 503


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    servers: list[Server] = []

    def start(certificate: Path, page: type[Page] = Page) -> int:
        server = Server((HOST, 0), page)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server((HOST, 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def exporter(supervisor, tmp_path) -> Iterator[Callable[[str, int], None]]:
    program = "prometheus-blackbox-exporter"
    started: list[str] = []

    def start(config: str, port: int) -> None:
        (tmp_path / "blackbox.yml").write_text(config)
        argv = [
            str(programs.find(program)),
            f"--config.file={tmp_path / 'blackbox.yml'}",
            f"--web.listen-address={HOST}:{port}",
        ]
        ready = answers(f"http://{HOST}:{port}/-/healthy")
        supervisor.start(Program(f"blackbox-{port}", argv, log=tmp_path / "log", ready=ready, ready_timeout=30))
        started.append(f"blackbox-{port}")

    yield start
    for name in started:
        supervisor.stop(name)


def test_a_failing_probe_says_why_and_an_expired_certificate_keeps_its_alert(
    serve, silent, exporter, start_prometheus, tmp_path, eventually
) -> None:
    """Expired, not trusted, for another name, answering with an error, silent, refused: each is told apart."""
    authority = signed("authority", 100 * DAY)
    ca_file = written(authority, tmp_path / "authority.pem")

    def server(name: str, page: type[Page] = Page, **more: Any) -> int:
        certificate = signed(name, **{"ends": 90 * DAY, "by": authority, **more})
        return serve(written(certificate, tmp_path / f"{name}.pem"), page)

    ports = {
        "well": server("well"),
        "broken": server("broken", Broken),
        "other": server("other", host="other.example.com"),
        "own": server("own", by=None),
        "old": server("old", ends=-DAY),
        "silent": silent,
        "refused": free(),
        "soon": server("soon", ends=SOON),
    }
    exporter_port = free()
    probes = (
        f"  {name}: {{kind: https, url: 'https://localhost:{port}/', ca_file: {ca_file}}}\n"
        for name, port in ports.items()
    )
    files = generate(parse(SPEC.format(exporter=exporter_port) + "".join(probes)))
    exporter(files["blackbox/blackbox.yml"], exporter_port)
    config = yaml.safe_load(files["prometheus/prometheus.yml"])
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job.get("metrics_path") == "/probe"]
    del config["alerting"]
    config["rule_files"] = ["*.rules"]
    rules = {f"{name}.rules": files[f"prometheus/rules/{name}.yml"] for name in ("services", "infrastructure")}
    prometheus = start_prometheus(rules=rules, config=yaml.safe_dump(config)).client

    def reasons() -> dict[str, str]:
        found = prometheus.instant("probe:failure:reason")
        return {one.labels["job"].removeprefix("probe-"): one.labels["reason"] for one in found}

    def since(job: str) -> float | None:
        found = prometheus.instant(
            f'ALERTS_FOR_STATE{{alertname="CertificateExpires",job="{job}",severity="critical"}}'
        )
        return float(found[0].value) if found else None

    before = eventually(lambda: since("probe-soon"), 30)
    assert "soon" not in reasons()
    expected = {
        "broken": "it answers 503",
        "other": "its certificate is for another name",
        "own": "its certificate is not trusted",
        "old": "its certificate has expired",
        "silent": "time-out",
        "refused": "no connection",
        "soon": "its certificate has expired",
    }

    def told() -> bool:
        assert reasons() == expected
        return True

    eventually(told, 60)
    assert since("probe-soon") == before
    assert since("probe-old") is not None
    assert since("probe-well") is None
