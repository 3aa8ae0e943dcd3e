"""A version that hangs (SIGSTOP) under 20 requests/s: seconds until the verdict is neither promote nor hold.

    make bench NAME=hung                         ten times, about 6 min
    BASCULE_BENCH=quick make bench NAME=hung     twice: to see that it works
    BASCULE_BENCH=logs make bench NAME=hung      logs alone (or `instrumented`, `probes`)

One real service in two versions, a tenth of the requests on V2, whose clients give up after 3 s; the log of the
balancer is written as nginx writes it. The same fault is watched in three ways at once, each with a judge of its own on
one Prometheus that scrapes each second: by the services' own metrics, by the log role alone, by probes alone.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from bascule.generate import generate
from bascule.judge import VerdictBoard
from bascule.processes import ports, programs
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import Spec, parse
from bench import servers
from bench.harness import Bar, Result

ASKED = os.environ.get("BASCULE_BENCH", "")
RUNS = 2 if ASKED == "quick" else 10
REQUESTS, SHARE = 20.0, 0.1  # a second; of them on the candidate
GIVES_UP = 3.0  # seconds that a client waits
WARM_UP, LONGEST = 10.0, 60.0  # seconds of requests before each fault; waited for a verdict
TARGETS = {"instrumented": 5.0, "logs only": 10.0, "probes only": 10.0}  # seconds, medians
WELL = ("hold", "promote")

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  {job}-v1: {{targets: ["127.0.0.1:{v1}"], version: v1, {watched}}}
  {job}-v2: {{targets: ["127.0.0.1:{v2}"], version: v2, {watched}}}
signals:
  errors: {{kind: ratio, bad: '{metric}{{status=~"5.."}}', total: {metric}, better: lower}}
phases: [{{share: 10%, hold: 1h}}, {{share: 100%, hold: 1h}}]
slas: {{availability: {{objective: 99.9%, window: 30d}}}}
logs: {{sources: [{{name: balancer, files: "{log}", formats: [nginx_json]}}]}}
stack: {{state: {state}, ports: {{blackbox_exporter: {exporter}, logs: {logs}}}}}
"""
WAYS = {
    "instrumented": ("own", "kind: application", "http_requests_total"),
    "logs only": ("logged", "metrics: none", "bascule_log_tries_total"),
    "probes only": ("probed", "metrics: none, health: /health", "bascule_log_tries_total"),
}
WATCHED = tuple(way for way in WAYS if way.startswith(ASKED)) if ASKED != "quick" else tuple(WAYS)
SERVICE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
version, port = sys.argv[1:]
served = [0]

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        shown = "".join(f'http_requests_total{{version="{version}",status="{status}"}} {count}\\n'
                        for status, count in (("200", served[0]), ("500", 0)))
        body = shown.encode() if self.path == "/metrics" else b"{}"
        served[0] += self.path == "/buy"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""


@dataclass
class Shop:
    """What hangs, and what watches it."""

    candidate: int  # its process
    boards: dict[str, VerdictBoard]


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="bascule-hung-") as folder, standing(Path(folder)) as shop:
        found = [_hang(shop) for _ in range(RUNS)]
    bars = []
    for way in WATCHED:
        seconds = [each[way] for each in found]
        median = statistics.median(seconds)
        bars.append(Bar(f"hung, {way}: to the verdict, median of {RUNS}", median, "s", TARGETS[way]))
        bars.append(Bar(f"hung, {way}: slowest", max(seconds), "s", None))
    return Result(bars, {"runs": found, "requests a second": REQUESTS, "share": SHARE})


def _hang(shop: Shop) -> dict[str, float]:
    """Seconds until each way's verdict turns. The version goes on afterwards, and all verdicts with it."""
    _wait(lambda: all(board.verdict()["verdict"] in WELL for board in shop.boards.values()), shop)
    time.sleep(WARM_UP + random.random())  # at any moment between two scrapes
    os.kill(shop.candidate, signal.SIGSTOP)
    fault, found = time.monotonic(), dict[str, float]()
    try:
        _wait(lambda: _turned(shop, fault, found), shop)
    finally:
        os.kill(shop.candidate, signal.SIGCONT)
    print("  " + ", ".join(f"{way} {seconds:.1f} s" for way, seconds in found.items()), flush=True)
    return found


def _turned(shop: Shop, fault: float, found: dict[str, float]) -> bool:
    for way, board in shop.boards.items():
        if way not in found and board.verdict()["verdict"] not in WELL:
            found[way] = round(time.monotonic() - fault, 2)
    return len(found) == len(shop.boards)


def _wait(condition: Callable[[], bool], shop: Shop) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > end:
            said = {way: board.verdict()["reasons"] for way, board in shop.boards.items()}
            raise RuntimeError(f"not within {LONGEST:g} s: {said}")
        time.sleep(0.05)


# ---------------------------------------------------------------- the parts


@contextmanager
def standing(folder: Path) -> Iterator[Shop]:
    """Services, their traffic, the log role, the probes, Prometheus, and a judge for each way."""
    port = {name: ports.free() for name in ("v1", "v2", "exporter", "logs", "plan", "prometheus")}
    log = folder / "access.log"
    given = {name: port[name] for name in ("v1", "v2", "exporter", "logs")}
    texts = {
        way: SPEC.format(job=job, watched=watched, metric=metric, log=log, state=folder / "state", **given)
        for way, (job, watched, metric) in WAYS.items()
    }
    specs = {way: parse(text) for way, text in texts.items()}
    (folder / "spec.yaml").write_text(texts["probes only"])
    with ExitStack() as stack:
        supervisor = stack.enter_context(Supervisor())
        for version in ("v1", "v2"):
            argv = [sys.executable, "-c", SERVICE, version, str(port[version])]
            supervisor.start(Program(version, argv, ready=answers(f"http://127.0.0.1:{port[version]}/health")))
        supervisor.start(_logs(folder, port["logs"]))
        files = generate(specs["probes only"])
        supervisor.start(_exporter(folder, files["blackbox/blackbox.yml"], port["exporter"]))
        stack.enter_context(_plan(port["plan"]))
        supervisor.start(_prometheus(folder, specs, port))
        stack.enter_context(_traffic(log, {version: port[version] for version in ("v1", "v2")}))
        url = f"http://127.0.0.1:{port['prometheus']}"
        boards = {way: stack.enter_context(servers.judged(specs[way], url)) for way in WATCHED}
        yield Shop(supervisor.pid("v2"), boards)


def _logs(folder: Path, port: int) -> Program:
    argv = [sys.executable, "-m", "bascule", "serve", str(folder / "spec.yaml"), "--role", "logs"]
    return Program("logs", argv, cwd=folder, ready=answers(f"http://127.0.0.1:{port}/health"), ready_timeout=60)


def _exporter(folder: Path, config: str, port: int) -> Program:
    (folder / "blackbox.yml").write_text(config)
    argv = [
        str(programs.find("prometheus-blackbox-exporter")),
        f"--config.file={folder / 'blackbox.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    return Program("blackbox", argv, ready=answers(f"http://127.0.0.1:{port}/-/healthy"), ready_timeout=30)


def _prometheus(folder: Path, specs: dict[str, Spec], port: dict[str, int]) -> Program:
    """The generated jobs of the services and of their probes, the log role and the plan."""
    jobs: dict[str, dict[str, object]] = {}
    for spec in specs.values():
        written = yaml.safe_load(generate(spec)["prometheus/prometheus.yml"])
        jobs |= {job["job_name"]: job for job in written["scrape_configs"] if job["job_name"].endswith(("-v1", "-v2"))}
    for name, at in (("bascule-logs", "logs"), ("plan", "plan")):
        jobs[name] = {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port[at]}"]}]}
    config = {"global": written["global"], "scrape_configs": list(jobs.values())}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return servers.prometheus("prometheus", folder / "prometheus.yml", folder / "data", port["prometheus"])


@contextmanager
def _plan(port: int) -> Iterator[None]:
    """What the journal exports: the first step, since now."""
    text = (
        f"bascule_phase 1\nbascule_phase_started_timestamp_seconds {time.time()}\n"
        f'bascule_planned_share_ratio{{user_segment="all"}} {SHARE}\n'
    )

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield
    server.shutdown()


# ---------------------------------------------------------------- the traffic


@contextmanager
def _traffic(log: Path, port: dict[str, int]) -> Iterator[None]:
    """Requests at random, each its own connection, as a balancer sends them on."""
    stop, writing = threading.Event(), threading.Lock()

    def ask(version: str) -> None:
        begun = time.time()
        status = _status(port[version])
        line = {
            "time_iso8601": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            "status": status,
            "request_time": round(time.time() - begun, 3),
            "uri": "/buy",
            "upstream_addr": f"127.0.0.1:{port[version]}",
            "upstream_status": "" if status == 499 else str(status),
        }
        with writing, log.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def serve() -> None:
        with ThreadPoolExecutor(64) as pool:
            while not stop.wait(random.expovariate(REQUESTS)):
                pool.submit(ask, "v2" if random.random() < SHARE else "v1")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _status(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=GIVES_UP)
    try:
        connection.request("GET", "/buy")
        return connection.getresponse().status
    except TimeoutError:
        return 499
    except OSError:
        return 502
    finally:
        connection.close()
