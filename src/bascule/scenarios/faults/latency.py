"""V2 is four times as slow."""

from __future__ import annotations

from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class Slow(Slower, StatisticalFault):
    key = "latency"
    title = "V2 takes four times as long"
    shift = Shift(0.0, 0.83)  # above three times the usual, which no healthy answer takes
    changes = to(latency_factor=4.0)
