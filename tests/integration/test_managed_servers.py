"""Servers that ask who comes: a real Prometheus behind TLS with client certificates and a password, and what a tenant's
gateway is sent. No secret is ever printed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from line_servers import program
from typer.testing import CliRunner

from bascule.api.servers import alertmanager_of, prometheus_of
from bascule.cli.commands import app
from bascule.errors import QueryRejected, Unreachable, UsageError
from bascule.processes import programs
from bascule.processes.ports import free
from bascule.prometheus import PostedAlert, Prometheus
from bascule.sla import SLAReporter
from bascule.spec import parse, starter_text
from bascule.transport import Credentials

pytestmark = pytest.mark.integration

PASSWORD, HASHED = "pa55-of-the-shop", "$2b$04$abcdefghijklmnopqrstuu4rLAQRvtNveiDEleg.eytVGkHFohQIq"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A Prometheus of its own URL, and the keys of `stack.access` that open it."""
    folder, port = tmp_path_factory.mktemp("guarded"), free()
    for name in ("server", "client"):
        more = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE"]
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        subprocess.run([*argv, *more, *files], check=True, capture_output=True)
    tls = {"cert_file": "server.pem", "key_file": "server.key", "client_ca_file": "client.pem"}
    web = {
        "tls_server_config": tls | {"client_auth_type": "RequireAndVerifyClientCert"},
        "basic_auth_users": {"shop": HASHED},
    }
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1s}\n")
    (folder / "password").write_text(f"{PASSWORD}\n")
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.config.file=web.yml"]
    argv = [str(programs.find("prometheus")), *flags, f"--web.listen-address=127.0.0.1:{port}"]
    keys = {"username": "shop", "password_file": "password", "ca": "server.pem"}
    keys |= {"certificate": "client.pem", "key": "client.key"}
    access = {name: value if name == "username" else str(folder / value) for name, value in keys.items()}
    with program(argv, folder, port):
        yield {"url": f"https://127.0.0.1:{port}", "access": access}


def written(folder: Path, url: str, access: dict[str, Any]) -> Path:
    stack = {"external": {"prometheus": url}, "access": {"prometheus": access}}
    (folder / "shop.yaml").write_text(yaml.safe_dump(yaml.safe_load(starter_text()) | {"stack": stack}))
    return folder / "shop.yaml"


def test_init_check_and_doctor_enter_a_guarded_prometheus_and_print_no_secret(
    guarded: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "access.yaml").write_text(yaml.safe_dump(guarded["access"]))
    proposed, declared = tmp_path / "proposed.yaml", written(tmp_path, guarded["url"], guarded["access"])
    init = ["init", str(proposed), "--from-prometheus", guarded["url"], "--access", str(tmp_path / "access.yaml")]
    commands = [init, ["check", str(declared), "--prometheus", guarded["url"]], ["doctor", str(declared)]]
    output = [CliRunner().invoke(app, argv).output for argv in (*commands, ["gate", str(declared)])]
    assert parse(proposed.read_text()).stack.credentials("prometheus").username == "shop"
    assert "no scrape job 'shop-v1'" in output[1]
    assert "credentials" not in "".join(output)
    assert PASSWORD not in "".join([*output, proposed.read_text()])


@pytest.mark.parametrize("lacks", ["password_file", "certificate"])
def test_a_guarded_prometheus_says_what_it_lacks_and_what_to_do(
    lacks: str, guarded: dict[str, Any], tmp_path: Path
) -> None:
    access = {name: value for name, value in guarded["access"].items() if not name.startswith(lacks[:8])}
    access.pop("key" if lacks == "certificate" else "username")
    (tmp_path / "access.yaml").write_text(yaml.safe_dump(access))
    declared = written(tmp_path, guarded["url"], access)
    init = ["init", str(tmp_path / "x.yaml"), "--from-prometheus", guarded["url"]]
    for argv in (
        [*init, "--access", str(tmp_path / "access.yaml")],
        ["check", str(declared), "--prometheus", guarded["url"]],
        ["doctor", str(declared)],
    ):
        done = CliRunner().invoke(app, argv)
        said = done.output + str(done.exception)
        assert done.exit_code != 0
        assert ("stack.access.prometheus" in said) == (lacks == "password_file"), said
        assert "does not answer" in said or "credentials" in said, said


@pytest.fixture
def gateway(tmp_path: Path) -> tuple[dict[str, Any], list[httpx.Headers], httpx.MockTransport]:
    """What a tenant's gateway asks for, and the headers of every request that it got."""
    (tmp_path / "token").write_text("t0ken-of-the-shop\n")
    (tmp_path / "tenant").write_text("shop-eu\n")
    got: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request.headers)
        if request.url.path.endswith("alerts"):
            return httpx.Response(200, json=[])
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}})

    access = {"token_file": str(tmp_path / "token"), "header_files": {"X-Scope-OrgID": str(tmp_path / "tenant")}}
    return access, got, httpx.MockTransport(answer)


def test_token_and_tenant_go_with_every_request_to_either_server(gateway: Any, tmp_path: Path) -> None:
    """And a token that is renewed in its file is the next request's."""
    access, got, transport = gateway
    text = starter_text() + yaml.safe_dump({"stack": {"access": {"prometheus": access, "alertmanager": access}}})
    spec = parse(text)
    prometheus = prometheus_of(spec, transport=transport)
    assert prometheus.scalar("1") == 2.0
    alertmanager_of(spec, transport=transport).members[0].post([PostedAlert({}, {}, NOW, NOW, "")])
    (tmp_path / "token").write_text("renewed")
    prometheus.scalar("1")
    sent = [(headers["Authorization"], headers["X-Scope-OrgID"]) for headers in got]
    first = ("Bearer t0ken-of-the-shop", "shop-eu")
    assert sent == [first, first, ("Bearer renewed", "shop-eu")]


def test_the_reporter_takes_the_specs_credentials_or_its_own(gateway: Any, guarded: dict[str, Any]) -> None:
    files = {name: value if name == "username" else Path(value) for name, value in guarded["access"].items()}
    assert SLAReporter(guarded["url"], credentials=Credentials(**files)).prometheus.scalar("1") == 1.0
    with pytest.raises((Unreachable, QueryRejected)):
        SLAReporter(guarded["url"]).prometheus.scalar("1")


def test_a_secret_that_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes("gehéim\n".encode())
    for file in (tmp_path / "token", tmp_path / "missing"):
        with pytest.raises(UsageError) as told:
            Prometheus("http://127.0.0.1:1", credentials=Credentials(token_file=file)).scalar("1")
        assert str(file) in str(told.value)
        assert "gehéim" not in str(told.value)


def test_the_generated_configuration_enters_an_alertmanager_by_the_same_files(gateway: Any) -> None:
    from bascule.generate import generate

    access, _, _ = gateway
    stack = {"external": {"alertmanager": "https://am.example"}, "access": {"alertmanager": access}}
    config = yaml.safe_load(
        generate(parse(starter_text() + yaml.safe_dump({"stack": stack})))["prometheus/prometheus.yml"]
    )
    (target,) = config["alerting"]["alertmanagers"]
    assert target["authorization"] == {"credentials_file": access["token_file"]}
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "alertmanager"]
    assert job["authorization"] == {"credentials_file": access["token_file"]}
