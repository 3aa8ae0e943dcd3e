"""The clock of V2's machine is ahead: its log lines carry times that are to come; its requests are fine."""

from __future__ import annotations

from bascule.scenarios.drills.fault import QuietFault
from bascule.scenarios.house import House

AHEAD_SECONDS = 120.0


class ClockSkew(QuietFault):
    """Prometheus stamps samples itself, so nothing that is compared may change, and nobody is to be called."""

    key = "clock-skew"
    title = f"V2's clock is {AHEAD_SECONDS:g} s ahead"

    def inject(self, house: House) -> float:
        return house.lab.fault("v2", clock_ahead=AHEAD_SECONDS)

    def remove(self, house: House) -> None:
        house.lab.repair("v2")
