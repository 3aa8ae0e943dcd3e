"""The plan goes a step forward, and the balancer does not follow."""

from __future__ import annotations

import time

from bascule.scenarios.drills.fault import BUDGETS, OFF_PLAN, HousePart, TimedFault
from bascule.scenarios.house import House

NEXT, STANDING = 4, 3  # steps of the plan: 75 % and 50 %


class ShareStalled(TimedFault):
    key = "share-stalled"
    title = "75 % are planned on V2, and the share stays at 50 %"
    bound = 2 * (300.0 + 15.0)  # the plan has not changed for five minutes, then the rule holds for five
    breaks = frozenset({HousePart.SHARE})
    expects = ("MigrationStalled",)
    also = (*BUDGETS, "SignalNoData")  # enterprise joins V2 at 75 %, and none of its requests arrive
    evidence = OFF_PLAN

    def inject(self, house: House) -> float:
        house.journal.set_phase(NEXT, "drill", "a step that the balancer does not take", force=True)
        return time.time()

    def remove(self, house: House) -> None:
        house.journal.set_phase(STANDING, "drill", "the share that is served", force=True)
