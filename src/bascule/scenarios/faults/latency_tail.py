"""One answer in ten of V2 takes ten times as long: the median stays."""

from __future__ import annotations

from bascule.scenarios.drills.fault import HARM, LATENCY, Broken, StatisticalFault, evidence_of, to


class SlowTail(Broken, StatisticalFault):
    key = "latency-tail"
    title = "10 % of the answers of V2 take ten times as long"
    expects = ("CandidateWorse", "ResponseTimeHigh")
    also = HARM
    signal = LATENCY
    evidence = evidence_of("latency")
    changes = to(slow=0.1)
