"""nginx tries what V2 fails again on V1: the users see no error, and V2 fails all the same."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, StatisticalFault, evidence_of
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House


class RetriedErrors(StatisticalFault):
    key = "nginx-retries"
    title = "V2 errors 0.02 % -> 12 %, each tried again on V1 by nginx"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    signal = ERRORS
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.12)

    def inject(self, house: House) -> float:
        house.lab.reroute({}, backups={"v2": house.address("v1")})
        return house.lab.fault("v2", error_rate=0.12)

    def remove(self, house: House) -> None:
        house.lab.repair("v2")
        house.lab.reroute({})
