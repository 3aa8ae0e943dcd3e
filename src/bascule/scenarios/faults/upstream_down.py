"""The load balancer cannot reach V2: V2 is up and scraped, its upstream group is down."""

from __future__ import annotations

from bascule.processes import ports
from bascule.scenarios.drills.fault import BUDGETS, SILENT, HardFault
from bascule.scenarios.house import House


class UpstreamDown(HardFault):
    key = "upstream-down"
    title = "nginx reaches no server of V2's upstream group; V2 itself is up"
    expects = ("VersionSilent",)
    also = (*BUDGETS, "SignalNoData", "CandidateWorse", "V2ErrorSpike", "RollbackTriggered")
    evidence = SILENT

    def inject(self, house: House) -> float:
        return house.lab.reroute({"v2": f"127.0.0.1:{ports.free()}"})  # nothing listens there

    def remove(self, house: House) -> None:
        house.lab.reroute({})
