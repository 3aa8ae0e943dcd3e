"""The journal as a real process that is killed, or whose disk is full: what it has answered is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from small_disk import fill, small_disk

from bascule.api import IncidentsClient, Tokens
from bascule.errors import BasculeError
from bascule.incidents import STORE_FILE
from bascule.incidents.store import Store
from bascule.processes.ports import free
from bascule.spec import Spec, built_in_text, load

pytestmark = pytest.mark.integration
ALERTS, DISK = 300, 2 << 20


@dataclass
class Journal:
    """A process of the incidents role, and what it has answered with 200."""

    folder: Path
    state: Path
    port: int = field(default_factory=free)
    answered: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = self.folder / "spec.yaml"
        self.path.write_text(
            f"{built_in_text()}\nstack: {{state: {self.state}, ports: {{incidents: {self.port},"
            f" prometheus: {free()}, alertmanager: {free()}, judge: {free()}}}}}\n"
        )
        self.spec: Spec = load(self.path)

    def start(self, eventually: Callable[..., object]) -> None:
        argv = [sys.executable, "-m", "bascule", "serve", str(self.path), "--role", "incidents"]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(argv, stdout=said, stderr=said, cwd=self.folder)
        eventually(self._answers, 60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "said").read_text()
        try:
            return httpx.get(f"{self.spec.stack.url('incidents')}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def deliver(self, *numbers: int, status: str = "firing") -> int:
        """Post as Alertmanager does; the status of the answer, 0 where none came."""
        labels = {"alertname": "ServiceDown", "severity": "critical"}
        ends = "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-01T00:01:00Z"
        alerts = [
            {"status": status, "labels": labels | {"job": f"shop-{number}"}, "annotations": {"summary": "x" * 500}}
            | {"startsAt": "2026-03-01T00:00:00Z", "endsAt": ends, "fingerprint": f"f{number}"}
            for number in numbers
        ]
        token = {"Authorization": f"Bearer {Tokens(self.state).webhook}"}
        url = f"{self.spec.stack.url('incidents')}/api/webhook"
        try:
            answer = httpx.post(url, json={"alerts": alerts}, headers=token, trust_env=False, timeout=20)
        except httpx.TransportError:
            return 0
        if answer.is_success:
            self.answered |= {f"f{number}": status for number in numbers}
        return answer.status_code

    def kept(self) -> dict[str, str]:
        """What another process reads in the file."""
        store = Store(self.state / STORE_FILE, now=0.0)
        try:
            return {
                each.fingerprint: "firing" if each.ends is None else "resolved"
                for each in store.incidents()
                if not each.fingerprint.startswith("direct:")
            }
        finally:
            store.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_end_that_was_acknowledged_is_lost_by_a_kill_at_any_moment(tmp_path, eventually, seed) -> None:
    """Alertmanager does not repeat what was answered with 200: the incident would be open for ever."""
    journal = Journal(tmp_path, tmp_path / "state")
    journal.start(eventually)
    try:
        assert journal.deliver(*range(ALERTS)) == 200
        ender = threading.Thread(
            target=lambda: [journal.deliver(number, status="resolved") for number in range(ALERTS)]
        )
        before = random.Random(seed).randrange(1, ALERTS // 4)
        ender.start()
        eventually(lambda: list(journal.answered.values()).count("resolved") >= before, 30)
        journal.kill()
        ender.join(60)
        told = dict(journal.answered)
        assert before <= list(told.values()).count("resolved") < ALERTS
        kept = journal.kept()
        assert {name: kept[name] for name, status in told.items() if status == "resolved"} == {
            name: status for name, status in told.items() if status == "resolved"
        }
        journal.start(eventually)
        client = IncidentsClient(journal.spec)
        assert len(client.incidents()) == ALERTS
        client.close()
    finally:
        if journal.process.poll() is None:
            journal.kill()


def test_on_a_full_disk_nothing_is_said_to_be_done_that_a_kill_forgets(tmp_path, eventually) -> None:
    """Refused with the file, what it needs and what there is; done once there is room."""
    with small_disk(tmp_path / "disk", DISK) as is_mounted:
        if not is_mounted:
            pytest.skip("only root may mount the small disk that this wants")
        journal = Journal(tmp_path, tmp_path / "disk" / "state")
        journal.start(eventually)
        client = IncidentsClient(journal.spec)
        try:
            assert journal.deliver(0, 1) == 200
            ballast = fill(tmp_path / "disk")
            eventually(lambda: journal.deliver(*range(2, ALERTS)) == 507, 20)
            assert journal.deliver(0, status="resolved") == 507
            for act in (
                lambda: client.acknowledge(1, "ada"),
                lambda: client.annotate("looking", "ada"),
                lambda: client.move("pause", "ada", "lunch"),
            ):
                with pytest.raises(BasculeError, match=r"incidents\.sqlite: .*full") as refused:
                    act()
                assert "left" in refused.value.fix
            ready = httpx.get(f"{journal.spec.stack.url('incidents')}/readyz", trust_env=False)
            assert (ready.status_code, "in memory" in ready.text) == (503, True)
            journal.kill()
            ballast.unlink()
            assert journal.kept() == {"f0": "firing", "f1": "firing"} == journal.answered
            journal.start(eventually)
            assert journal.deliver(0, status="resolved") == 200
            client.acknowledge(1, "ada")
            journal.kill()
            assert journal.kept()["f0"] == "resolved"
        finally:
            client.close()
            if journal.process.poll() is None:
                journal.kill()
