"""V2 fails 12 % of its requests."""

from __future__ import annotations

from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import HardFault, to
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House


class ErrorSpike(Failing, HardFault):
    key = "error-spike"
    title = "V2 errors 0.02 % -> 12 %"
    shift = Shift(0.0002, 0.12)
    needs_history = True  # of V1's few errors, by which the judge learns of bursts
    changes = to(error_rate=0.12)

    def awaits(self, house: House) -> str:
        """A service that has served for a while has shown some errors, and that they do not come in bursts."""
        return "V1's first errors, by which the judge learns of bursts" if house.is_learning("errors") else ""
