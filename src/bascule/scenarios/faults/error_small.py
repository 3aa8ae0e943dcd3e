"""V2 fails 3 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.families import FailingRarely
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class SmallErrors(FailingRarely, StatisticalFault):
    key = "error-small"
    title = "V2 errors 0.02 % -> 3 %"
    shift = Shift(0.0002, 0.03)
    changes = to(error_rate=0.03)
