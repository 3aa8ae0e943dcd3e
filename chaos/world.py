"""The world of `notices`: a real Prometheus, Alertmanager and incident journal, whose parts can be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bascule.api import IncidentsClient, Tokens
from bascule.api.tokens import FOLDER, WEBHOOK, write_private
from bascule.processes import ports
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import load
from bascule.stack.plan import Layout, plan
from chaos.people import Channel, Hook, Post
from chaos.standin import Page, Poster, StandInJudge
from chaos.truth import Span, Switch
from chaos.web import HOST

PYTHON = "BASCULE_CHAOS_PYTHON"  # of the build that is tried; by default this one
PROGRAMS = ("prometheus", "alertmanager", "journal")
READY_SECONDS = 60.0
RULES = """
groups:
  - name: queues
    interval: 1s
    rules:
      - alert: QueueLong
        expr: queue_waiting > 0
        for: 3s
        labels: {severity: warning}
        annotations: {summary: "The queue is long", description: "{{ $labels.job }} has a long queue"}
      - alert: QueueStuck
        expr: queue_stuck > 0
        for: 14s
        labels: {severity: critical}
        annotations: {summary: "The queue is stuck", description: "{{ $labels.job }} has a stuck queue"}
"""
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: world}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["{shop}"], version: v1}}
  shop-v2: {{targets: ["{shop}"], version: v2}}
{units}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}]
notify:
  receivers:
    on-call:
      email: {{smtp: "127.0.0.1:{smtp}", sender: bascule@world.example, to: [ada@world.example], tls: none}}
      webhook: {{url: "http://127.0.0.1:{hook_a}/"}}
    desk: {{webhook: {{url: "http://127.0.0.1:{hook_b}/"}}}}
  escalation: {{technical: [{{after: 0m, to: on-call}}], business: [{{after: 0m, to: on-call}}]}}
stack:
  state: {state}
  ports: {{{ports}}}
"""


class World:
    """Everything, healthy; what is lost and when is in `alive`."""

    def __init__(self, folder: Path, units: list[str], slow: Callable[[], float]) -> None:
        self.folder = folder
        self.python = os.environ.get(PYTHON, sys.executable)
        self.pages = {unit: Page(ports.free()) for unit in units}
        self.shop = Page(ports.free())
        self.channels: dict[str, Channel] = {
            "mail": Post("mail", ports.free(), slow),
            "hook-a": Hook("hook-a", ports.free(), slow),
            "hook-b": Hook("hook-b", ports.free(), slow),
        }
        self.spec_path = folder / "spec.yaml"
        self.spec_path.write_text(self._spec())
        self.spec = load(self.spec_path)
        self.layout = Layout(self.spec.stack.state)
        self.alive = {name: Switch() for name in (*PROGRAMS, "judge")}
        self._run = Switch()  # of Alertmanager, from start to kill: what it keeps in memory
        self.losses = dict.fromkeys((*PROGRAMS, "judge", *self.channels), 0)
        self.supervisor = Supervisor(lambda _: None)
        self._slowed: dict[str, threading.Event] = {}

    def _spec(self) -> str:
        names = ("prometheus", "alertmanager", "supervisor", "judge", "logs", "incidents", "sla", "console")
        given = ", ".join(f"{name}: {ports.free()}" for name in names)
        units = "\n".join(f'  {name}: {{targets: ["{HOST}:{page.port}"]}}' for name, page in self.pages.items())
        at = {name.replace("-", "_"): channel.port for name, channel in self.channels.items()}
        return SPEC.format(
            shop=f"{HOST}:{self.shop.port}", units=units, smtp=at["mail"], hook_a=at["hook_a"], hook_b=at["hook_b"],
            state=self.folder / "state", ports=given,
        )  # fmt: skip

    # ------------------------------------------------------------ beginning and end

    def open(self) -> None:
        for channel in self.channels.values():
            channel.start()
        for name in ("supervisor", "logs", "console"):
            Page(getattr(self.spec.stack.ports, name))
        threading.Thread(target=self._serve_shop, daemon=True).start()
        self._configure()
        known = {program.name: program for stage in plan(self.spec, self.spec_path) for program in stage}
        self._programs = {
            "prometheus": replace(known["prometheus"], alive=None),
            "alertmanager": replace(known["alertmanager"], alive=None),
            "journal": self._role("journal", "incidents"),
            "sla": self._role("sla", "sla"),
        }
        self.supervisor.__enter__()
        self.judge = StandInJudge(self.spec)
        self.alive["judge"].set(True, time.time())
        self.supervisor.start(self._programs["sla"])
        for name in ("alertmanager", "journal", "prometheus"):
            self.start(name)
        self.poster = Poster(self.spec.stack.url("alertmanager"))
        self.client = IncidentsClient(self.spec, seconds=5.0)

    def _role(self, name: str, role: str) -> Program:
        argv = [self.python, "-m", "bascule", "serve", str(self.spec_path), "--role", role]
        is_ready = answers(f"{self.spec.stack.url(role)}/health")
        return Program(name, argv, cwd=self.folder, log=self.layout.log(name), ready=is_ready, ready_timeout=60)

    def close(self) -> None:
        self.supervisor.close()

    def _configure(self) -> None:
        tokens = Tokens(self.layout.state)
        tokens.ensure()
        argv = [self.python, "-m", "bascule", "generate", str(self.spec_path), "--out", str(self.layout.config)]
        subprocess.run(argv, check=True, capture_output=True, cwd=self.folder)
        write_private(self.layout.config / FOLDER / WEBHOOK, tokens.webhook)
        (self.layout.config / "prometheus" / "rules" / "queues.yml").write_text(RULES)

    def _serve_shop(self) -> None:
        begun = time.time()
        while True:
            number = int((time.time() - begun) * 20)
            self.shop.text = "".join(
                f'http_requests_total{{version="{version}",status="{status}"}} {value}\n'
                for version in ("v1", "v2")
                for status, value in (("200", number), ("500", 0))
            )
            time.sleep(0.2)

    # ------------------------------------------------------------ losing parts

    def start(self, name: str) -> None:
        program: Program = self._programs[name]
        if not self.supervisor.is_running(name):
            self.supervisor.start(program)
            self._note_run(name, True)
        self.alive[name].set(True, time.time())

    def kill(self, name: str) -> None:
        self.alive[name].set(False, time.time())
        if name == "judge":
            self.judge.kill()
        else:
            self.supervisor.kill(name)
            self._note_run(name, False)

    def _note_run(self, name: str, on: bool) -> None:
        if name == "alertmanager":
            self._run.set(on, time.time())

    def runs(self, end: float) -> list[Span]:
        """From when to when Alertmanager ran without being killed."""
        return self._run.spans(end)

    def restart(self, name: str) -> None:
        if name == "judge":
            self.judge.restart()
            self.alive["judge"].set(True, time.time())
        else:
            self.start(name)

    def freeze(self, name: str) -> None:
        self.alive[name].set(False, time.time())
        if name == "judge":
            self.judge.hung = True
        else:
            os.kill(self.supervisor.pid(name), signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        if name == "judge":
            self.judge.hung = False
        else:
            os.kill(self.supervisor.pid(name), signal.SIGCONT)
        self.alive[name].set(True, time.time())

    def lose(self, name: str, how: str, seconds: float, stop: threading.Event) -> None:
        """Lose a part in one way for a while."""
        self.losses[name] += 1
        if name in self.channels:
            self.channels[name].set_mode(how)
            stop.wait(seconds)
            self.channels[name].set_mode("")
        elif how == "killed":
            self.kill(name)
            stop.wait(seconds)
            self.restart(name)
        elif how == "restarted":
            self.kill(name)
            self.restart(name)
        elif how == "stopped":
            self.freeze(name)
            stop.wait(seconds)
            self.thaw(name)
        else:
            self._slow(name, seconds, stop)

    def _slow(self, name: str, seconds: float, stop: threading.Event) -> None:
        """It runs a third of the time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not stop.is_set():
            self.freeze(name)
            time.sleep(0.6)
            self.thaw(name)
            self.alive[name].set(False, time.time())
            time.sleep(0.3)
        self.alive[name].set(True, time.time())

    def is_quiet(self) -> bool:
        """Whether the journal has nothing open that is about us."""
        about = ("unit-", "CandidateWorse", "SlaBudgetBurn")
        known = self.client.incidents()
        return not any(each.is_open and any(word in f"{each.alert} {each.labels}" for word in about) for each in known)

    def wait_until_quiet(self, seconds: float) -> bool:
        def quiet() -> bool:
            try:
                return self.is_quiet()
            except Exception:  # noqa: BLE001  # it has just come back
                return False

        return wait_until(quiet, seconds, pause=1.0)
