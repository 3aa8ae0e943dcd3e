"""Listeners that other machines can reach: encrypted, bounded as the others, and never those of the programs."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from api_caller import with_state
from prometheus_client import CollectorRegistry

from bascule.api import IncidentsClient, Tokens
from bascule.api.limits import Limits
from bascule.api.server import application
from bascule.api.serving import Beyond, serve_until
from bascule.errors import BasculeError, UsageError
from bascule.generate.alerting.alertmanager_config import alertmanager_config
from bascule.generate.deploy.compose import compose_files
from bascule.generate.prometheus.prometheus_config import scrape_configs
from bascule.processes import programs
from bascule.spec import Spec, built_in_text, load, parse
from bascule.spec.listening import RoleTls, Tls
from bascule.stack.plan import plan

LIMITS = Limits(head=0.5, body=5, stall=5, idle=30, connections=20)
INSIDE, OUTSIDE = "127.0.0.2", "127.0.0.1"  # both are loopback, which no test listens beyond
AWAY = "10.11.12.13"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificates with their keys, each signed by itself."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("server", "client", "stranger"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def served(
    tmp_path: Path, free_port: Callable[[], int], pem: dict[str, Path], eventually: Callable[..., Any]
) -> Iterator[Callable[..., int]]:
    """Serves the incidents role's application inside and, encrypted, outside; returns the port of both."""
    with ExitStack() as kept:

        def start(client_ca: Path | None = None) -> int:
            spec, port, stop = with_state(load("supersmartmatch"), tmp_path), free_port(), threading.Event()
            Tokens(tmp_path).ensure()
            app = application(spec, "incidents", CollectorRegistry(), limits=LIMITS)

            @app.get("/api/phase")
            def phase() -> dict[str, Any]:
                return {"number": 1, "share": 0.1, "started": 0.0, "who": "w", "why": "y"}

            tls = Tls(certificate=pem["server.pem"], key=pem["server.key"], client_ca=client_ca)
            beyond = Beyond(OUTSIDE, tls.context("the test"))
            thread = threading.Thread(target=serve_until, args=(stop, app, INSIDE, port, beyond))
            thread.start()
            kept.callback(thread.join, 15)
            kept.callback(stop.set)
            eventually(lambda: healthy(f"http://{INSIDE}:{port}"))
            return port

        yield start


def healthy(url: str, **how: Any) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False, headers={"Host": "localhost"}, **how).is_success
    except httpx.TransportError:
        return False


def trusting(pem: dict[str, Path], shown: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pem["server.pem"])
    if shown:
        context.load_cert_chain(pem[f"{shown}.pem"], pem[f"{shown}.key"])
    return context


def refused(port: int, status: int) -> float:
    name = f'bascule_http_requests_refused_total{{status="{status}"}} '
    told = httpx.get(f"http://{INSIDE}:{port}/metrics", headers={"Host": "localhost"}, trust_env=False).text
    return next((float(line.removeprefix(name)) for line in told.splitlines() if line.startswith(name)), 0.0)


def test_inside_is_plain_and_outside_is_encrypted(served: Callable[..., int], pem: dict[str, Path]) -> None:
    port = served()
    assert healthy(f"https://localhost:{port}", verify=trusting(pem))
    assert not healthy(f"https://localhost:{port}")  # nobody vouches for this certificate
    assert not healthy(f"http://{OUTSIDE}:{port}")  # no plain word is answered
    assert refused(port, 400) > 0
    assert healthy(f"http://{INSIDE}:{port}")


def test_who_shows_no_certificate_or_a_strangers_is_turned_away(
    served: Callable[..., int], pem: dict[str, Path]
) -> None:
    port = served(client_ca=pem["client.pem"])
    url = f"https://localhost:{port}"
    assert healthy(url, verify=trusting(pem, "client"))
    assert not healthy(url, verify=trusting(pem))
    assert not healthy(url, verify=trusting(pem, "stranger"))


def test_connections_that_never_greet_silence_nobody_and_are_ended(
    served: Callable[..., int], pem: dict[str, Path], eventually: Callable[..., Any]
) -> None:
    """Ten times as many as may be open; what has not begun to encrypt counts as any other connection."""
    port = served()
    with ExitStack() as held:
        opened = [held.enter_context(socket.create_connection((OUTSIDE, port), timeout=10)) for _ in range(200)]
        begun = time.monotonic()
        assert healthy(f"http://{INSIDE}:{port}")
        assert healthy(f"https://localhost:{port}", verify=trusting(pem))
        assert time.monotonic() - begun < 2
        assert refused(port, 503) >= 100
        for each in opened:
            eventually(lambda each=each: ended(each))
    assert healthy(f"https://localhost:{port}", verify=trusting(pem))


def ended(connection: socket.socket) -> bool:
    """Whether the server has closed it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_command_on_another_machine_asks_outside_with_its_certificate(
    served: Callable[..., int], pem: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token is in a file of its own: that is how it is known to be elsewhere."""
    port = served(client_ca=pem["client.pem"])
    access = {"ca": pem["server.pem"], "certificate": pem["client.pem"], "key": pem["client.key"]}
    elsewhere = beyond(tls={"certificate": "c", "key": "k", "host": "localhost"}, ports={"incidents": port},
                       access={"roles": {name: str(path) for name, path in access.items()}})  # fmt: skip
    monkeypatch.setenv("BASCULE_TOKEN_FILE", str(tmp_path / "secrets/token"))
    client = IncidentsClient(elsewhere, seconds=10)
    assert client.url == f"https://localhost:{port}"
    assert client.phase().number == 1
    client.close()


def beyond(**stack: Any) -> Spec:
    """The built-in spec, reachable from other machines."""
    return parse(built_in_text() + "\n" + yaml.safe_dump({"stack": {"listen": AWAY, **stack}}))


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        ("{listen: 10.1.2.3}", "nothing encrypts"),
        ("{listen: 0.0.0.0}", "nothing encrypts"),
        ("{listen: '::'}", "nothing encrypts"),
        ("{listen: 10.1.2.3, tls: {certificate: c}}", "key"),
    ],
)
def test_check_refuses_a_listener_that_other_machines_reach_and_nothing_encrypts(stack: str, words: str) -> None:
    with pytest.raises(BasculeError) as told:
        parse(f"{built_in_text()}\nstack: {stack}\n")
    assert words in str(told.value)


@pytest.mark.parametrize(
    "stack", ["{listen: 127.0.0.9}", "{listen: '::1'}", "{listen: 10.1.2.3, tls: elsewhere}", "{listen: localhost}"]
)
def test_check_takes_a_listener_on_loopback_or_behind_something_that_encrypts(stack: str) -> None:
    parse(f"{built_in_text()}\nstack: {stack}\n")


@pytest.mark.parametrize(
    ("source", "is_taken"),
    [
        ("{beats: '0.0.0.0:5044'}", False),
        ("{beats: ':5044'}", False),
        ("{beats: 'logs.example:5044'}", False),
        ("{beats: '10.1.2.3:5044', tls: {certificate: c, key: k}}", False),
        ("{beats: '10.1.2.3:5044', tls: {certificate: c, key: k, client_ca: a}}", True),
        ("{beats: '10.1.2.3:5044', tls: elsewhere}", True),
        ("{beats: '[::1]:5044'}", True),
    ],
)
def test_beats_from_other_machines_need_a_certificate_of_the_sender(source: str, is_taken: bool) -> None:
    text = built_in_text().partition("\nlogs:")[0] + f"\nlogs:\n  sources: [{source}]\n"
    if is_taken:
        parse(text)
        return
    with pytest.raises(BasculeError) as told:
        parse(text)
    assert "asks no one for a certificate" in str(told.value)


def test_the_programs_that_ask_for_no_token_stay_on_loopback(
    monkeypatch: pytest.MonkeyPatch, pem: dict[str, Path]
) -> None:
    monkeypatch.setattr(programs, "find", lambda name: Path("/usr/bin") / name)
    spec = beyond(tls={"certificate": "c", "key": "k"})
    started = [program for stage in plan(spec, "spec.yaml") for program in stage]
    flags = [flag for program in started for flag in program.argv if "listen-address" in flag]
    assert len(flags) >= 6
    assert [flag for flag in flags if AWAY in flag or "0.0.0.0" in flag] == []
    assert AWAY not in compose_files(spec)["compose.yaml"]
    assert spec.stack.listens("console") == ("127.0.0.1", AWAY)
    assert spec.stack.page("console") == f"https://{AWAY}:8460"


def test_programs_that_run_elsewhere_reach_the_roles_over_tls() -> None:
    """Those that are started here stay on loopback."""
    tls = {"certificate": "c", "key": "k", "host": "bascule.example"}
    access = {"roles": {"ca": "/ca", "certificate": "/c", "key": "/k"}}
    external = {"prometheus": "https://p.example", "alertmanager": "https://a.example"}
    away, here = beyond(tls=tls, access=access, external=external), beyond(tls=tls, access=access)
    shown = {"ca_file": "/ca", "cert_file": "/c", "key_file": "/k"}
    (judge,) = [job for job in scrape_configs(away) if job["job_name"] == "bascule-judge"]
    assert (judge["scheme"], judge["tls_config"]) == ("https", shown)
    assert judge["static_configs"] == [{"targets": ["bascule.example:9461"]}]
    (webhook,) = alertmanager_config(away)["receivers"][0]["webhook_configs"]
    assert webhook["url"] == "https://bascule.example:9463/api/webhook"
    assert webhook["http_config"]["tls_config"] == shown
    (judge,) = [job for job in scrape_configs(here) if job["job_name"] == "bascule-judge"]
    assert judge == {"job_name": "bascule-judge", "static_configs": [{"targets": ["127.0.0.1:9461"]}]}
    (webhook,) = alertmanager_config(here)["receivers"][0]["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:9463/api/webhook"
    assert "tls_config" not in webhook["http_config"]


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    tls = RoleTls(certificate=tmp_path / "none.pem", key=tmp_path / "none.key")
    with pytest.raises(UsageError, match=r"none\.pem"):
        tls.context("the console role")
