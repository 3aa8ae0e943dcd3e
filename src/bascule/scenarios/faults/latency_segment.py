"""V2 is slow for one segment alone."""

from __future__ import annotations

from bascule.lab import FREEMIUM, MIX
from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class SlowSegment(Slower, StatisticalFault):
    key = "latency-segment"
    title = "V2 takes six times as long for freemium users"
    shift = Shift(0.0, 0.99, traffic=MIX[FREEMIUM])  # above three times the usual
    changes = to(latency_factor_by_segment={FREEMIUM: 6.0})
