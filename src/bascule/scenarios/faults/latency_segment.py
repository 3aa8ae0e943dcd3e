"""V2 is slow for one segment alone."""

from __future__ import annotations

from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to


class SlowSegment(Slower, StatisticalFault):
    key = "latency-segment"
    title = "V2 takes six times as long for freemium users"
    changes = to(latency_factor_by_segment={"freemium": 6.0})
