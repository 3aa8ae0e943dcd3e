"""Slow requests, on roles as they are served: a Prometheus that says nothing makes them slow. Whatever is asked for,
health, metrics and intake are answered within a second, and what a role answers from memory is answered."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from api_caller import with_state
from api_roles import applications

from bascule.api import Tokens
from bascule.api.limits import Limits
from bascule.api.serving import serve_until
from bascule.processes import ports
from bascule.spec import load

pytestmark = pytest.mark.integration
MANY = 40  # as many as the server has threads
TRIES = 5  # on a busy machine one may take long; of a role that is held up, every one does
ALERT = {"status": "firing", "labels": {"alertname": "A", "severity": "critical"}, "annotations": {}}
SLOW = {
    "console": ("/segments/now", "/executive/now", "/sla/now", "/charts/share", "/dashboards/technical/now"),
    "incidents": ("/api/incidents/1/summary",),
}
FROM_MEMORY = {"console": "/", "incidents": "/api/phase"}


@dataclass
class Silent:
    """A Prometheus that takes connections and says nothing, until it goes away."""

    listener: socket.socket

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def go(self) -> None:
        self.listener.close()


@dataclass
class Served:
    prometheus: Silent
    client: httpx.Client
    urls: dict[str, str]

    def takes_less_than_a_second(self, ask: Callable[[], httpx.Response]) -> bool:
        for _ in range(TRIES):
            begun = time.monotonic()
            ask().raise_for_status()
            if time.monotonic() - begun < 1:
                return True
        return False

    def deliver(self) -> httpx.Response:
        return self.client.post(f"{self.urls['incidents']}/api/webhook", json={"version": "4", "alerts": [ALERT]})


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Served]:
    spec = with_state(load("supersmartmatch"), tmp_path)
    tokens = Tokens(tmp_path)
    tokens.ensure()
    with ExitStack() as kept:
        prometheus = Silent(kept.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256)))
        free = ports.free_together(spec.stack.ports.model_dump()) | {"prometheus": prometheus.port}
        stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update=free)})
        spec = spec.model_copy(update={"stack": stack})
        headers = {"Authorization": f"Bearer {tokens.operator}"}
        limits = httpx.Limits(max_connections=MANY + 10)
        client = httpx.Client(headers=headers, timeout=120, trust_env=False, verify=False, limits=limits)
        served = Served(prometheus, kept.enter_context(client), {role: spec.stack.url(role) for role in SLOW})
        with applications(spec) as apps, serving({role: apps[role] for role in SLOW}, free):
            for url in served.urls.values():
                wait_until(lambda url=url: client.get(f"{url}/healthz").status_code == 200)
            yield served


@contextmanager
def serving(apps: dict[str, object], free: dict[str, int]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=serve_until, args=(stop, app, "127.0.0.1", free[r])) for r, app in apps.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(15)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError("the condition did not come true in time")


def refused(asked: list[Future[httpx.Response]]) -> int:
    return sum(each.done() and each.result().status_code == 503 for each in asked)


@pytest.mark.parametrize("role", SLOW)
def test_slow_requests_hold_up_neither_health_nor_metrics_nor_intake(house: Served, role: str) -> None:
    house.deliver().raise_for_status()
    url, pages = house.urls[role], SLOW[role] * MANY
    with ThreadPoolExecutor(MANY) as clients:
        asked: list[Future[httpx.Response]] = [clients.submit(house.client.get, url + page) for page in pages[:MANY]]
        try:
            for page in ("/healthz", "/metrics"):
                assert house.takes_less_than_a_second(lambda page=page: house.client.get(url + page)), page
            assert house.takes_less_than_a_second(house.deliver)
            assert house.client.get(url + FROM_MEMORY[role]).status_code == 200
            wait_until(lambda: refused(asked) >= MANY // 4)
        finally:
            house.prometheus.go()
    told = Counter(each.result().status_code for each in asked)
    assert sum(told.values()) - told[503] >= Limits().reading
    busy = [each.result() for each in asked if each.result().status_code == 503]
    assert all(each.headers["retry-after"] == "2" for each in busy if "busy" in each.text)
