"""What the launcher tells Prometheus about the processes it keeps running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.api.models.others import ProcessAnswer
from bascule.api.rights import Lane, Right, needs
from bascule.api.server import application, serve
from bascule.conventions import ROLE_RESTARTS
from bascule.processes.supervisor import ProcessState, Supervisor
from bascule.processes.workers import Workers
from bascule.spec import Spec

__all__ = ["RestartsCollector", "create", "metrics_served", "rows"]

ROLE = "supervisor"
JOIN_SECONDS = 10.0


class RestartsCollector(Collector):
    """Reads the supervisor's counts at each scrape; a process is listed from its first start, at zero."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(ROLE_RESTARTS.name, ROLE_RESTARTS.help, labels=ROLE_RESTARTS.labels)
        for name, restarts in sorted(self._supervisor.restarts.copy().items()):
            family.add_metric([name], restarts)
        yield family


def create(spec: Spec, supervisor: Supervisor) -> FastAPI:
    def problems() -> list[str]:
        return [f"{each.name} is {each.state}" for each in supervisor.states() if each.state != "running"]

    registry = CollectorRegistry()
    registry.register(RestartsCollector(supervisor))
    app = application(spec, ROLE, registry, ready=problems, work=(supervisor.workers,))

    @app.get("/api/status", **needs(Right.READ, lane=Lane.FREE))
    def status() -> list[ProcessAnswer]:
        """The processes that are kept running, in the order of their start."""
        return rows(spec, supervisor)

    return app


def rows(spec: Spec, supervisor: Supervisor) -> list[ProcessAnswer]:
    return [_row(spec, process) for process in supervisor.states()]


def _row(spec: Spec, process: ProcessState) -> ProcessAnswer:
    return ProcessAnswer(
        process=process.name,
        state=process.state,
        pid=process.pid,
        since=datetime.fromtimestamp(process.since, UTC).isoformat(timespec="seconds"),
        restarts=process.restarts,
        address=spec.stack.url(process.name),
    )


@contextmanager
def metrics_served(spec: Spec, supervisor: Supervisor) -> Iterator[None]:
    """Serve the launcher's metrics, readiness and status at `stack.ports.supervisor`."""
    ended = threading.Event()
    workers = Workers(ended)
    workers.start("serving", lambda: serve(ended, create(spec, supervisor), spec, ROLE))
    try:
        yield
    finally:
        ended.set()
        workers.join(JOIN_SECONDS)
