"""V2 fails 3 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, Broken, StatisticalFault, evidence_of, to
from bascule.scenarios.drills.information import Shift


class SmallErrors(Broken, StatisticalFault):
    key = "error-small"
    title = "V2 errors 0.02 % -> 3 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    signal = ERRORS
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.03)
    changes = to(error_rate=0.03)
