"""V2 answers 200 without a match."""

from __future__ import annotations

from bascule.scenarios.drills.fault import HARM, Broken, StatisticalFault, evidence_of, to


class EmptyResults(Broken, StatisticalFault):
    key = "empty-results"
    title = "V2 answers 200 without any match"
    expects = ("CandidateWorse",)
    also = HARM
    evidence = evidence_of("accuracy")
    changes = to(accuracy=0.0)
