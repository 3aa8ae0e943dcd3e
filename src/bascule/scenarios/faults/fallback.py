"""V2 answers 200, from the emergency fallback."""

from __future__ import annotations

from bascule.scenarios.drills.fault import Broken, StatisticalFault, evidence_of, to


class Fallback(Broken, StatisticalFault):
    key = "fallback"
    title = "30 % of the answers of V2 are 200 from the fallback"
    expects = ("CandidateWorse",)
    evidence = evidence_of("fallback")
    changes = to(fallback=0.3)
