"""Alertmanager is stopped, and V2 fails: the journal asks the judge itself."""

from __future__ import annotations

import os
import signal

from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, StatisticalFault, evidence_of
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House


class AlertmanagerDown(StatisticalFault):
    """`bascule up` ends a part that does not answer after half a minute, and starts it again."""

    key = "alertmanager-down"
    title = "Alertmanager hangs, and V2 errors 0.02 % -> 12 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = (*ERRORS_HARM, "RoleDown", "NotificationsFailing", "ServiceDown", "SignalNoData")
    signal = ERRORS
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.12)

    def __init__(self) -> None:
        self._stopped: int | None = None

    def inject(self, house: House) -> float:
        self._stopped = house.pid_of("alertmanager")
        os.kill(self._stopped, signal.SIGSTOP)
        return house.lab.fault("v2", error_rate=0.12)

    def remove(self, house: House) -> None:
        house.lab.repair("v2")
        if self._stopped is not None and self._stopped == house.pid_of("alertmanager"):
            os.kill(self._stopped, signal.SIGCONT)
        self._stopped = None
