"""Real programs for integration tests, on free ports of 127.0.0.1, all stopped at the end.

Running already, once per session (share them: use label values of your own):
    prometheus_server   a Prometheus that scrapes itself each second: .url .port .folder .client (bascule.prometheus)
    alertmanager_server an Alertmanager that keeps what it gets: .url .port .folder .client
    redis_server        a Redis: .url .port

Started by you; stopped at the end of the test (or of the module: `module_programs` has the same three methods):
    start_prometheus(scrape={"job": ["127.0.0.1:8000"]}, rules={"a.yml": text}, alertmanager=url,
                     interval="1s", config=text, openmetrics=text, flags=[...])
        `config` replaces the whole configuration; `openmetrics` is history loaded before the start
        (OpenMetrics text with timestamps in seconds, ending in "# EOF").
        .reload() after a change to files in .folder; .kill(), .start() for a Prometheus that is gone for a while.
    start_alertmanager(webhook=url | config=text)
    start_redis()

Counterparts in this process:
    webhook             an HTTP server that keeps each JSON body posted to it: .url .posts .clear()
    metrics_page()      makes an HTTP server whose /metrics says .text: .target .url; set .up = False and it answers 503
                        (module_metrics_page() one that stays until the end of the module)

Everything here is marked integration by you: pytestmark = pytest.mark.integration
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml
from served import MetricsPage, Quiet, served
from served import metrics_page as metrics_page_of

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers, listens
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Alertmanager, Prometheus

HOST = "127.0.0.1"

# ---------------------------------------------------------------- programs


@dataclass
class Running:
    """A program that runs: `start` after `kill` brings it back on the same port and data."""

    supervisor: Supervisor
    program: Program
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def target(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self.supervisor.pid(self.program.name)

    def start(self) -> None:
        self.supervisor.start(self.program)

    def kill(self) -> None:
        self.supervisor.kill(self.program.name)

    def stop(self) -> None:
        self.supervisor.stop(self.program.name)

    def reload(self) -> None:
        httpx.post(f"{self.url}/-/reload", timeout=5, trust_env=False).raise_for_status()


class RunningPrometheus(Running):
    @property
    def client(self) -> Prometheus:
        return Prometheus(self.url)


class RunningAlertmanager(Running):
    @property
    def client(self) -> Alertmanager:
        return Alertmanager(self.url)


class RunningRedis(Running):
    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"


R = TypeVar("R", bound=Running)


class Programs:
    """Starts real programs in numbered folders; everything it started ends with it."""

    def __init__(self, supervisor: Supervisor, new_folder: Callable[[str], Path]) -> None:
        self._supervisor = supervisor
        self._new_folder = new_folder
        self._running: list[Running] = []

    def start_prometheus(
        self,
        scrape: Mapping[str, Sequence[str]] | None = None,
        rules: Mapping[str, str] | None = None,
        alertmanager: str | None = None,
        interval: str = "1s",
        config: str | None = None,
        openmetrics: str | None = None,
        flags: Sequence[str] = (),
        kept: str = "10y",
    ) -> RunningPrometheus:
        folder, port = self._new_folder("prometheus"), free()
        for name, text in (rules or {}).items():
            (folder / name).write_text(text)
        settings = _prometheus_settings(scrape or {}, list(rules or {}), alertmanager, interval, port)
        (folder / "prometheus.yml").write_text(config if config is not None else yaml.safe_dump(settings))
        if openmetrics:
            _load_history(folder, openmetrics)
        argv = [
            str(programs.find("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={kept}",
            f"--web.listen-address={HOST}:{port}",
            "--web.enable-lifecycle",
            "--web.enable-remote-write-receiver",
            "--rules.alert.resend-delay=5s",
            "--log.level=warn",
            *flags,
        ]
        return self._start(
            RunningPrometheus, "prometheus", argv, port, folder, answers(f"http://{HOST}:{port}/-/ready")
        )

    def start_alertmanager(self, webhook: str | None = None, config: str | None = None) -> RunningAlertmanager:
        folder, port = self._new_folder("alertmanager"), free()
        text = config if config is not None else yaml.safe_dump(_alertmanager_settings(webhook))
        (folder / "alertmanager.yml").write_text(text)
        argv = [
            str(programs.find("prometheus-alertmanager")),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        ready = answers(f"http://{HOST}:{port}/-/ready")
        return self._start(RunningAlertmanager, "alertmanager", argv, port, folder, ready)

    def start_redis(self) -> RunningRedis:
        folder, port = self._new_folder("redis"), free()
        argv = [
            str(programs.find("redis-server")),
            "--bind",
            HOST,
            "--port",
            str(port),
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        return self._start(RunningRedis, "redis", argv, port, folder, listens(HOST, port))

    def stop_all(self) -> None:
        names = set(self._supervisor.names)
        for running in reversed(self._running):
            if running.program.name in names:
                running.stop()

    def _start(
        self, kind: type[R], name: str, argv: list[str], port: int, folder: Path, ready: Callable[[], bool]
    ) -> R:
        program = Program(f"{name}-{port}", argv, log=folder / "log", ready=ready, ready_timeout=30)
        running = kind(self._supervisor, program, port, folder)
        running.start()
        self._running.append(running)
        return running


def _prometheus_settings(
    scrape: Mapping[str, Sequence[str]], rules: Sequence[str], alertmanager: str | None, interval: str, port: int
) -> dict[str, Any]:
    jobs = dict(scrape) or {"prometheus": [f"{HOST}:{port}"]}
    settings: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": "500ms", "evaluation_interval": interval},
        "rule_files": list(rules),
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(targets)}]} for job, targets in jobs.items()
        ],
    }
    if alertmanager:
        address = alertmanager.removeprefix("http://")
        settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}
    return settings


def _alertmanager_settings(webhook: str | None) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": "machine"}
    if webhook:
        receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    route = {"receiver": "machine", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    return {"route": route, "receivers": [receiver]}


def _load_history(folder: Path, openmetrics: str) -> None:
    source = folder / "history.txt"
    source.write_text(openmetrics)
    argv = [
        str(programs.find("promtool")),
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(source),
        str(folder / "data"),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
def _new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return lambda name: tmp_path_factory.mktemp(name)


@pytest.fixture(scope="session")
def _session_programs(supervisor: Supervisor, _new_folder: Callable[[str], Path]) -> Programs:
    return Programs(supervisor, _new_folder)  # they end with the session's supervisor


@pytest.fixture(scope="module")
def module_programs(supervisor: Supervisor, _new_folder: Callable[[str], Path]) -> Iterator[Programs]:
    programs = Programs(supervisor, _new_folder)
    yield programs
    programs.stop_all()


@pytest.fixture
def _test_programs(supervisor: Supervisor, _new_folder: Callable[[str], Path]) -> Iterator[Programs]:
    programs = Programs(supervisor, _new_folder)
    yield programs
    programs.stop_all()


@pytest.fixture
def start_prometheus(_test_programs: Programs) -> Callable[..., RunningPrometheus]:
    return _test_programs.start_prometheus


@pytest.fixture
def start_alertmanager(_test_programs: Programs) -> Callable[..., RunningAlertmanager]:
    return _test_programs.start_alertmanager


@pytest.fixture
def start_redis(_test_programs: Programs) -> Callable[..., RunningRedis]:
    return _test_programs.start_redis


@pytest.fixture(scope="session")
def prometheus_server(_session_programs: Programs) -> RunningPrometheus:
    return _session_programs.start_prometheus()


@pytest.fixture(scope="session")
def alertmanager_server(_session_programs: Programs) -> RunningAlertmanager:
    return _session_programs.start_alertmanager()


@pytest.fixture(scope="session")
def redis_server(_session_programs: Programs) -> RunningRedis:
    return _session_programs.start_redis()


# ---------------------------------------------------------------- counterparts in this process


@dataclass
class WebhookServer:
    """Keeps each JSON body that is posted to it, in order."""

    url: str = ""
    posts: list[Any] = field(default_factory=list)

    def clear(self) -> None:
        self.posts.clear()


@pytest.fixture
def webhook() -> Iterator[WebhookServer]:
    kept = WebhookServer()

    class Handler(Quiet):
        def do_POST(self) -> None:
            kept.posts.append(json.loads(self.posted()))
            self.answer(200)

    with served(Handler) as address:
        kept.url = f"http://{address}/"
        yield kept


@pytest.fixture
def metrics_page() -> Iterator[Callable[[], MetricsPage]]:
    yield from _metrics_pages()


@pytest.fixture(scope="module")
def module_metrics_page() -> Iterator[Callable[[], MetricsPage]]:
    yield from _metrics_pages()


def _metrics_pages() -> Iterator[Callable[[], MetricsPage]]:
    with ExitStack() as pages:
        yield lambda text="": pages.enter_context(metrics_page_of(text))
