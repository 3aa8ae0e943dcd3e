"""V2 is four times as slow."""

from __future__ import annotations

from bascule.scenarios.drills.fault import HARM, LATENCY, Broken, StatisticalFault, evidence_of, to


class Slow(Broken, StatisticalFault):
    key = "latency"
    title = "V2 takes four times as long"
    expects = ("CandidateWorse", "ResponseTimeHigh")
    also = HARM
    signal = LATENCY
    evidence = evidence_of("latency")
    changes = to(latency_factor=4.0)
