"""V2 fails 12 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.families import FailingRarely
from bascule.scenarios.drills.fault import HardFault, to
from bascule.scenarios.drills.information import Shift


class ErrorSpike(FailingRarely, HardFault):
    key = "error-spike"
    title = "V2 errors 0.02 % -> 12 %"
    shift = Shift(0.0002, 0.12)
    changes = to(error_rate=0.12)
