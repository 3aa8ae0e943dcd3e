"""V2 fails 3 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ERRORS_HARM, Broken, StatisticalFault, evidence_of, to


class SmallErrors(Broken, StatisticalFault):
    key = "error-small"
    title = "V2 errors 0.02 % -> 3 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    evidence = evidence_of("errors")
    changes = to(error_rate=0.03)
