"""What reads the logs is stopped."""

from __future__ import annotations

import time

from bascule.scenarios.drills.families import PartHangs
from bascule.scenarios.drills.fault import BUDGETS, HousePart, TimedFault
from bascule.scenarios.house import House


class LogReaderDown(PartHangs, TimedFault):
    part = "logs"
    key = "log-reader-down"
    title = "the role that reads the logs hangs"
    bound = 30.0 + 15.0  # the rule holds for half a minute
    breaks = frozenset({HousePart.LOGS})
    expects = ("RoleDown", "LogsBehind")
    also = (*BUDGETS, "SignalNoData", "WorkerFailing", "RoleNotReady")
    evidence = 'max(1 - up{job="bascule-logs"})'

    def inject(self, house: House) -> float:
        self.hang(house)
        return time.time()
