"""V2 finds fewer good matches."""

from __future__ import annotations

from bascule.scenarios.drills.families import Inaccurate
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class AccuracyFall(Inaccurate, StatisticalFault):
    key = "accuracy-fall"
    title = "accuracy of V2 95.5 % -> 60 %"
    shift = Shift(0.045, 0.4)
    changes = to(accuracy=0.6)
