"""Real services of each preset, in two versions, at the versions that record.py and record_peers.py pin."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from first_hour import FILES, HOST, Place, plain_services
from line_servers import program

from bascule.processes import programs
from bascule.processes.ports import free

EXPOSITIONS = FILES.parent / "expositions"
KEPT = Path(__file__).parents[2] / ".bascule"
PER_SECOND = 10.0  # requests to each version
PATHS = ("/match/1", "/match/2")
sys.path.insert(0, str(EXPOSITIONS))

import record  # noqa: E402
import record_peers  # noqa: E402


@dataclass(frozen=True)
class Served:
    """`jobs`: what the user's Prometheus scrapes, by job, each with its path. `ports`: where requests go."""

    jobs: Mapping[str, tuple[int, str]]
    ports: Sequence[int]


@dataclass(frozen=True)
class Stack:
    """`has_latency`: whether it measures times. `needs`: a program that nothing here installs."""

    name: str
    runs: Callable[[str, Place], contextlib.AbstractContextManager[Served]]
    has_latency: bool = True
    needs: str = ""

    @property
    def can_run(self) -> bool:
        return not self.needs or shutil.which(self.needs) is not None


def python_of_libraries() -> Path:
    """The interpreter of an environment with the pinned libraries, which is made once."""
    folder = KEPT / "presets-venv"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *record.PACKAGES], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "python"


def node_modules() -> Path:
    folder = KEPT / "presets-node"
    if not (folder / "complete").exists():
        argv = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run([*argv, *record_peers.NODE_PACKAGES], check=True)
        (folder / "complete").touch()
    return folder / "node_modules"


@contextlib.contextmanager
def both(
    name: str, place: Place, argv: Callable[[int], list[str]], env: dict[str, str] | None = None
) -> Iterator[Served]:
    with contextlib.ExitStack() as stack:
        for version, port in place.services.items():
            stack.enter_context(program(argv(port), place.folder(version), port, env))
        jobs = {f"{name}-{version}": (port, "/metrics") for version, port in place.services.items()}
        yield Served(jobs, [place.v1, place.v2])


def python(name: str, place: Place) -> contextlib.AbstractContextManager[Served]:
    interpreter, script = str(python_of_libraries()), str(EXPOSITIONS / "record.py")
    return both(name, place, lambda port: [interpreter, script, "--serve", name.replace("-", "_"), str(port)])


def node(script: str) -> Callable[[str, Place], contextlib.AbstractContextManager[Served]]:
    def runs(name: str, place: Place) -> contextlib.AbstractContextManager[Served]:
        for version in place.services:
            for file in (script, "answer.js"):
                shutil.copy(EXPOSITIONS / "peers" / file, place.folder(version))
            (place.folder(version) / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        return both(name, place, lambda port: ["node", script, str(port)], {"NODE_PATH": str(node_modules())})

    return runs


def proxy(
    config: str, argv: Callable[[str], list[str]], path: str = "/metrics"
) -> Callable[[str, Place], contextlib.AbstractContextManager[Served]]:
    """One that sends each version half of the requests; `argv`: how it starts, with its configuration."""

    @contextlib.contextmanager
    def runs(name: str, place: Place) -> Iterator[Served]:
        written = str(place.configured(config))
        with plain_services(place), program(argv(written), place.root, place.port):
            yield Served({name: (place.admin, path)}, [place.port, place.port])

    return runs


@contextlib.contextmanager
def caddy(name: str, place: Place) -> Iterator[Served]:
    """One before each version: a Caddy does not say which of its upstreams answered."""
    jobs: dict[str, tuple[int, str]] = {}
    ports: list[int] = []
    with plain_services(place), contextlib.ExitStack() as stack:
        for version, upstream in place.services.items():
            port, admin, folder = free(), free(), place.folder(version)
            text = (FILES / "Caddyfile").read_text("utf-8")
            for key, value in (("port", port), ("admin", admin), ("upstream", upstream)):
                text = text.replace(f"@{key}@", str(value))
            (folder / "Caddyfile").write_text(text)
            argv = [beside_python("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
            stack.enter_context(program(argv, folder, port, {"HOME": str(folder)}))
            jobs[f"{name}-{version}"] = (admin, "/metrics")
            ports.append(port)
        yield Served(jobs, ports)


@contextlib.contextmanager
def traefik(name: str, place: Place) -> Iterator[Served]:
    place.configured("traefik-services.yml")
    argv = [beside_python("traefik"), f"--configFile={place.configured('traefik.yml')}"]
    with plain_services(place), program(argv, place.root, place.port):
        yield Served({name: (place.admin, "/metrics")}, [place.port, place.port])


@contextlib.contextmanager
def gunicorn(name: str, place: Place) -> Iterator[Served]:
    """A statsd_exporter for each version, which must be on the PATH."""
    jobs = {}
    with contextlib.ExitStack() as stack:
        for version, port in place.services.items():
            shown, to, folder = free(), free(), place.folder(version)
            stack.enter_context(record_peers.statsd_exporter(folder, shown, to))
            argv = record_peers.gunicorn_argv(port, to)
            stack.enter_context(program(argv, folder, port, {"SHOP": str(folder)}))
            jobs[f"{name}-{version}"] = (shown, "/metrics")
        yield Served(jobs, [place.v1, place.v2])


def beside_python(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def envoy_argv(config: str) -> list[str]:
    return [beside_python("envoy"), "-c", config, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]


def haproxy_argv(config: str) -> list[str]:
    return [str(programs.find("haproxy")), "-db", "-f", config]


STACKS = (
    Stack("fastapi-instrumentator", python),
    Stack("starlette-exporter", python),
    Stack("aioprometheus", python, has_latency=False),
    Stack("litestar", python),
    Stack("flask-exporter", python),
    Stack("django-prometheus", python),
    Stack("opentelemetry-new", python),
    Stack("opentelemetry-old", python),
    Stack("express-prom-bundle", node("bundle.js")),
    Stack("fastify-metrics", node("fastify.js")),
    Stack("prometheus-api-metrics", node("api-metrics.js")),
    Stack("envoy", proxy("envoy.yaml", envoy_argv, "/stats/prometheus")),
    Stack("haproxy", proxy("haproxy.cfg", haproxy_argv), has_latency=False),
    Stack("caddy", caddy),
    Stack("traefik", traefik),
    Stack("gunicorn-statsd", gunicorn, needs="statsd_exporter"),
)


@dataclass
class Users:
    """PER_SECOND requests to each port. `answers`: when each was answered, and with what."""

    ports: Sequence[int]
    answers: list[tuple[float, int]] = field(default_factory=list)

    def ask(self, port: int, ended: threading.Event) -> None:
        number, due = 0, time.monotonic()
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        while not ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + 1 / PER_SECOND, time.monotonic() - 1.0)  # what a busy machine delays is not sent at once
            number += 1
            try:
                connection.request("GET", PATHS[number % len(PATHS)], headers={"User-Agent": "shopper"})
                answer = connection.getresponse()
                answer.read()
                self.answers.append((time.time(), answer.status))
            except (OSError, http.client.HTTPException):
                connection.close()

    def failed_until(self, ended: float) -> tuple[int, int]:
        """Failures and all answers."""
        statuses = [status for at, status in self.answers if at < ended]
        return sum(status >= 500 for status in statuses), len(statuses)


@contextlib.contextmanager
def asking(users: Sequence[Users]) -> Iterator[None]:
    ended = threading.Event()
    threads = [
        threading.Thread(target=each.ask, args=(port, ended), daemon=True) for each in users for port in each.ports
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
