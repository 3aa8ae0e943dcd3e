"""V2 finds fewer good matches."""

from __future__ import annotations

from bascule.scenarios.drills.families import Inaccurate
from bascule.scenarios.drills.fault import StatisticalFault, to


class AccuracyFall(Inaccurate, StatisticalFault):
    key = "accuracy-fall"
    title = "accuracy of V2 95.5 % -> 60 %"
    changes = to(accuracy=0.6)
