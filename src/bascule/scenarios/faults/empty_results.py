"""V2 answers 200 without a match."""

from __future__ import annotations

from bascule.scenarios.drills.fault import ACCURACY, HARM, Broken, StatisticalFault, evidence_of, to
from bascule.scenarios.drills.information import Shift


class EmptyResults(Broken, StatisticalFault):
    key = "empty-results"
    title = "V2 answers 200 without any match"
    expects = ("CandidateWorse",)
    also = HARM
    signal = ACCURACY
    evidence = evidence_of("accuracy")
    shift = Shift(0.045, 1.0)
    changes = to(accuracy=0.0)
