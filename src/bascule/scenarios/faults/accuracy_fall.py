"""V2 finds fewer good matches."""

from __future__ import annotations

from bascule.scenarios.drills.fault import HARM, Broken, StatisticalFault, evidence_of, to


class AccuracyFall(Broken, StatisticalFault):
    key = "accuracy-fall"
    title = "accuracy of V2 95.5 % -> 60 %"
    expects = ("CandidateWorse",)
    also = HARM
    evidence = evidence_of("accuracy")
    changes = to(accuracy=0.6)
