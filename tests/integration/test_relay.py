"""What Alertmanager hands to the reports' role while the journal is down, told through a real Apprise."""

from __future__ import annotations

import pytest
from api_caller import operator, with_state

from bascule.delivery import Outbox
from bascule.sla import Archive
from bascule.sla.role import create
from bascule.spec import load
from bascule.spec.model import Notify
from bascule.spec.receivers import AppriseUrl, Receiver, Webhook

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
    yield operator(create(spec, Archive(tmp_path / "reports"), outbox), spec)
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
    [("room", {"alerts": [ALERT]}, 404), ("nobody", {"alerts": [ALERT]}, 404), ("teams", {"alerts": []}, 400)],
)
def test_what_it_is_not_there_for_is_refused(role, webhook, path, body, status):
    assert role.post(f"/api/relay/{path}", json=body).status_code == status
    assert webhook.posts == []
