"""The balancer gives V2 another share than the plan."""

from __future__ import annotations

from bascule.scenarios.drills.fault import OFF_PLAN, HousePart, TimedFault
from bascule.scenarios.house import House


class ShareOffPlan(TimedFault):
    key = "share-off-plan"
    title = "freemium and partners are at 20 % on V2, planned are 50 %"
    bound = 300.0 + 15.0 + 60.0  # the rule holds for five minutes, and the share leaves its window slowly
    breaks = frozenset({HousePart.SHARE, HousePart.TRAFFIC})
    expects = ("MigrationStalled",)
    evidence = OFF_PLAN

    def inject(self, house: House) -> float:
        return house.lab.set_share({"freemium": 0.2, "api_partners": 0.2})

    def remove(self, house: House) -> None:
        house.lab.set_share({"freemium": 0.5, "api_partners": 0.5})
