"""The journal's intake: 1,000 alerts in one webhook, then 300 single posts; beside another build where one is named.

    make bench NAME=intake
    BASCULE_BEFORE=/path/to/other/.venv/bin/python make bench NAME=intake      the same of that build, in turns

Each build serves its own incidents role from an empty folder, with neither Prometheus nor Alertmanager beside it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bascule.api import Tokens
from bascule.processes import ports
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bench.harness import Bar, Result

BEFORE = "BASCULE_BEFORE"  # the Python of the build to compare with
MANY, SINGLE, ROUNDS = 1000, 300, 3
WANTED = 3.0  # times quicker than before
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: intake}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop: {{targets: ["127.0.0.1:1"]}}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}]
stack: {{state: {state}, ports: {{{ports}}}}}
"""


@dataclass(frozen=True)
class Times:
    """Seconds: of the webhook with many alerts, and of each single post (the median)."""

    many: float
    single: float


def run() -> Result:
    builds = {"now": sys.executable}
    if os.environ.get(BEFORE):
        builds = {"before": os.environ[BEFORE], **builds}
    measured: dict[str, list[Times]] = {name: [] for name in builds}
    for number in range(ROUNDS):
        for name, python in builds.items():
            measured[name].append(_measure(python))
            print(f"  round {number + 1}, {name}: {measured[name][-1]}", flush=True)
    best = {name: Times(min(t.many for t in times), min(t.single for t in times)) for name, times in measured.items()}
    return Result(list(_bars(best)), {name: [vars(each) for each in times] for name, times in measured.items()})


def _bars(best: dict[str, Times]) -> Iterator[Bar]:
    now = best["now"]
    for name, times in best.items():
        yield Bar(f"{MANY} alerts in one webhook, {name}", times.many, "s", None)
        yield Bar(f"one of {SINGLE} single posts, {name}", 1000 * times.single, "ms", None)
    if before := best.get("before"):
        yield Bar("many alerts: times quicker", before.many / now.many, "x", WANTED, "at_least")
        yield Bar("single posts: times quicker", before.single / now.single, "x", WANTED, "at_least")


def _measure(python: str) -> Times:
    with tempfile.TemporaryDirectory(prefix="intake-") as folder, _journal(python, Path(folder)) as client:
        begun = time.perf_counter()
        _post(client, [_alert(number) for number in range(MANY)])
        many = time.perf_counter() - begun
        single = []
        for number in range(MANY, MANY + SINGLE):
            begun = time.perf_counter()
            _post(client, [_alert(number)])
            single.append(time.perf_counter() - begun)
        return Times(many, statistics.median(single))


@contextmanager
def _journal(python: str, folder: Path) -> Iterator[httpx.Client]:
    names = ("prometheus", "alertmanager", "supervisor", "judge", "logs", "incidents", "sla", "console")
    given = {name: ports.free() for name in names}
    spec = folder / "spec.yaml"
    listed = ", ".join(f"{name}: {port}" for name, port in given.items())
    spec.write_text(SPEC.format(state=folder / "state", ports=listed))
    tokens = Tokens(folder / "state")
    tokens.ensure()
    url = f"http://127.0.0.1:{given['incidents']}"
    argv = [python, "-m", "bascule", "serve", str(spec), "--role", "incidents"]
    program = Program("journal", argv, cwd=folder, ready=answers(f"{url}/health"), ready_timeout=60.0)
    with Supervisor() as supervisor:
        supervisor.start(program)
        headers = {"Authorization": f"Bearer {tokens.webhook}"}
        with httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False) as client:
            yield client


def _post(client: httpx.Client, alerts: list[dict[str, Any]]) -> None:
    client.post("/api/webhook", json={"version": "4", "alerts": alerts}).raise_for_status()


def _alert(number: int) -> dict[str, Any]:
    labels = {
        "alertname": "ServiceDown",
        "severity": "critical",
        "job": f"shop-{number % 50}",
        "instance": f"i-{number}",
    }
    annotations = {"summary": "a service is down", "description": f"instance {number} does not answer"}
    starts = "2026-03-01T00:00:00Z"
    alert = {"status": "firing", "labels": labels, "annotations": annotations, "startsAt": starts}
    return alert | {"endsAt": "0001-01-01T00:00:00Z", "fingerprint": f"{number:016x}"}
