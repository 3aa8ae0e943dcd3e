"""V2 is slow for one segment alone."""

from __future__ import annotations

from bascule.scenarios.drills.fault import HARM, LATENCY, Broken, StatisticalFault, evidence_of, to


class SlowSegment(Broken, StatisticalFault):
    key = "latency-segment"
    title = "V2 takes six times as long for freemium users"
    expects = ("CandidateWorse", "ResponseTimeHigh")
    also = HARM
    signal = LATENCY
    evidence = evidence_of("latency")
    changes = to(latency_factor_by_segment={"freemium": 6.0})
