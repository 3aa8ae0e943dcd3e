"""A new user's stacks, and the user: commands are typed, the proposed spec is edited or not, and both are counted."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from line_servers import program

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import wait_until

HOST = "127.0.0.1"
FILES = Path(__file__).parents[1] / "fixtures" / "first-hour"
NODE_MODULES = Path(__file__).parents[2] / ".bascule" / "node" / "node_modules"
PER_SECOND = 20.0  # requests to each version
READY = re.compile(r"all parts run")


# ---------------------------------------------------------------- the stack that the user has


@dataclass(frozen=True)
class Place:
    """Where a stack runs: `root` has a folder for each version, in which a file `fault` makes it fail.

    The new version has the higher port, as people give them: a log says nothing else of which is the new one.
    """

    root: Path
    v1: int
    v2: int
    port: int
    admin: int

    @classmethod
    def below(cls, root: Path) -> Place:
        return cls(root, *sorted((free(), free())), free(), free())

    @property
    def services(self) -> dict[str, int]:
        return {"v1": self.v1, "v2": self.v2}

    def folder(self, version: str) -> Path:
        folder = self.root / version
        folder.mkdir(exist_ok=True)
        return folder

    def fail(self) -> None:
        (self.folder("v2") / "fault").touch()

    def configured(self, name: str) -> Path:
        """A file of the fixtures with the ports in place of `@port@`."""
        text = (FILES / name).read_text("utf-8")
        values = {"v1": self.v1, "v2": self.v2, "port": self.port, "admin": self.admin}
        values |= {"user": "user root;" if os.geteuid() == 0 else ""}
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        (self.root / name).write_text(text)
        return self.root / name


@dataclass(frozen=True)
class Stack:
    """`runs`: starts it, and gives the scrape jobs of the user's Prometheus. `asked`: the ports that requests go to.
    `edits`: lines of the proposed spec, each with what the user makes of it.
    `begins`: the options of `bascule init` besides `--from-prometheus URL`, in whose place they stand if any are given.
    """

    name: str
    runs: Callable[[Place], contextlib.AbstractContextManager[Mapping[str, int]]]
    asked: Callable[[Place], list[int]]
    begins: tuple[str, ...] = ()
    edits: Callable[[Place], Mapping[str, str]] = lambda place: {}


def _both(argv: Callable[[int], list[str]], place: Place, env: dict[str, str] | None = None) -> contextlib.ExitStack:
    with contextlib.ExitStack() as stack:
        for version, port in place.services.items():
            stack.enter_context(program(argv(port), place.folder(version), port, env))
        return stack.pop_all()


@contextlib.contextmanager
def _fastapi(place: Place) -> Iterator[Mapping[str, int]]:
    argv = [sys.executable, "-m", "uvicorn", "--factory", "first_hour_apps:fastapi_app", "--log-level", "warning"]
    with _both(lambda port: [*argv, "--port", str(port)], place):
        yield {"shop-v1": place.v1, "shop-v2": place.v2}


@contextlib.contextmanager
def _flask(place: Place) -> Iterator[Mapping[str, int]]:
    argv = [sys.executable, "-m", "gunicorn", "--threads", "4", "first_hour_apps:flask_app()"]
    with _both(lambda port: [*argv, "--bind", f"{HOST}:{port}"], place):
        yield {"shop-v1": place.v1, "shop-v2": place.v2}


def plain_services(place: Place) -> contextlib.ExitStack:
    script = Path(__file__).with_name("first_hour_apps.py")
    return _both(lambda port: [sys.executable, str(script), str(port)], place)


@contextlib.contextmanager
def _behind_nginx(place: Place) -> Iterator[Mapping[str, int]]:
    binary = programs.find("nginx")
    argv = [str(binary), "-p", str(place.root), "-e", "error.log", "-c", str(place.configured("nginx.conf"))]
    with plain_services(place), program(argv, place.root, place.port, programs.environment(binary)):
        yield {}


@contextlib.contextmanager
def _node(place: Place) -> Iterator[Mapping[str, int]]:
    binary = programs.find("haproxy")
    argv = [str(binary), "-db", "-f", str(place.configured("haproxy.cfg"))]
    env = {"NODE_PATH": str(NODE_MODULES)}
    services = _both(lambda port: ["node", str(FILES / "shop.js"), str(port)], place, env)
    with services, program(argv, place.root, place.port, programs.environment(binary)):
        yield {"shop-v1": place.v1, "shop-v2": place.v2, "haproxy": place.admin}


@contextlib.contextmanager
def _behind_envoy(place: Place) -> Iterator[Mapping[str, int]]:
    binary = Path(sys.executable).with_name("envoy")
    options = "--concurrency 1 --log-level error --use-dynamic-base-id"
    argv = [str(binary), "-c", str(place.configured("envoy.yaml")), *options.split()]
    with plain_services(place), program(argv, place.root, place.port):
        yield {"envoy": place.admin}


def _each(place: Place) -> list[int]:
    return [place.v1, place.v2]


def _balancer(place: Place) -> list[int]:
    return [place.port, place.port]


STACKS = {
    stack.name: stack
    for stack in (
        Stack("fastapi", _fastapi, _each),
        Stack("flask", _flask, _each),
        Stack("nginx", _behind_nginx, _balancer, ("--from-logs", "access.log")),
        Stack("node", _node, _balancer),
        Stack("envoy", _behind_envoy, _balancer),
    )
}
METRICS_PATHS = {"envoy": "/stats/prometheus"}


@contextlib.contextmanager
def requests(ports: list[int]) -> Iterator[None]:
    """PER_SECOND requests to each port, evenly, one connection each."""
    ended = threading.Event()
    threads = [threading.Thread(target=_ask, args=(port, ended), daemon=True) for port in ports]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _ask(port: int, ended: threading.Event) -> None:
    number, due = 0, time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    while not ended.wait(max(0.0, due - time.monotonic())):
        due += 1 / PER_SECOND
        number += 1
        try:
            connection.request("GET", f"/orders/{number % 50}", headers={"User-Agent": "shopper"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()


@contextlib.contextmanager
def users_prometheus(
    root: Path, jobs: Mapping[str, int], interval: str = "1s", more: Mapping[str, object] | None = None
) -> Iterator[str]:
    """The Prometheus that the user has: its URL."""
    folder, port = root / "prometheus", free()
    folder.mkdir()
    scrapes = [
        {
            "job_name": job,
            "metrics_path": METRICS_PATHS.get(job, "/metrics"),
            "static_configs": [{"targets": [f"{HOST}:{target}"]}],
        }
        for job, target in jobs.items()
    ]
    times = {"scrape_interval": interval, "scrape_timeout": "500ms", "evaluation_interval": interval}
    config = {"global": times, "scrape_configs": scrapes, **(more or {})}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    binary = programs.find("prometheus")
    flags = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    flags += [f"--web.listen-address={HOST}:{port}", "--log.level=warn", "--web.enable-lifecycle"]
    with program([str(binary), *flags], folder, port):
        yield f"http://{HOST}:{port}"


@dataclass
class Heard:
    """What reaches the user's own receiver: the names of alerts."""

    names: set[str] = field(default_factory=set)

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        heard = self.names

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.update(alert["labels"]["alertname"] for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer((HOST, free()), Hook)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def users_alertmanager(root: Path, hook: str) -> Iterator[str]:
    """The Alertmanager that the user has, with a route of their own: its URL."""
    file, port = root / "alertmanager.yml", free()
    file.write_text(ALERTMANAGER.replace("@hook@", hook))
    binary = programs.find("prometheus-alertmanager")
    flags = [f"--config.file={file}", f"--storage.path={root / 'alertmanager'}", "--cluster.listen-address="]
    argv = [str(binary), *flags, f"--web.listen-address={HOST}:{port}", "--log.level=warn"]
    with program(argv, root, port):
        yield f"http://{HOST}:{port}"


ALERTMANAGER = """\
# kept by the shop's people
route:
  receiver: team
  group_wait: 1s
  group_interval: 5s
  repeat_interval: 10s
  routes:
    # orders have people of their own
    - matchers: ['topic="orders"']
      receiver: orders
      group_wait: 1s
receivers:
  - name: team
    webhook_configs: [{url: "@hook@"}]
  - name: orders
    webhook_configs: [{url: "@hook@"}]
"""


def own_alert(root: Path, alertmanager: str) -> Mapping[str, object]:
    """Configuration of the user's Prometheus: an alert that always fires, sent to the user's Alertmanager."""
    rule = {"alert": "OrdersStuck", "expr": "vector(1)", "labels": {"topic": "orders"}}
    (root / "own.yml").write_text(yaml.safe_dump({"groups": [{"name": "own", "rules": [rule]}]}))
    target = alertmanager.removeprefix("http://")
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}
    return {"rule_files": [str(root / "own.yml")], "alerting": alerting}


# ---------------------------------------------------------------- the user


@dataclass
class NewUser:
    """Types commands in `folder`; each is kept. `edits`: keys of the proposed spec that were changed."""

    folder: Path
    spec: str = "shop.yaml"
    commands: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def types(self, *words: str) -> str:
        """A command that must succeed; what it prints."""
        self.commands.append(" ".join(("bascule", *words)))
        done = self.runs(*words)
        assert done.returncode == 0, self.diary()
        return done.stdout

    def is_refused(self, *words: str) -> str:
        """A command that must not succeed; what it says."""
        done = self.runs(*words)
        assert done.returncode != 0, self.diary()
        return done.stdout + done.stderr

    def runs(self, *words: str, within: float = 90.0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(_argv(words), cwd=self.folder, capture_output=True, text=True, timeout=within)
        self.seen.append(f"$ bascule {' '.join(words)}\n{done.stdout}{done.stderr}[exit {done.returncode}]")
        return done

    def must_start(self) -> str:
        """The plan's first step, as soon as there is data of the old version; what is printed."""
        words = ("start", self.spec, "--who", "me")
        self.commands.append(" ".join(("bascule", *words)))
        printed: list[str] = []

        def has_started() -> bool:
            done = self.runs(*words)
            printed.append(done.stdout)
            return done.returncode == 0

        assert wait_until(has_started, 30.0, pause=2.0), self.diary()
        return printed[-1]

    def verdicts(self, seconds: float) -> set[str]:
        """Every verdict of the next seconds."""
        seen, until = set(), time.monotonic() + seconds
        while time.monotonic() < until:
            seen.add(self._gate("0s"))
        return seen

    def _gate(self, wait: str) -> str:
        done = self.runs("gate", self.spec, "--json", "--wait", wait)
        return str(json.loads(done.stdout)["verdict"])

    def seconds_to_roll_back(self, fail: Callable[[], None], within: float) -> float:
        """From the fault to the verdict; infinite where it does not come."""
        fail()
        began = time.monotonic()
        self.commands.append(f"bascule gate {self.spec} --wait {within:g}s")
        verdict = self._gate(f"{within:g}s")
        return time.monotonic() - began if verdict == "roll_back" else float("inf")

    def diary(self) -> str:
        """Everything that was typed and seen, and the spec."""
        return "\n".join([*self.seen, self.has_proposed()])

    def leaves_running(self, *words: str) -> Path:
        """Starts a command in a terminal of its own; the file of what it prints."""
        self.commands.append(" ".join(("bascule", *words)))
        printed = self.folder / f"{'-'.join(words)}.txt"
        with printed.open("wb") as out:
            self.running.append(subprocess.Popen(_argv(words), cwd=self.folder, stdout=out, stderr=out))
        return printed

    def ends_all(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(60)

    def has_proposed(self) -> str:
        return (self.folder / self.spec).read_text("utf-8")

    def edit(self, changes: Mapping[str, str]) -> None:
        """Change keys of the spec: each text, which is there once, to another."""
        text = self.has_proposed()
        for old, new in changes.items():
            assert text.count(old) == 1, text
            text = text.replace(old, new)
            self.edits.append(new)
        (self.folder / self.spec).write_text(text)


def _argv(words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "bascule", *words]


def until_ready(printed: Path, seconds: float = 90.0) -> str:
    assert wait_until(lambda: READY.search(printed.read_text()) is not None, seconds), printed.read_text()
    return printed.read_text()
