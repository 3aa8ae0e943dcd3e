"""The world of `roles`: two judges and two Alertmanagers beside one Prometheus and one incident journal, all real."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bascule.api import IncidentsClient, JudgeClient, Tokens
from bascule.api.tokens import FOLDER, WEBHOOK, write_private
from bascule.processes import ports, programs
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import load
from bascule.stack.plan import Layout, plan
from chaos.people import Hook
from chaos.standin import Page
from chaos.web import HOST

JUDGES = ("judge-1", "judge-2")
ALERTMANAGERS = ("alertmanager-1", "alertmanager-2")
VICTIMS = (*JUDGES, *ALERTMANAGERS)
RULES = ("judge", "monitoring")  # others have windows that outlast an alarm
READY_SECONDS = 90.0
REQUESTS = 40  # per second and version
BAD_RATIO = 0.3  # of the candidate's, while it fails
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: pair}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop-v1: {{targets: ["{shop}"], version: v1}}, shop-v2: {{targets: ["{shop}"], version: v2}}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}]
judge: {{recovery: 8s, min_samples: 50}}
notify:
  receivers: {{on-call: {{webhook: {{url: "http://127.0.0.1:{hook}/"}}}}}}
  escalation: {{technical: [{{after: 0m, to: on-call}}], business: [{{after: 0m, to: on-call}}]}}
stack:
  state: {state}
  ports: {{{ports}}}
  external: {{alertmanager: "http://127.0.0.1:{first}"}}
  peers: {{alertmanager: ["http://127.0.0.1:{second}"], judge: ["http://127.0.0.1:{beside}"]}}
"""
ROLES = ("prometheus", "supervisor", "judge", "logs", "incidents", "sla", "console")


class Pair:
    """Everything runs, healthy, once it is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = Page(ports.free())
        self.hook = Hook("on-call", ports.free(), lambda: 0.0)
        self.fails = False
        own = {name: ports.free() for name in ROLES}
        self._beside, self._am = ports.free(), {name: ports.free() for name in ALERTMANAGERS}
        first, second = self._spec("spec.yaml", "state", own), self._spec("spec-2.yaml", "state-2", own | self._second)
        self.spec, self.layout = load(first), Layout(load(first).stack.state)
        known = {program.name: program for stage in plan(self.spec, str(first)) for program in stage}
        cluster = {name: ports.free() for name in ALERTMANAGERS}
        self._programs = {
            "prometheus": replace(known["prometheus"], alive=None),
            "journal": self._role("incidents", "incidents", first, own["incidents"]),
            "sla": self._role("sla", "sla", first, own["sla"]),
            "judge-1": self._role("judge-1", "judge", first, own["judge"]),
            "judge-2": self._role("judge-2", "judge", second, self._beside),
            **{name: self._alertmanager(name, cluster) for name in ALERTMANAGERS},
        }
        self.supervisor = Supervisor(lambda _: None)

    @property
    def _second(self) -> dict[str, int]:
        """The second judge reads the same spec, but for where it answers and what it keeps."""
        return {"judge": self._beside}

    def _spec(self, name: str, state: str, listening: dict[str, int]) -> Path:
        path = self.folder / name
        path.write_text(
            SPEC.format(
                shop=f"{HOST}:{self.shop.port}", hook=self.hook.port, state=self.folder / state, beside=self._beside,
                first=self._am["alertmanager-1"], second=self._am["alertmanager-2"],
                ports=", ".join(f"{role}: {port}" for role, port in listening.items()),
            )
        )  # fmt: skip
        return path

    def _role(self, name: str, role: str, spec: Path, port: int) -> Program:
        argv = [sys.executable, "-m", "bascule", "serve", str(spec), "--role", role]
        is_ready = answers(f"http://{HOST}:{port}/health")
        log = self.folder / "state" / f"{name}.log"
        return Program(name, argv, cwd=self.folder, log=log, ready=is_ready, ready_timeout=READY_SECONDS)

    def _alertmanager(self, name: str, cluster: dict[str, int]) -> Program:
        url, config = f"{HOST}:{self._am[name]}", self.layout.config / "alertmanager" / "alertmanager.yml"
        gossip = f"{HOST}:{cluster[name]}"
        argv = [
            str(programs.find("prometheus-alertmanager")),
            f"--config.file={config}",
            f"--storage.path={self.folder / name}",
            f"--web.listen-address={url}",
            f"--cluster.listen-address={gossip}",
            f"--cluster.advertise-address={gossip}",
            *(f"--cluster.peer={HOST}:{port}" for peer, port in cluster.items() if peer != name),
        ]
        log = self.folder / "state" / f"{name}.log"
        return Program(name, argv, log=log, ready=answers(f"http://{url}/-/ready"), ready_timeout=READY_SECONDS)

    def open(self) -> None:
        self.hook.start()
        for role in ("supervisor", "logs", "console"):
            Page(getattr(self.spec.stack.ports, role))
        threading.Thread(target=self._serve_shop, daemon=True).start()
        self._configure()
        self.supervisor.__enter__()
        for name in ("sla", *ALERTMANAGERS, "journal", "prometheus", *JUDGES):
            self.start(name)
        self.judges = JudgeClient(self.spec, seconds=2.0)
        self.journal = IncidentsClient(self.spec, seconds=10.0)
        self.journal.set_phase(1, "chaos", "go", force=True)

    def close(self) -> None:
        self.supervisor.close()

    def _configure(self) -> None:
        tokens = Tokens(self.layout.state)
        tokens.ensure()
        argv = [sys.executable, "-m", "bascule", "generate", str(self.folder / "spec.yaml")]
        done = subprocess.run([*argv, "--out", str(self.layout.config)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        for rules in (self.layout.config / "prometheus" / "rules").glob("*.yml"):
            if rules.stem not in RULES:
                rules.unlink()
        write_private(self.layout.config / FOLDER / WEBHOOK, tokens.webhook)

    def _serve_shop(self) -> None:
        counts = {(version, status): 0.0 for version in ("v1", "v2") for status in ("200", "500")}
        before = time.monotonic()
        while True:
            now = time.monotonic()
            for version in ("v1", "v2"):
                bad = BAD_RATIO if self.fails and version == "v2" else 0.002
                counts[version, "500"] += REQUESTS * (now - before) * bad
                counts[version, "200"] += REQUESTS * (now - before) * (1 - bad)
            before = now
            self.shop.text = "".join(
                f'http_requests_total{{version="{version}",status="{status}"}} {int(value)}\n'
                for (version, status), value in counts.items()
            )
            time.sleep(0.2)

    # ------------------------------------------------------------ losing parts

    def start(self, name: str) -> None:
        self.supervisor.start(self._programs[name])

    def kill(self, name: str) -> None:
        self.supervisor.kill(name)

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        return wait_until(lambda: bool(condition()), seconds, pause=0.1)
