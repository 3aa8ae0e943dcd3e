"""V2 fails 3 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import StatisticalFault, to


class SmallErrors(Failing, StatisticalFault):
    key = "error-small"
    title = "V2 errors 0.02 % -> 3 %"
    changes = to(error_rate=0.03)
