"""A real Prometheus writes its samples to the judge, which then asks for none, and sees the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import judge_house as house
import pytest
import yaml
from judge_recorded import HALF, TRAFFIC
from prometheus_client.parser import text_string_to_metric_families

from bascule.api.tokens import FOLDER, WEBHOOK, Tokens
from bascule.conventions import WRITE_PATH
from bascule.generate import generate
from bascule.judge import run
from bascule.processes import ports
from bascule.prometheus import Prometheus
from bascule.spec import Spec

pytestmark = pytest.mark.integration


@dataclass
class Written:
    """A judge to which a Prometheus writes."""

    spec: Spec
    prometheus: Prometheus
    two: Any

    @property
    def url(self) -> str:
        return self.spec.stack.url("judge")

    def reads(self, way: str) -> float:
        """How many answers came that way."""
        found = self._metrics().get(("bascule_judge_reads_total", way))
        assert found is not None
        return found

    def verdict(self) -> Any:
        return _got(f"{self.url}/api/verdict").json()

    def _metrics(self) -> dict[tuple[str, str], float]:
        page = _got(f"{self.url}/metrics").text
        return {
            (s.name, s.labels.get("way", "")): s.value
            for family in text_string_to_metric_families(page)
            for s in family.samples
        }


def _got(url: str) -> httpx.Response:
    try:
        return httpx.get(url, trust_env=False)
    except httpx.TransportError as error:
        raise AssertionError(str(error)) from error


@pytest.fixture
def written(start_prometheus, start_alertmanager, metrics_page, tmp_path) -> Iterator[Written]:
    spec, chosen = house.shop_spec(), ports.free()
    judge = spec.judge.model_copy(update={"push": True})
    stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update={"judge": chosen})})
    spec = spec.model_copy(update={"judge": judge, "stack": stack})
    told = yaml.safe_load(generate(spec)["prometheus/prometheus.yml"])["remote_write"]
    Tokens(tmp_path / "state").ensure()
    told[0]["authorization"]["credentials_file"] = str(tmp_path / "state" / FOLDER / WEBHOOK)
    pages = {name: metrics_page("") for name in ("shop-v1", "shop-v2", "plan")}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "500ms", "external_labels": {"site": "paris"}},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [page.target]}]} for name, page in pages.items()
        ],
        "remote_write": told,
    }
    prometheus = start_prometheus(config=yaml.safe_dump(config), flags=["--storage.remote.flush-deadline=1s"])
    external = {"prometheus": prometheus.url, "alertmanager": start_alertmanager().url}
    stack = spec.stack.model_copy(update={"external": external, "state": tmp_path / "state"})
    spec = spec.model_copy(update={"stack": stack})
    shops = house.Shop("v1", 1, {}), house.Shop("v2", 2, {}, accuracy=0.955, latency=0.014)
    for segment, rate in TRAFFIC.items():
        shops[0].rate[segment] = shops[1].rate[segment] = rate / 2
    pages["plan"].text = house.plan_text(2, time.time(), HALF)

    def show(shop, text):
        pages[f"shop-{shop.version}"].text = text

    stop = threading.Event()
    thread = threading.Thread(target=run, args=(spec, stop))
    with house.Running([*shops], show):
        thread.start()
        try:
            yield Written(spec, Prometheus(prometheus.url), shops[1])
        finally:
            stop.set()
            thread.join(20)


def test_what_prometheus_writes_is_judged_as_what_it_is_asked_for(written, eventually):
    """Once the samples come, none is asked for but to compare; evidence is that of who asks for everything."""
    eventually(lambda: written.reads("pushed") > 20, 60)
    pulled = written.reads("pulled")
    pushed = written.reads("pushed")
    eventually(lambda: written.reads("pushed") > pushed + 40, 60)
    assert written.reads("pulled") <= pulled + 12  # each selector once a minute
    written.two.errors = {"freemium": 0.12}
    eventually(lambda: any(line.get("alarm") for line in written.verdict()["signals"]), 30)


def test_who_may_not_deliver_may_not_write(written, eventually):
    eventually(lambda: written.verdict()["tick"], 30)
    for token in ("", "Bearer wrong"):
        assert sent(written, b"x", token).status_code == 401
    answer = sent(written, b"\xff" * 50, f"Bearer {Tokens(written.spec.stack.state).webhook}")
    assert (answer.status_code, "remote-write" in answer.text) == (400, True)


def sent(written: Written, body: bytes, token: str) -> httpx.Response:
    headers = {"Authorization": token, "Content-Type": "application/x-protobuf"}
    return httpx.post(written.url + WRITE_PATH, content=body, headers=headers, trust_env=False)
