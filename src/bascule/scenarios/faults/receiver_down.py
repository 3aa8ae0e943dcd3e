"""The webhook refuses every notice while V2 fails: what is owed is delivered once it answers again."""

from __future__ import annotations

import time

from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, TimedFault, evidence_of
from bascule.scenarios.house import House


class ReceiverDown(TimedFault):
    """Timed from the moment at which the webhook answers again: tries are a minute apart at most."""

    key = "receiver-down"
    title = "the webhook refuses for 25 s, while V2 errors go 0.02 % -> 12 %"
    bound = 60.0 + 15.0
    away = 25.0
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = (*ERRORS_HARM, "NoticesOwed")
    signal = ERRORS
    evidence = evidence_of("errors")

    def inject(self, house: House) -> float:
        assert house.person is not None
        house.person.refuses.set()
        house.lab.fault("v2", error_rate=0.12)
        house.wait(self.away)
        house.person.refuses.clear()
        return time.time()

    def remove(self, house: House) -> None:
        assert house.person is not None
        house.person.refuses.clear()
        house.lab.repair("v2")
