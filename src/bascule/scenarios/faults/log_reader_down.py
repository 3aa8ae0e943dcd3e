"""What reads the logs is stopped."""

from __future__ import annotations

import os
import signal
import time

from bascule.scenarios.drills.fault import BUDGETS, TimedFault
from bascule.scenarios.house import House


class LogReaderDown(TimedFault):
    """It is ended and started again after half a minute without an answer."""

    key = "log-reader-down"
    title = "the role that reads the logs hangs"
    bound = 30.0 + 15.0  # the rule holds for half a minute
    expects = ("RoleDown", "LogsBehind")
    also = (*BUDGETS, "SignalNoData", "WorkerFailing")
    evidence = 'max(1 - up{job="bascule-logs"})'

    def __init__(self) -> None:
        self._stopped: int | None = None

    def inject(self, house: House) -> float:
        self._stopped = house.pid_of("logs")
        os.kill(self._stopped, signal.SIGSTOP)
        return time.time()

    def remove(self, house: House) -> None:
        if self._stopped is not None and self._stopped == house.pid_of("logs"):
            os.kill(self._stopped, signal.SIGCONT)
        self._stopped = None
