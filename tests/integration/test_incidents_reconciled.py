"""The journal beside a real Prometheus and Alertmanager that are killed, stopped and brought back."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing

import httpx
import pytest

from bascule import incidents
from bascule.api import IncidentsClient, Tokens
from bascule.prometheus import Prometheus
from bascule.prometheus.held import AskedRules
from bascule.spec import load
from bascule.spec.model import EscalationStep, Notify, Ports, Stack
from bascule.spec.receivers import Receiver, Webhook

ROUTE = """
route: {{receiver: machine, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: machine
    webhook_configs:
      - url: "http://127.0.0.1:{port}/api/webhook"
        send_resolved: true
        http_config: {{authorization: {{credentials: "{token}"}}}}
"""
pytestmark = pytest.mark.integration
RULES = """
groups:
  - name: services
    interval: 1s
    rules:
      - alert: ServiceDown
        expr: up{job="shop"} == 0
        for: 2s
        labels: {severity: critical}
        annotations: {summary: "shop is down", description: "shop has been down for 2 s"}
"""


@pytest.fixture
def house(tmp_path, free_port, webhook, metrics_page, start_prometheus, start_alertmanager, eventually):
    """A service, Prometheus, Alertmanager and the incidents role; people are a webhook."""
    port = free_port()
    service = metrics_page()
    state = tmp_path / "state"
    tokens = Tokens(state)
    tokens.ensure()
    alertmanager = start_alertmanager(config=ROUTE.format(port=port, token=tokens.webhook))
    prometheus = start_prometheus(
        scrape={"shop": [service.target]}, rules={"services.yml": RULES}, alertmanager=alertmanager.url
    )
    ports = Ports(incidents=port, prometheus=prometheus.port, alertmanager=alertmanager.port, judge=free_port())
    people = Receiver(webhook=Webhook(url=webhook.url))
    steps = {"technical": [EscalationStep(after=0, to="on-call")]}
    spec = load("supersmartmatch").model_copy(
        update={
            "stack": Stack(state=state, ports=ports),
            "notify": Notify(receivers={"on-call": people}, escalation=steps),
        }
    )
    stop = threading.Event()
    thread = threading.Thread(target=incidents.run, args=(spec, stop))
    thread.start()
    client = IncidentsClient(spec)
    eventually(lambda: answers(spec.stack.url("incidents") + "/health"))
    yield service, prometheus, alertmanager, client, webhook
    client.close()
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()


def answers(url):
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def subjects(webhook):
    return [post["subject"].rpartition("] ")[2] for post in webhook.posts]


def test_a_stopped_prometheus_resolves_nothing_and_its_return_does(house, eventually):
    """Alertmanager lets the alert expire a few seconds after Prometheus has stopped repeating it."""
    service, prometheus, _, client, webhook = house
    service.up = False
    eventually(lambda: subjects(webhook) == ["CRITICAL: ServiceDown"], 20)
    prometheus.kill()
    eventually(lambda: client.incidents()[0].status == "unknown", 40)
    assert subjects(webhook) == ["CRITICAL: ServiceDown"]
    service.up = True
    prometheus.start()
    eventually(lambda: client.incidents()[0].status == "resolved", 40)
    eventually(lambda: subjects(webhook) == ["CRITICAL: ServiceDown", "RESOLVED: ServiceDown"])


def test_a_hung_alertmanager_keeps_nobody_from_being_told_within_twelve_seconds(house, eventually):
    service, _, alertmanager, client, webhook = house
    os.kill(alertmanager.pid, signal.SIGSTOP)
    try:
        failed = time.monotonic()
        service.up = False
        eventually(lambda: subjects(webhook) == ["CRITICAL: ServiceDown"], 20)
        assert time.monotonic() - failed < 12
    finally:
        os.kill(alertmanager.pid, signal.SIGCONT)
    eventually(lambda: client.incidents()[0].deliveries > 1, 20)
    assert len(client.incidents()) == 1


def test_an_end_that_nobody_delivered_is_found_and_the_next_failure_is_a_new_incident(house, eventually):
    """Alertmanager is away while the service comes back; the acknowledged incident swallows no later failure."""
    service, _, alertmanager, client, webhook = house
    service.up = False
    eventually(lambda: subjects(webhook) == ["CRITICAL: ServiceDown"], 20)
    client.acknowledge(client.incidents()[0].id, "ada")
    alertmanager.kill()
    service.up = True
    eventually(lambda: client.incidents()[0].status == "resolved", 40)  # the house's Prometheus has just started
    service.up = False
    eventually(lambda: len(client.incidents()) == 2, 20)
    eventually(lambda: subjects(webhook).count("CRITICAL: ServiceDown") == 2, 20)


def test_an_alert_warms_up_at_the_pace_of_its_own_group(start_prometheus, eventually):
    """What pages within a minute ends as soon as it can after a start; a group of every minute takes its time."""
    often = RULES.replace("ServiceDown", "Often").replace("services", "often")
    seldom = (
        RULES.replace("ServiceDown", "Seldom").replace("services", "seldom").replace("interval: 1s", "interval: 1m")
    )
    server = start_prometheus(scrape={}, rules={"often.yml": often, "seldom.yml": seldom})
    with closing(Prometheus(server.url)) as prometheus:
        rules = AskedRules(prometheus, 1.0)
        eventually(lambda: rules.word(time.time()).known == {"Often", "Seldom"}, 10)
        word = rules.word(time.time())
    assert (word.warm_up("Often"), word.warm_up("Seldom")) == (10.0, 244.0)
