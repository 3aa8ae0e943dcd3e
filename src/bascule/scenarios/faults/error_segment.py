"""V2 fails for one segment alone."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ERRORS_HARM, Broken, StatisticalFault, evidence_of, to


class SegmentErrors(Broken, StatisticalFault):
    key = "error-segment"
    title = "V2 errors of api_partners 0.02 % -> 12 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    evidence = evidence_of("errors")
    changes = to(error_rate_by_segment={"api_partners": 0.12})
