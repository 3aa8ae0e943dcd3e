"""V2 answers 200, from the emergency fallback."""

from __future__ import annotations

from bascule.scenarios.drills.fault import MATCHES, Broken, StatisticalFault, evidence_of, share_of, to
from bascule.scenarios.drills.information import Shift


class Fallback(Broken, StatisticalFault):
    key = "fallback"
    title = "30 % of the answers of V2 are 200 from the fallback"
    expects = ("CandidateWorse",)
    signal = share_of('supersmartmatch_fallback_answers_total{version="v2"}', MATCHES)
    evidence = evidence_of("fallback")
    shift = Shift(0.0, 0.3)
    changes = to(fallback=0.3)
