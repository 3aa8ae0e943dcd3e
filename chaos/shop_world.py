"""The base of a world with one migration: a pretended shop whose V2 can fail, a person who is told, real programs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.harness import Bar

from bascule.api import IncidentsClient, JudgeClient, Tokens
from bascule.api.tokens import FOLDER, WEBHOOK, write_private
from bascule.processes import ports, programs
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import Spec
from bascule.stack.plan import Layout
from chaos.people import Hook
from chaos.standin import Page
from chaos.web import HOST

READY_SECONDS = 90.0
REQUESTS = 40  # per second and version
BAD_RATIO = 0.3  # of the candidate's, while it fails
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: {name}}}
versions: {{baseline: v1, candidate: v2}}
services: {{shop-v1: {{targets: ["{shop}"], version: v1}}, shop-v2: {{targets: ["{shop}"], version: v2}}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1h}}]
judge: {{recovery: 8s, min_samples: 50}}
notify:
  receivers: {{on-call: {{webhook: {{url: "http://127.0.0.1:{hook}/"}}}}}}
  escalation: {{technical: [{{after: 0m, to: on-call}}], business: [{{after: 0m, to: on-call}}]}}
"""
Victims = Mapping[str, Sequence[str]]  # the parts of each kind that can be lost


class ShopWorld:
    """Everything runs, healthy, once it is open. `victims`: the parts that can be lost."""

    programs: Mapping[str, Program]
    spec: Spec

    def __init__(self, folder: Path, victims: Victims) -> None:
        self.folder, self.victims = folder, victims
        self.shop = Page(ports.free())
        self.hook = Hook("on-call", ports.free(), lambda: 0.0)
        self.fails = False
        self.supervisor = Supervisor(lambda _: None)

    @property
    def layout(self) -> Layout:
        return Layout(self.spec.stack.state)

    def open(self) -> None:
        self.hook.start()
        threading.Thread(target=self._serve_shop, daemon=True).start()
        self.supervisor.__enter__()
        for name in self.programs:
            self.start(name)
        self.judges = JudgeClient(self.spec, seconds=2.0)
        self.journal = IncidentsClient(self.spec, seconds=10.0)
        self.journal.set_phase(1, "chaos", "go", force=True)

    def close(self) -> None:
        self.supervisor.close()

    def bars(self) -> list[Bar]:
        """What this world is held to besides what people hear; asked once all alarms are over."""
        return []

    # ------------------------------------------------------------ losing parts

    def start(self, name: str) -> None:
        self.supervisor.start(self.programs[name])

    def kill(self, name: str) -> None:
        self.supervisor.kill(name)

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        return wait_until(lambda: bool(condition()), seconds, pause=0.1)

    # ------------------------------------------------------------ its parts

    def write_spec(self, file: str, name: str, rest: str) -> Path:
        """The migration, and what the world says of its stack."""
        path = self.folder / file
        path.write_text(SPEC.format(name=name, shop=f"{HOST}:{self.shop.port}", hook=self.hook.port) + rest)
        return path

    def role(self, name: str, role: str, spec: Path, port: int) -> Program:
        argv = [sys.executable, "-m", "bascule", "serve", str(spec), "--role", role]
        return self.program(name, argv, answers(f"http://{HOST}:{port}/health"))

    def program(self, name: str, argv: list[str], is_ready: Callable[[], bool]) -> Program:
        return self.own(name, Program(name, argv, ready=is_ready))

    def own(self, name: str, program: Program) -> Program:
        """The program as a part of this world: what it says is in the folder, and a busy machine is waited for."""
        log = self.folder / "state" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        return replace(program, name=name, cwd=self.folder, log=log, ready_timeout=READY_SECONDS)

    def alertmanager(self, name: str, port: int, *more: str) -> Program:
        argv = [
            str(programs.find("prometheus-alertmanager")),
            f"--config.file={self.layout.config / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={self.folder / name}",
            f"--web.listen-address={HOST}:{port}",
            *more,
        ]
        return self.program(name, argv, answers(f"http://{HOST}:{port}/-/ready"))

    def generate(self, spec: Path) -> None:
        """Write what is generated for a spec, and the credentials, into its state."""
        tokens = Tokens(self.layout.state)
        tokens.ensure()
        argv = [sys.executable, "-m", "bascule", "generate", str(spec)]
        done = subprocess.run([*argv, "--out", str(self.layout.config)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
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
