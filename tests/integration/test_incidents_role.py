"""The incidents role on a real Alertmanager: from a posted alert to the people, and back to silence."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from bascule import incidents
from bascule.api import IncidentsClient, Tokens
from bascule.api.tokens import WEBHOOK, write_private
from bascule.generate.alerting.alertmanager_config import alertmanager_config
from bascule.incidents import silences
from bascule.incidents.model import Window
from bascule.incidents.store import Store
from bascule.processes import programs
from bascule.prometheus import Alertmanager, PostedAlert
from bascule.spec import load
from bascule.spec.model import EscalationStep, Notify, Ports, ShareHook, Stack
from bascule.spec.receivers import Receiver, Webhook

pytestmark = pytest.mark.integration
ROUTE = """
route: {{receiver: machine, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: machine, webhook_configs: [{webhook}]}}]
"""


class People:
    """A receiver that writes down what it is told."""

    def __init__(self):
        self.told = []
        people = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                people.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}/"

    def subjects(self):
        return [told["subject"] for told in self.told]


@pytest.fixture
def people():
    made = People()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def spec(tmp_path, free_port, people):
    ports = Ports(alertmanager=free_port(), incidents=free_port(), prometheus=free_port())
    receivers = {name: Receiver(webhook=Webhook(url=people.url + name)) for name in ("on-call", "lead")}
    steps = [EscalationStep(after=0, to="on-call"), EscalationStep(after=2, to="lead")]
    return load("supersmartmatch").model_copy(
        update={
            "stack": Stack(state=tmp_path / "state", ports=ports),
            "notify": Notify(receivers=receivers, escalation={"technical": steps}),
            "share_hook": ShareHook(run=["touch", str(tmp_path / "moved-{percent}")]),
        }
    )


@pytest.fixture
def role(spec, eventually):
    stop = threading.Event()
    thread = threading.Thread(target=incidents.run, args=(spec, stop))
    thread.start()
    client = IncidentsClient(spec)
    eventually(lambda: _answers(spec.stack.url("incidents") + "/health"))
    yield client
    client.close()
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def alertmanager(spec, role, tmp_path, eventually):
    (webhook,) = alertmanager_config(spec)["receivers"][0]["webhook_configs"]  # as it is generated
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "alertmanager.yml").write_text(ROUTE.format(webhook=json.dumps(webhook)))
    write_private(tmp_path / "secrets" / WEBHOOK, Tokens(spec.stack.state).webhook)
    command = [
        str(programs.find("prometheus-alertmanager")), f"--config.file={tmp_path}/config/alertmanager.yml",
        f"--storage.path={tmp_path}/alertmanager", f"--web.listen-address=127.0.0.1:{spec.stack.ports.alertmanager}",
        "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, **programs.environment()})
    eventually(lambda: _answers(spec.stack.url("alertmanager") + "/-/ready"))
    client = Alertmanager(spec.stack.url("alertmanager"))
    yield client
    client.close()
    process.terminate()
    process.wait()


def _answers(url):
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def alert(ends_in: float, **labels: str) -> PostedAlert:
    now = datetime.now(UTC)
    labels = {"alertname": "CandidateWorse", "severity": "critical", "signal": "errors"} | labels
    begin, end = now - timedelta(seconds=1), now + timedelta(seconds=ends_in)
    return PostedAlert(labels, {"summary": "V2 is worse"}, begin, end, "")


def test_an_alert_reaches_people_and_climbs_and_ends_only_by_the_judges_own_word(
    role, alertmanager, people, eventually
):
    alertmanager.post([alert(60)])
    (incident,) = eventually(role.incidents)
    assert time.time() - incident.received.timestamp() < 5
    eventually(lambda: any("CRITICAL" in s for s in people.subjects()))
    eventually(lambda: sum("CRITICAL" in s for s in people.subjects()) == 2)
    alertmanager.post([alert(-0.5)])
    eventually(lambda: role.incidents()[0].status == "unknown")
    assert not any("RESOLVED" in s for s in people.subjects())
    keys = [told["key"] for told in people.told]
    assert len(keys) == len(set(keys))


def test_an_acknowledgement_in_time_keeps_the_next_level_asleep(role, alertmanager, people, eventually):
    alertmanager.post([alert(60)])
    (incident,) = eventually(role.incidents)
    eventually(lambda: len(people.told) == 1)
    role.acknowledge(incident.id, "ada")
    eventually(lambda: any("ACKNOWLEDGED by ada" in s for s in people.subjects()))
    eventually(lambda: time.time() > incident.received.timestamp() + 3.5)
    assert sum("CRITICAL" in s for s in people.subjects()) == 1


def test_maintenance_is_silent_in_alertmanager_and_its_end_is_loud_again(role, alertmanager, people, eventually):
    now = time.time()
    window = role.add_maintenance(now - 5, now + 3600, "upgrade", "ada", ["supersmartmatch-v2"])
    assert window.silence
    alertmanager.post([alert(60, alertname="ServiceDown", job="supersmartmatch-v2")])
    alertmanager.post([alert(60, alertname="RollbackTriggered", version="v2")])
    eventually(lambda: [each["status"]["state"] for each in alertmanager.alerts()] == ["suppressed"] * 2)
    assert role.incidents() == []
    role.end_maintenance(window.id, "ada")
    eventually(lambda: role.incidents(), 15)
    (kept,) = role.maintenance()
    assert kept.ends.timestamp() < now + 60


def test_silences_that_no_window_has_are_ended_and_lost_ones_set_again(alertmanager, spec, tmp_path):
    """An Alertmanager that hung sets a silence after we gave up; one that was killed forgets those it had."""
    store = Store(tmp_path / "i.sqlite", now=0)
    now = time.time()
    late = silences.silence(spec, Window(0, now, now + 600, "nobody knows of it"), store.identity)
    others = silences.silence(spec, Window(0, now, now + 600, "of another journal"), "other")
    kept = store.add_window(Window(0, now, now + 600, "upgrade", ("redis",), silence="lost-when-it-was-killed"))
    clock = [now]
    keeper = silences.Keeper(spec, store, lambda: clock[0])
    keeper.tend()
    clock[0] += silences.ORPHAN_SECONDS
    keeper.tend()
    held = {each.id for each in alertmanager.silences() if each.ends > time.time()}
    assert held == {others, store.window(kept.id).silence}
    assert late not in held
    store.close()


def test_moving_the_share_runs_the_hook_and_writes_who_and_why(role, tmp_path):
    step = role.set_phase(2, "ada", "gates passed", force=True)
    assert (step.number, step.share) == (2, 0.25)
    assert (tmp_path / "moved-25").exists()
    assert role.timeline()[-1].who == "ada"


def test_a_review_tells_the_whole_story_even_without_prometheus(role, alertmanager, people, eventually):
    alertmanager.post([alert(60)])
    (incident,) = eventually(role.incidents)
    role.note(incident.id, "rolled back by hand", "ada")
    eventually(lambda: role.notices())
    text = role.summary(incident.id)
    for part in ("CandidateWorse", "rolled back by hand", "on-call", "Prometheus could not be asked"):
        assert part in text


def test_a_test_goes_through_every_receiver_and_reports_each(spec, people):
    broken = Receiver(webhook=Webhook(url="http://127.0.0.1:9/"))
    notify = spec.notify.model_copy(update={"receivers": {**spec.notify.receivers, "broken": broken}})
    results = incidents.try_receivers(spec.model_copy(update={"notify": notify}), "ada")
    assert {r.receiver: r.result.value for r in results} == {
        "on-call": "delivered",
        "lead": "delivered",
        "broken": "failed",
    }
    assert all("TEST" in subject for subject in people.subjects())
