"""A version that hangs under traffic turns the verdict: stopped and watched by probes, or by logs alone; deadlocked,
instrumented, and asked by clients that do not wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
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
    judge = LiveJudge(spec, Prometheus(url), (), board.publish)
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


# ---------------------------------------------------------------- deadlocked, with instruments

INSTRUMENTED = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:{v1}"], version: v1}}
  shop-v2: {{targets: ["127.0.0.1:{v2}"], version: v2}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}, {{share: 100%, hold: 1h}}]
"""
DEADLOCKING = """
import sys
import uvicorn
from bascule.instrument import Instrument

locked = False

async def app(scope, receive, send):
    global locked
    if scope["path"] == "/lock":
        locked = True
    elif locked:
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"sold"})

instrument = Instrument(version=sys.argv[1])
app = instrument.asgi(app, endpoint=lambda scope: scope["path"])
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", lifespan="off")
"""
WAITS = 0.3  # seconds that a client does


@contextmanager
def asked(port: dict[str, int]) -> Iterator[None]:
    """Ten requests a second to each version, by clients that leave soon."""
    stop = threading.Event()

    def ask(name: str) -> None:
        while not stop.wait(0.1):
            with suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port[name]}/buy", timeout=WAITS)

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in port]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def test_a_deadlocked_version_whose_clients_leave_early_is_silent(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """Requests that nobody waited for are no traffic: counted as such, they would be answers without an error."""
    port = {name: free() for name in ("v1", "v2")}
    spec, plan = parse(INSTRUMENTED.format(**port)), metrics_page(house.plan_text(1, time.time(), {"all": 0.5}))
    written = yaml.safe_load(generate(spec)["prometheus/prometheus.yml"])
    jobs = [job for job in written["scrape_configs"] if job["job_name"].startswith("shop-")]
    jobs.append({"job_name": "plan", "static_configs": [{"targets": [plan.target]}]})
    server = start_prometheus(config=yaml.safe_dump({"global": written["global"], "scrape_configs": jobs}))
    argv = [sys.executable, "-c", DEADLOCKING]
    processes = [subprocess.Popen([*argv, name, str(number)]) for name, number in port.items()]
    try:
        for number in port.values():
            eventually(answers(f"http://127.0.0.1:{number}/metrics"), 20)
        with asked(port), judged(spec, server.url) as board:
            eventually(lambda: board.verdict()["verdict"] == "hold", 40)
            eventually(lambda: board.verdict()["signals"][0]["samples_candidate"] > 20, 30)
            httpx.get(f"http://127.0.0.1:{port['v2']}/lock")
            eventually(lambda: board.verdict()["cause"] == "silent", 40)
            eventually(lambda: "clients left without their answer" in board.verdict()["reasons"][0], 20)
    finally:
        for process in processes:
            process.kill()
            process.wait()
