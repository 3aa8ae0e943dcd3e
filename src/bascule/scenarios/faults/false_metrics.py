"""V2 serves its users, and its metrics tell something else: frozen, going backwards, or no exposition at all."""

from __future__ import annotations

import re
from abc import abstractmethod

import httpx

from bascule.scenarios.drills.fault import BUDGETS, SERVICE_DOWN, SILENT, Fault, HardFault
from bascule.scenarios.house import House

_COUNT = re.compile(r"^(\w+_total\{[^}]*\} )(\d+(?:\.\d+)?)$", re.MULTILINE)


class FalseMetrics(Fault):
    """A page in the place of V2's metrics."""

    @abstractmethod
    def page(self, true: str) -> str:
        """The false page, made from the true one."""

    def inject(self, house: House) -> float:
        true = httpx.get(f"http://{house.address('v2')}/metrics", timeout=5.0, trust_env=False).text
        file = house.lab.folder / "services" / "false.metrics"
        file.write_text(self.page(true), "utf-8")
        return house.lab.fault("v2", metrics_page=str(file))

    def remove(self, house: House) -> None:
        house.lab.repair("v2")


class Frozen(FalseMetrics, HardFault):
    key = "frozen-counters"
    title = "V2's counters do not change, and up is 1"
    expects = ("VersionSilent",)
    also = (*BUDGETS, "SignalNoData")
    evidence = SILENT

    def page(self, true: str) -> str:
        return true


class BrokenMetrics(FalseMetrics, HardFault):
    key = "metrics-broken"
    title = "V2 answers requests, and its /metrics cannot be read"
    expects = ("ServiceDown", "VersionSilent")
    also = (*BUDGETS, "SignalNoData", "RollbackTriggered")
    evidence = SERVICE_DOWN

    def page(self, true: str) -> str:
        return "<html>502 Bad Gateway</html>\n"


class Backwards(Frozen):
    """A counter that goes backwards once is a restart, as far as anyone can tell; then it does not change."""

    key = "counters-backwards"
    title = "V2's counters fall to half and do not change"

    def page(self, true: str) -> str:
        return _COUNT.sub(lambda found: f"{found[1]}{float(found[2]) // 2:g}", true)
