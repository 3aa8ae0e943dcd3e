"""Engines on data of the past, real ones: Debian's Prometheus, another that is given, and VictoriaMetrics."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus

NAMES = ("prometheus 2", "prometheus 3", "victoria-metrics")
GIVEN = "PROMETHEUS"  # the variable with the path of another Prometheus
LINES_AT_ONCE = 200_000


@contextmanager
def engine(
    name: str, folder: Path, history: str = "", config: str = "", flags: Sequence[str] = ()
) -> Iterator[Prometheus]:
    """A client of an engine that holds `history` (OpenMetrics) and scrapes as `config` says. `name`: one of NAMES."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scrape.yml").write_text(config)
    (folder / "history.txt").write_text(history)
    start = _victoria_metrics if name == "victoria-metrics" else _prometheus
    with Supervisor() as supervisor:
        url = start(supervisor, program_of(name), folder, flags)
        if history and name == "victoria-metrics":
            _import(url, history)
        client = Prometheus(url, timeout=60)
        yield client
        client.close()


def program_of(name: str) -> Path:
    """Raises ProgramMissing where it is not there."""
    return Path(os.environ[GIVEN]) if name == "prometheus 3" else programs.find(name.partition(" ")[0])


def _prometheus(supervisor: Supervisor, program: Path, folder: Path, flags: Sequence[str]) -> str:
    if (folder / "history.txt").stat().st_size:
        made = ["tsdb", "create-blocks-from", "--max-block-duration=1488h", "openmetrics", "history.txt", "data"]
        argv = [str(programs.find("promtool")), *made]
        subprocess.run(argv, cwd=folder, check=True, capture_output=True, env=os.environ | programs.environment())
    port = free()
    supervisor.start(prometheus_program(program, folder, port, flags))
    return f"http://127.0.0.1:{port}"


def prometheus_program(program: Path, folder: Path, port: int, flags: Sequence[str] = ()) -> Program:
    argv = [
        str(program),
        f"--config.file={folder / 'scrape.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        *flags,
    ]
    return _program(argv, folder, port, "/-/ready")


def _victoria_metrics(supervisor: Supervisor, program: Path, folder: Path, flags: Sequence[str]) -> str:
    port = free()
    supervisor.start(victoria_metrics_program(program, folder, port, flags))
    return f"http://127.0.0.1:{port}"


def victoria_metrics_program(program: Path, folder: Path, port: int, flags: Sequence[str] = ()) -> Program:
    """It scrapes as the folder's scrape.yml says, unless that is empty."""
    argv = [
        str(program),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
        "-memory.allowedPercent=10",
        "-loggerLevel=ERROR",
        *flags,
    ]
    if (folder / "scrape.yml").stat().st_size:
        argv.append(f"-promscrape.config={folder / 'scrape.yml'}")
    return _program(argv, folder, port, "/health")


def _program(argv: list[str], folder: Path, port: int, ready: str) -> Program:
    is_ready = answers(f"http://127.0.0.1:{port}{ready}")
    return Program(f"engine-{port}", argv, log=folder / "log", ready=is_ready, ready_timeout=30)


def _import(url: str, history: str) -> None:
    """The same samples in Prometheus' text format, whose times are in milliseconds."""
    lines = [line for line in history.splitlines() if not line.startswith("#")]
    lines = [re.sub(r" ([\d.]+)$", lambda found: f" {float(found[1]) * 1000:.0f}", line) for line in lines]
    for first in range(0, len(lines), LINES_AT_ONCE):
        text = "\n".join(lines[first : first + LINES_AT_ONCE]) + "\n"
        httpx.post(f"{url}/api/v1/import/prometheus", content=text, timeout=60, trust_env=False).raise_for_status()
    httpx.get(f"{url}/internal/force_flush", timeout=60, trust_env=False).raise_for_status()


@contextmanager
def vmalert(engine_url: str, rules: str, notifier: str, folder: Path) -> Iterator[str]:
    """vmalert on these rules, writing what it records to the engine and posting alerts to `notifier`; its URL."""
    port = free()
    with Supervisor() as supervisor:
        supervisor.start(vmalert_program(engine_url, rules, notifier, folder, port))
        yield f"http://127.0.0.1:{port}"


def vmalert_program(engine_url: str, rules: str, notifier: str, folder: Path, port: int) -> Program:
    (folder / "vmalert.yml").write_text(rules)
    argv = [
        str(programs.find("vmalert")),
        f"-rule={folder / 'vmalert.yml'}",
        f"-datasource.url={engine_url}",
        f"-remoteWrite.url={engine_url}",
        f"-remoteRead.url={engine_url}",
        f"-notifier.url={notifier}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-remoteWrite.flushInterval=200ms",
        "-loggerLevel=ERROR",
    ]
    return _program(argv, folder, port, "/health")


def scraping(targets: Mapping[str, str], labels: Mapping[str, str] | None = None) -> str:
    """A configuration that scrapes each job's target each second."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
    settings = {"scrape_interval": "1s", "scrape_timeout": "500ms", "external_labels": dict(labels or {})}
    return yaml.safe_dump({"global": settings, "scrape_configs": jobs})
