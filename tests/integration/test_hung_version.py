"""A version that hangs (SIGSTOP) under traffic turns the verdict, watched by probes, or by logs alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import judge_house as house
import pytest
import yaml

from bascule.generate import generate
from bascule.judge import LiveJudge, VerdictBoard
from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program
from bascule.prometheus import Prometheus
from bascule.spec import Spec, parse

pytestmark = pytest.mark.integration

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:{v1}"], version: v1, metrics: none{health}}}
  shop-v2: {{targets: ["127.0.0.1:{v2}"], version: v2, metrics: none{health}}}
signals:
  errors:
    kind: ratio
    bad: bascule_log_tries_total{{status=~"5.."}}
    total: bascule_log_tries_total
    better: lower
phases: [{{share: 10%, hold: 1h}}, {{share: 100%, hold: 1h}}]
slas: {{availability: {{objective: 99.9%, window: 30d}}}}
stack: {{ports: {{blackbox_exporter: {exporter}}}}}
"""
SERVICE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
TRIES = 'bascule_log_tries_total{{version="{}",status="200"}} {}\n'
HALTED = 10.0  # seconds from the fault to the verdict, at most


@dataclass
class Shop:
    """Both versions as processes, what a balancer's log would count of them, and a judge for each way to watch them."""

    processes: dict[str, subprocess.Popen[bytes]]
    by_probes: VerdictBoard
    by_logs: VerdictBoard
    prometheus: Prometheus


@pytest.fixture
def shop(
    start_prometheus: Callable[..., Any],
    supervisor: Any,
    tmp_path: Any,
    metrics_page: Callable[..., Any],
    eventually: Callable[..., Any],
) -> Iterator[Shop]:
    port = {name: free() for name in ("v1", "v2", "exporter")}
    spec, blind = (parse(SPEC.format(health=health, **port)) for health in (", health: /health", ""))
    files = generate(spec)
    _start_exporter(supervisor, tmp_path, files["blackbox/blackbox.yml"], port["exporter"])
    logs, plan = metrics_page(), metrics_page(house.plan_text(1, time.time(), {"all": 0.1}))
    written = yaml.safe_load(files["prometheus/prometheus.yml"])
    jobs = [job for job in written["scrape_configs"] if job["job_name"].startswith("shop-")]
    jobs += [
        {"job_name": name, "static_configs": [{"targets": [page.target]}]}
        for name, page in (("bascule-logs", logs), ("plan", plan))
    ]
    server = start_prometheus(config=yaml.safe_dump({"global": written["global"], "scrape_configs": jobs}))
    processes = {name: subprocess.Popen([sys.executable, "-c", SERVICE, str(port[name])]) for name in ("v1", "v2")}
    try:
        for name in processes:
            eventually(answers(f"http://127.0.0.1:{port[name]}/"), 20)
        with balanced(processes, logs), judged(spec, server.url) as probed, judged(blind, server.url) as by_logs:
            yield Shop(processes, probed, by_logs, server.client)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def _start_exporter(supervisor: Any, folder: Any, config: str, port: int) -> None:
    (folder / "blackbox.yml").write_text(config)
    argv = [
        str(programs.find("prometheus-blackbox-exporter")),
        f"--config.file={folder / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    ready = answers(f"http://127.0.0.1:{port}/-/healthy")
    supervisor.start(Program(f"blackbox-{port}", argv, log=folder / "log", ready=ready, ready_timeout=30))


@contextmanager
def balanced(processes: dict[str, subprocess.Popen[bytes]], page: Any) -> Iterator[None]:
    """20 requests/s, a tenth to V2. A request to a process that hangs is in no log until its client gives up."""
    counts, stop = {"v1": 0.0, "v2": 0.0}, threading.Event()

    def serve() -> None:
        last = time.monotonic()
        while not stop.wait(0.1):
            now = time.monotonic()
            for name, rate in (("v1", 18.0), ("v2", 2.0)):
                if not hangs(processes[name].pid):
                    counts[name] += rate * (now - last)
            last = now
            page.text = "".join(
                f'bascule_log_tries_total{{version="{name}",status="200"}} {int(count)}\n'
                for name, count in counts.items()
            )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


def hangs(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


@contextmanager
def judged(spec: Spec, url: str) -> Iterator[VerdictBoard]:
    board, stop = VerdictBoard(spec), threading.Event()
    judge = LiveJudge(spec, Prometheus(url), None, board.publish)
    thread = threading.Thread(target=judge.run, args=(stop,))
    thread.start()
    yield board
    stop.set()
    thread.join()


def test_a_hung_version_turns_the_verdict_by_its_probe_and_by_its_silence_in_the_logs(
    shop: Shop, eventually: Callable[..., Any]
) -> None:
    boards = {"probe failing": shop.by_probes, "silent": shop.by_logs}
    for board in boards.values():
        eventually(lambda board=board: board.verdict()["verdict"] == "hold", 40)
    eventually(lambda: shop.by_logs.verdict()["signals"][0]["samples_candidate"] > 10, 20)

    os.kill(shop.processes["v2"].pid, signal.SIGSTOP)
    fault, found = time.monotonic(), {}
    while len(found) < 2:
        assert time.monotonic() - fault < 2 * HALTED, found
        for cause, board in boards.items():
            body = board.verdict()
            if body["verdict"] == "no_data" and cause not in found:
                assert body["cause"] == cause
                found[cause] = time.monotonic() - fault
        time.sleep(0.1)
    asked = 'avg_over_time(probe_success{job="shop-v2"}[20s])'
    assert eventually(lambda: (value := shop.prometheus.scalar(asked)) < 1 and value, 10)

    os.kill(shop.processes["v2"].pid, signal.SIGCONT)
    for board in boards.values():
        eventually(lambda board=board: board.verdict()["verdict"] == "hold", 20)
