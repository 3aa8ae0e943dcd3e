"""V2 fails for one segment alone."""

from __future__ import annotations

from bascule.lab import API_PARTNERS, MIX
from bascule.scenarios.drills.fault import ERRORS, ERRORS_HARM, Broken, StatisticalFault, evidence_of, to
from bascule.scenarios.drills.information import Shift


class SegmentErrors(Broken, StatisticalFault):
    key = "error-segment"
    title = "V2 errors of api_partners 0.02 % -> 12 %"
    expects = ("CandidateWorse", "V2ErrorSpike")
    also = ERRORS_HARM
    signal = ERRORS
    evidence = evidence_of("errors")
    shift = Shift(0.0002, 0.12, traffic=MIX[API_PARTNERS])
    changes = to(error_rate_by_segment={"api_partners": 0.12})
