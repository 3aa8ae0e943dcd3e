"""V2 is four times as slow."""

from __future__ import annotations

from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to


class Slow(Slower, StatisticalFault):
    key = "latency"
    title = "V2 takes four times as long"
    changes = to(latency_factor=4.0)
