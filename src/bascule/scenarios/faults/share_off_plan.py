"""The balancer gives V2 another share than the plan."""

from __future__ import annotations

from bascule.conventions import Recorded
from bascule.scenarios.drills.fault import OFF_PLAN, HousePart, TimedFault
from bascule.scenarios.house import House

PLAN = Recorded.PLANNED_BY_SEGMENT
CHANGES = f"max(changes({PLAN}[5m]) + 0 * {PLAN} offset 5m)"  # as the rule counts them; none before five minutes


class ShareOffPlan(TimedFault):
    key = "share-off-plan"
    title = "freemium and partners are at 20 % on V2, planned are 50 %"
    bound = 300.0 + 15.0 + 60.0  # the rule holds for five minutes, and the share leaves its window slowly
    breaks = frozenset({HousePart.SHARE, HousePart.TRAFFIC})
    expects = ("MigrationStalled",)
    evidence = OFF_PLAN

    def awaits(self, house: House) -> str:
        """The rule allows a new step five minutes; another fault of the share may have changed the plan."""
        return "" if house.prometheus.scalar(CHANGES) == 0 else "five minutes without a change of the plan"

    def inject(self, house: House) -> float:
        return house.lab.set_share({"freemium": 0.2, "api_partners": 0.2})

    def remove(self, house: House) -> None:
        house.lab.set_share({"freemium": 0.5, "api_partners": 0.5})
