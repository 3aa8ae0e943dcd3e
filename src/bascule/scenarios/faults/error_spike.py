"""V2 fails 12 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, Broken, HardFault, evidence_of, to
from bascule.scenarios.drills.information import Shift


class ErrorSpike(Broken, HardFault):
    key = "error-spike"
    title = "V2 errors 0.02 % -> 12 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    signal = ERRORS
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.12)
    changes = to(error_rate=0.12)
