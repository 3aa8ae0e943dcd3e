"""One answer in ten of V2 takes ten times as long: the median stays."""

from __future__ import annotations

from bascule.scenarios.drills.families import Slower
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class SlowTail(Slower, StatisticalFault):
    key = "latency-tail"
    title = "10 % of the answers of V2 take ten times as long"
    shift = Shift(0.0, 0.1)  # above three times the usual
    changes = to(slow=0.1)
