"""Alertmanager is stopped, and V2 fails: the journal asks the judge itself."""

from __future__ import annotations

from bascule.scenarios.drills.families import PartHangs
from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, StatisticalFault, evidence_of
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House


class AlertmanagerDown(PartHangs, StatisticalFault):
    part = "alertmanager"
    key = "alertmanager-down"
    title = "Alertmanager hangs, and V2 errors 0.02 % -> 12 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = (*ERRORS_HARM, "RoleDown", "NotificationsFailing", "ServiceDown", "SignalNoData")
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.12)
    signal = ERRORS

    def inject(self, house: House) -> float:
        self.hang(house)
        return house.lab.fault("v2", error_rate=0.12)

    def remove(self, house: House) -> None:
        house.lab.repair("v2")
        super().remove(house)
