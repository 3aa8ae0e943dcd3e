"""What Alertmanager hands to the reports' role while the journal is down: beginnings, told through a real Apprise, and
ends, told once a real Prometheus says so."""

from __future__ import annotations

import hashlib
import time

import pytest
from api_caller import operator, with_state

from bascule.delivery import Courier, Outbox
from bascule.sla import Archive
from bascule.sla.ends import FILE, Ends
from bascule.sla.role import create
from bascule.spec import load
from bascule.spec.model import Notify, Ports, Stack
from bascule.spec.receivers import AppriseUrl, PagerDuty, Receiver, Webhook

pytestmark = pytest.mark.integration
ALERT = {
    "status": "firing",
    "labels": {"alertname": "AlertsUnheard", "severity": "critical", "about": "ServiceDown"},
    "annotations": {"summary": "ServiceDown of redis", "description": "It is\nforged: down", "action": "Act on it"},
    "startsAt": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def role(tmp_path, webhook):
    (tmp_path / "url").write_text(webhook.url.replace("http://", "json://"))
    (tmp_path / "gone").write_text("json://127.0.0.1:1/")
    receivers = {
        "teams": Receiver(apprise=AppriseUrl(url_file=tmp_path / "url")),
        "away": Receiver(apprise=AppriseUrl(url_file=tmp_path / "gone")),
        "room": Receiver(webhook=Webhook(url="http://127.0.0.1:1/")),
    }
    spec = with_state(load("supersmartmatch"), tmp_path).model_copy(update={"notify": Notify(receivers=receivers)})
    outbox = Outbox(tmp_path / "o.sqlite")
    ends = Ends(spec, Courier({}, outbox), time.time)
    yield operator(create(spec, Archive(tmp_path / "reports"), outbox, ends), spec)
    outbox.close()


def test_a_receiver_that_alertmanager_does_not_know_is_told_for_it(role, webhook):
    answer = role.post("/api/relay/teams", json={"version": "4", "alerts": [ALERT]})
    assert (answer.status_code, answer.json()["received"]) == (200, 1)
    (post,) = webhook.posts
    assert post["title"].endswith("CRITICAL: AlertsUnheard: ServiceDown of redis")
    assert post["message"].splitlines() == ["firing: It is forged: down", "Do: Act on it"]


def test_what_was_not_delivered_alertmanager_tries_again(role):
    assert role.post("/api/relay/away", json={"alerts": [ALERT]}).status_code == 502


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("nobody", {"alerts": [ALERT]}, 404), ("teams", {"alerts": []}, 400), ("teams", {"alerts": [{}]}, 400)],
)
def test_what_it_is_not_there_for_is_refused(role, webhook, path, body, status):
    assert role.post(f"/api/relay/{path}", json=body).status_code == status
    assert webhook.posts == []


def test_a_beginning_that_alertmanager_tells_itself_is_told_once(role, webhook):
    assert role.post("/api/relay/room", json={"alerts": [ALERT]}).status_code == 200
    assert webhook.posts == []


RULES = """
groups:
  - name: services
    interval: 1s
    rules:
      - {alert: ServiceDown, expr: 'up{job="shop"} == 0', for: 2s, labels: {severity: critical}}
"""
GROUP = '{}/{alertname=~"RoleDown|AlertsUnheard"}:{about="ServiceDown", alertname="AlertsUnheard", job="shop"}'
OVER = {**ALERT, "status": "resolved", "endsAt": "2026-01-01T00:01:00Z"}
OVER |= {"labels": {**ALERT["labels"], "job": "shop"}}


class House:
    """A service, the Prometheus that watches it, and the reports' role, whose people have a webhook and PagerDuty."""

    def __init__(self, folder, service, prometheus, webhook):
        (folder / "key").write_text("secret")
        self.folder, self.service, self.prometheus, self.webhook = folder, service, prometheus, webhook
        pager = PagerDuty(routing_key_file=folder / "key", url=webhook.url)
        people = Notify(receivers={"room": Receiver(webhook=Webhook(url=webhook.url), pagerduty=pager)})
        ports = Ports(prometheus=prometheus.port)
        changed = {"notify": people, "stack": Stack(state=folder, ports=ports)}
        self.spec = load("supersmartmatch").model_copy(update=changed)
        self.open()

    def open(self):
        self.outbox = Outbox(self.folder / "o.sqlite")
        self.courier = Courier(self.spec.notify.receivers, self.outbox)
        self.courier.start()
        self.ends = Ends(self.spec, self.courier, time.time)
        archive = Archive(self.folder / "reports")
        self.client = operator(create(self.spec, archive, self.outbox, self.ends), self.spec)

    def close(self):
        self.ends.close()
        self.courier.close()
        self.outbox.close()

    def claim(self):
        assert self.client.post("/api/relay/room", json={"groupKey": GROUP, "alerts": [OVER]}).status_code == 200

    def is_settled(self):
        self.ends.settle()
        return not self.ends.claims()


@pytest.fixture
def house(tmp_path, metrics_page, start_prometheus, webhook, eventually):
    service = metrics_page()
    prometheus = start_prometheus(scrape={"shop": [service.target]}, rules={"services.yml": RULES})
    made = House(tmp_path, service, prometheus, webhook)
    yield made
    made.close()


def test_an_end_waits_for_prometheus_through_a_restart_and_closes_what_alertmanager_opened(house, webhook, eventually):
    """With journal and Prometheus both away Alertmanager lets the alert expire: nobody knows of an end."""
    house.prometheus.kill()
    house.claim()
    house.claim()  # Alertmanager repeats what was not confirmed
    house.ends.settle()
    house.close()
    house.open()
    house.ends.settle()
    assert webhook.posts == []
    house.prometheus.start()
    eventually(house.is_settled, 60)
    eventually(lambda: len(webhook.posts) >= 2, 20)
    (pager,) = [post for post in webhook.posts if "event_action" in post]
    (plain,) = [post for post in webhook.posts if "event_action" not in post]
    assert (pager["event_action"], pager["dedup_key"]) == ("resolve", hashlib.sha256(GROUP.encode()).hexdigest())
    assert (plain["status"], plain["subject"].rpartition("] ")[2]) == (
        "resolved",
        "RESOLVED: AlertsUnheard: ServiceDown of redis",
    )


def test_an_end_that_is_not_true_is_forgotten(house, webhook, eventually):
    """The alert that was told of goes on: Prometheus was away, or what watches the alert was."""
    house.service.up = False
    eventually(lambda: any(a.state == "firing" for a in house.prometheus.client.alerts()), 30)
    house.claim()
    eventually(house.is_settled, 30)
    assert house.outbox.all() == []


def test_claims_that_cannot_be_read_keep_nobody_from_hearing(house, tmp_path):
    (tmp_path / FILE).write_text("[{")
    assert Ends(house.spec, house.courier, time.time).claims() == []
