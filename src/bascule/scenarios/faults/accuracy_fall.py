"""V2 finds fewer good matches."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ACCURACY, HARM, Broken, StatisticalFault, evidence_of, to
from bascule.scenarios.drills.information import Shift


class AccuracyFall(Broken, StatisticalFault):
    key = "accuracy-fall"
    title = "accuracy of V2 95.5 % -> 60 %"
    expects = ("CandidateWorse",)
    also = HARM
    signal = ACCURACY
    evidence = evidence_of("accuracy")
    shift = Shift(0.045, 0.4)
    changes = to(accuracy=0.6)
