"""What the launcher tells Prometheus about the processes it keeps running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.conventions import ROLE_RESTARTS
from bascule.processes.serving import add_metrics_page, serve_until
from bascule.processes.supervisor import Supervisor
from bascule.spec import Spec

__all__ = ["RestartsCollector", "metrics_served"]


class RestartsCollector(Collector):
    """Reads the supervisor's counts at each scrape; a process stands there from its first start, at zero."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(ROLE_RESTARTS.name, ROLE_RESTARTS.help, labels=ROLE_RESTARTS.labels)
        for name, restarts in sorted(self._supervisor.restarts.copy().items()):
            family.add_metric([name], restarts)
        yield family


@contextmanager
def metrics_served(spec: Spec, supervisor: Supervisor) -> Iterator[None]:
    """Serve `/metrics` and `/health` of the launcher at `stack.ports.supervisor`."""
    registry = CollectorRegistry()
    registry.register(RestartsCollector(supervisor))
    app = FastAPI(title="Bascule's launcher")
    add_metrics_page(app, registry)
    ended = threading.Event()
    serving = threading.Thread(
        target=serve_until, args=(ended, app, spec.stack.listen, spec.stack.ports.supervisor), name="supervisor-http"
    )
    serving.start()
    try:
        yield
    finally:
        ended.set()
        serving.join()
