"""One answer in ten of V2 takes ten times as long: the median stays."""

from __future__ import annotations

from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to


class SlowTail(Slower, StatisticalFault):
    key = "latency-tail"
    title = "10 % of the answers of V2 take ten times as long"
    changes = to(slow=0.1)
