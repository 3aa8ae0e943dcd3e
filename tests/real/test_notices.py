"""Parts of the monitoring that are lost, and a full disk: who is told all the same. `make real NAME=notices`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from chaos.people import Hook
from chaos.standin import Page
from small_disk import fill, small_disk

from bascule import incidents
from bascule.api import IncidentsClient, Tokens
from bascule.errors import BasculeError
from bascule.generate import generate
from bascule.incidents.store import Store
from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import answers
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import parse

pytestmark = pytest.mark.real
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop: {{targets: ["{shop}"]}}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}]
notify:
  receivers: {{first: {{{first}}}, later: {{webhook: {{url: "http://127.0.0.1:1/"}}}}}}
  escalation: {{technical: [{{after: 0m, to: first}}, {{after: 1h, to: later}}]}}
share_hook: {{run: ["sh", "-c", "echo {{share}} > {hook}"]}}
stack: {{state: {state}, ports: {{{ports}}}}}
"""


class Rooms:
    """Prometheus and Alertmanager with all that is generated for a spec; the journal is whoever starts it."""

    def __init__(self, folder: Path, shop, judge, hook: Path, first: str):
        ports = {name: free() for name in ("incidents", "prometheus", "alertmanager", "sla")}
        ports["judge"] = judge.port
        state, listed = folder / "state", ", ".join(f"{name}: {port}" for name, port in ports.items())
        given = {
            "shop": f"127.0.0.1:{shop.port}",
            "first": first,
            "state": state,
            "hook": hook,
            "ports": listed,
        }
        self.path = folder / "spec.yaml"
        self.path.write_text(SPEC.format(**given))
        self.spec = parse(self.path.read_text())
        config = folder / "config"
        for name, text in generate(self.spec).items():
            if name.startswith(("prometheus/", "alertmanager/")):
                (config / name).parent.mkdir(parents=True, exist_ok=True)
                (config / name).write_text(text)
        Tokens(state).ensure()
        (config / "secrets").mkdir()
        (config / "secrets" / "alertmanager-webhook-token").write_text(Tokens(state).webhook)
        self.supervisor = Supervisor(lambda _: None)
        self.programs = [
            self._program("prometheus", config / "prometheus" / "prometheus.yml", ["--rules.alert.resend-delay=5s"]),
            self._program("alertmanager", config / "alertmanager" / "alertmanager.yml", ["--cluster.listen-address="]),
        ]

    def _program(self, name: str, config: Path, flags: list[str]) -> Program:
        port = getattr(self.spec.stack.ports, name)
        binary = str(programs.find("prometheus" if name == "prometheus" else "prometheus-alertmanager"))
        storage = "--storage.tsdb.path" if name == "prometheus" else "--storage.path"
        data = config.parent / "data"
        argv = [binary, f"--config.file={config}", f"{storage}={data}", f"--web.listen-address=127.0.0.1:{port}"]
        return Program(name, [*argv, *flags], ready=answers(f"http://127.0.0.1:{port}/-/ready"))

    def __enter__(self):
        self.supervisor.__enter__()
        for program in self.programs:
            self.supervisor.start(program)
        return self

    def __exit__(self, *_):
        self.supervisor.close()


@pytest.fixture
def page():
    pages = []

    def make(text=""):
        pages.append(Page(free()))
        pages[-1].text = text
        return pages[-1]

    yield make
    for each in pages:
        each.close()


@pytest.fixture
def people():
    hook = Hook("people", free(), lambda: 0.0)
    hook.start()
    yield hook
    hook.stop()


def hook_of(people):
    return f'webhook: {{url: "http://127.0.0.1:{people.port}/"}}'


@pytest.fixture
def rooms(tmp_path, page, people):
    shop, judge = page(), page("bascule_judge_last_tick_timestamp_seconds 1e12\n")
    with Rooms(tmp_path, shop, judge, tmp_path / "share", hook_of(people)) as rooms:
        yield rooms, shop, judge, people


def test_whom_alertmanager_does_not_know_the_reports_role_tells_while_the_journal_is_dead(
    tmp_path, page, people, eventually
):
    (tmp_path / "chat").write_text(f"json://127.0.0.1:{people.port}/")
    shop, judge = page(), page("bascule_judge_last_tick_timestamp_seconds 1e12\n")
    with Rooms(tmp_path, shop, judge, tmp_path / "share", f"apprise: {{url_file: {tmp_path}/chat}}") as house:
        role = [sys.executable, "-m", "bascule", "serve", str(house.path), "--role", "sla"]
        house.supervisor.start(Program("sla", role, ready=answers(f"{house.spec.stack.url('sla')}/health")))
        shop.up = False
        eventually(lambda: any("ServiceDown" in told.text for told in people.told), 60)


@pytest.mark.parametrize("fault", ["ServiceDown", "CandidateWorse"])
def test_while_the_journal_is_dead_the_first_step_hears_within_a_minute(rooms, eventually, fault):
    """From Alertmanager; and of the end once it is one, not when the journal comes back."""
    house, shop, judge, people = rooms
    eventually(lambda: httpx.get(f"{house.spec.stack.url('prometheus')}/api/v1/rules", trust_env=False).is_success)
    begun = time.monotonic()
    if fault == "ServiceDown":
        shop.up = False
    else:
        judge.text += 'bascule_signal_alarm{signal="errors",user_segment="all"} 1\n'
    eventually(lambda: any(fault in str(told.direct) for told in people.told), 90)
    print(f"{fault}: told after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 60


def test_no_end_is_told_while_journal_and_prometheus_are_both_away_and_a_new_failure_is(
    tmp_path, page, people, eventually
):
    """Alertmanager lets the alert expire. Its end is told when Prometheus is back and says so, the next failure too."""
    shop, judge = page(), page("bascule_judge_last_tick_timestamp_seconds 1e12\n")
    with Rooms(tmp_path, shop, judge, tmp_path / "share", hook_of(people)) as house:
        role = [sys.executable, "-m", "bascule", "serve", str(house.path), "--role", "sla"]
        house.supervisor.start(
            Program("sla", role, ready=answers(f"{house.spec.stack.url('sla')}/health"), ready_timeout=60)
        )
        shop.up = False
        eventually(lambda: any("ServiceDown" in str(told.direct) for told in people.told), 90)
        house.supervisor.kill("prometheus")
        eventually(lambda: claimed(house.spec), 180)
        assert not any("resolved" in str(told) or "RESOLVED" in told.subject for told in people.told)
        shop.up = True
        house.supervisor.start(house.programs[0])
        eventually(lambda: any("RESOLVED" in told.subject for told in people.told), 90)
        begun = len(people.told)
        shop.up = False
        eventually(lambda: any("ServiceDown" in str(told.direct) for told in people.told[begun:]), 150)


def claimed(spec):
    """What Alertmanager says has ended."""
    file = spec.stack.state / "claimed-ends.json"
    return file.exists() and len(file.read_text()) > 2


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 2 << 20) as is_mounted:
        if not is_mounted:
            pytest.skip("only root may mount the small disk that this wants")
        yield tmp_path / "disk"


def test_on_a_full_disk_nothing_moves_forward_and_everyone_is_told(disk, page, people, eventually, tmp_path):
    """A move forward is written down before the hook runs, so that share and journal never differ; the way back is
    never refused; a fault is told from memory and written down once there is room."""
    shop, judge = page(), page()
    spec = Rooms(disk, shop, judge, tmp_path / "share", hook_of(people)).spec
    stop = threading.Event()
    thread = threading.Thread(target=incidents.run, args=(spec, stop))
    thread.start()
    client = IncidentsClient(spec)
    try:
        eventually(answers(f"{spec.stack.url('incidents')}/health"), 20)
        client.set_phase(1, "ada", "go", 0.1, force=True)
        ballast = fill(disk)
        with pytest.raises(BasculeError):
            note_until_refused(client)
        with pytest.raises(BasculeError):
            client.set_phase(1, "ada", "more", 0.5, force=True)
        assert (tmp_path / "share").read_text().strip() == "0.1"
        assert client.phase().share == 0.1
        with pytest.raises(BasculeError, match="the move was made, and a stop of the journal forgets it"):
            client.set_phase(0, "ada", "back")
        assert client.phase().share == 0
        assert (tmp_path / "share").read_text().strip() == "0"
        assert deliver(spec) == 507  # Alertmanager tries it again
        eventually(lambda: any("ServiceDown" in told.subject for told in people.told), 20)
        ballast.unlink()
        eventually(lambda: httpx.get(f"{spec.stack.url('incidents')}/readyz", trust_env=False).is_success, 20)
    finally:
        client.close()
        stop.set()
        thread.join(20)
    journal = Store(spec.stack.state / incidents.STORE_FILE, time.time())
    assert [each.alert for each in journal.incidents()] == ["ServiceDown"]
    assert journal.phase().share == 0
    journal.close()


def note_until_refused(client):
    """The write-ahead log may have a little room left in its file."""
    for _ in range(500):
        client.annotate("x" * 2000, "ada", "note")


def deliver(spec):
    alert = {"status": "firing", "labels": {"alertname": "ServiceDown", "severity": "critical", "job": "shop"}}
    alert |= {"annotations": {"description": "shop is down"}, "startsAt": "2026-03-01T00:00:00Z", "fingerprint": "f"}
    token = {"Authorization": f"Bearer {Tokens(spec.stack.state).webhook}"}
    url = f"{spec.stack.url('incidents')}/api/webhook"
    return httpx.post(url, json={"alerts": [alert]}, headers=token, trust_env=False).status_code
