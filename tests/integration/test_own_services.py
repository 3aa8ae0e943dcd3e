"""A user's own two services: other metric names, told apart by `job` alone, no segments; watched by `bascule up`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule import stack
from bascule.api import IncidentsClient
from bascule.processes import ports
from bascule.spec import Spec, load

pytestmark = pytest.mark.integration

PER_SECOND = 50.0


@dataclass(eq=False)
class Shop(Collector):
    """Checkouts come evenly; the share that fails can be changed while it runs."""

    failing: float = 0.0
    done: float = 0.0
    failed: float = 0.0
    at: float = field(default_factory=time.monotonic)

    def collect(self) -> Iterator[Metric]:
        now = time.monotonic()
        new, self.at = (now - self.at) * PER_SECOND, now
        self.failed += new * self.failing
        self.done += new * (1 - self.failing)
        family = CounterMetricFamily("checkouts", "Checkouts.", labels=("outcome",))
        family.add_metric(("failed",), round(self.failed))
        family.add_metric(("ok",), round(self.done))
        yield family


@dataclass
class House:
    spec: Spec
    shops: dict[str, Shop]

    def ask(self, part: str, path: str) -> dict:
        return httpx.get(self.spec.stack.url(part) + path, timeout=5, trust_env=False).raise_for_status().json()

    def verdict(self) -> str:
        return self.ask("judge", "/api/verdict")["verdict"]

    def set_phase(self, number: int, share: float) -> None:
        IncidentsClient(self.spec).set_phase(number, "test", "test", share, force=True)


def written(folder: Path, targets: dict[str, str]) -> Path:
    parts = ("prometheus", "alertmanager", "supervisor", "judge", "logs", "incidents", "console", "sla")
    document = {
        "apiVersion": "bascule/v1",
        "kind": "Migration",
        "metadata": {"name": "shop"},
        "versions": {
            "baseline": "old",
            "candidate": "new",
            "select": {"old": 'job="shop-old"', "new": 'job="shop-new"'},
        },
        "services": {f"shop-{name}": {"targets": [target], "version": name} for name, target in targets.items()},
        "signals": {
            "failures": {
                "kind": "ratio",
                "bad": 'checkouts_total{outcome="failed"}',
                "total": "checkouts_total",
                "better": "lower",
                "harmful_increase": "1pt",
            }
        },
        "phases": [{"share": "50%", "hold": "5s", "gates": {"failures": "<5%"}}, {"share": "100%", "hold": "1d"}],
        "judge": {"min_samples": 50, "recovery": "5s"},
        "stack": {"state": str(folder / "state"), "ports": {part: ports.free() for part in parts}},
    }
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    shops, targets, servers = {}, {}, []
    for name in ("old", "new"):
        registry = CollectorRegistry()
        shops[name] = Shop()
        registry.register(shops[name])
        port = ports.free()
        servers.append(start_http_server(port, "127.0.0.1", registry))
        targets[name] = f"127.0.0.1:{port}"
    path = written(tmp_path_factory.mktemp("shop"), targets)
    spec, stop, ready, said = load(path), threading.Event(), threading.Event(), []
    thread = threading.Thread(target=stack.up, args=(spec, path, said.append, stop, ready))
    thread.start()
    try:
        assert ready.wait(90), said
        yield House(spec, shops)
    finally:
        stop.set()
        thread.join()
        for server, serving in servers:
            server.shutdown()
            server.server_close()
            serving.join()


def test_the_versions_are_seen_compared_and_promoted_then_a_fault_is_caught(house, eventually):
    eventually(lambda: house.verdict() == "hold", 30)
    house.set_phase(1, 0.5)
    eventually(lambda: house.verdict() == "promote", 60)
    (signal,) = [row for row in house.ask("judge", "/api/verdict")["signals"] if row["segment"] == "all"]
    assert (signal["signal"], signal["state"]) == ("failures", "ok")
    assert min(signal["samples_baseline"], signal["samples_candidate"]) > 100

    house.shops["new"].failing = 0.2
    eventually(lambda: house.verdict() == "roll_back", 30)
    incident = eventually(lambda: opened(house, "CandidateWorse"), 15)
    assert incident["labels"]["signal"] == "failures"

    house.shops["new"].failing = 0.0
    house.set_phase(0, 0.0)
    eventually(lambda: not opened(house, "CandidateWorse"), 60)


def opened(house: House, alert: str) -> dict | None:
    known = house.ask("incidents", "/api/incidents")
    return next((each for each in known if each["alert"] == alert and each["status"] == "open"), None)
