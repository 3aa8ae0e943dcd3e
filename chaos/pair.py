"""The world of `roles`: two judges and two Alertmanagers beside one Prometheus and one incident journal, all real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bascule.processes import ports
from bascule.processes.supervisor import Program
from bascule.spec import load
from bascule.stack.plan import plan
from chaos.shop_world import ShopWorld, Victims
from chaos.standin import Page
from chaos.web import HOST

ALERTMANAGERS = ("alertmanager-1", "alertmanager-2")
VICTIMS: Victims = {"judge": ("judge-1", "judge-2"), "Alertmanager": ALERTMANAGERS}
RULES = ("judge", "monitoring")  # others have windows that outlast an alarm
REST = """stack:
  state: {state}
  ports: {{{ports}}}
  external: {{alertmanager: "http://127.0.0.1:{first}"}}
  peers: {{alertmanager: ["http://127.0.0.1:{second}"], judge: ["http://127.0.0.1:{beside}"]}}
"""
ROLES = ("prometheus", "supervisor", "judge", "logs", "incidents", "sla", "console")


class Pair(ShopWorld):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, VICTIMS)
        own = {name: ports.free() for name in ROLES}
        self._beside, self._am = ports.free(), {name: ports.free() for name in ALERTMANAGERS}
        first = self._spec("spec.yaml", "state", own)
        second = self._spec("spec-2.yaml", "state-2", own | {"judge": self._beside})  # the same, but for its own
        self.spec = load(first)
        for role in ("supervisor", "logs", "console"):
            Page(own[role])
        self.generate(first)
        for rules in (self.layout.config / "prometheus" / "rules").glob("*.yml"):
            if rules.stem not in RULES:
                rules.unlink()
        known = {program.name: program for stage in plan(self.spec, str(first)) for program in stage}
        gossip = {name: ports.free() for name in ALERTMANAGERS}
        self.programs = {
            "sla": self.role("sla", "sla", first, own["sla"]),
            **{name: self._member(name, gossip) for name in ALERTMANAGERS},
            "journal": self.role("incidents", "incidents", first, own["incidents"]),
            "prometheus": replace(known["prometheus"], alive=None),
            "judge-1": self.role("judge-1", "judge", first, own["judge"]),
            "judge-2": self.role("judge-2", "judge", second, self._beside),
        }

    def _spec(self, file: str, state: str, listening: dict[str, int]) -> Path:
        rest = REST.format(
            state=self.folder / state, beside=self._beside,
            first=self._am["alertmanager-1"], second=self._am["alertmanager-2"],
            ports=", ".join(f"{role}: {port}" for role, port in listening.items()),
        )  # fmt: skip
        return self.write_spec(file, "pair", rest)

    def _member(self, name: str, gossip: dict[str, int]) -> Program:
        own = f"{HOST}:{gossip[name]}"
        peers = [f"--cluster.peer={HOST}:{port}" for peer, port in gossip.items() if peer != name]
        cluster = [f"--cluster.listen-address={own}", f"--cluster.advertise-address={own}", *peers]
        return self.alertmanager(name, self._am[name], *cluster)
