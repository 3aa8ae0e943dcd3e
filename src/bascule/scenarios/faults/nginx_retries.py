"""nginx tries what V2 fails again on V1: the users see no error, and V2 fails anyway."""

from __future__ import annotations

from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House


class RetriedErrors(Failing, StatisticalFault):
    key = "nginx-retries"
    title = "V2 errors 0.02 % -> 12 %, each tried again on V1 by nginx"
    shift = Shift(0.0002, 0.12)
    changes = to(error_rate=0.12)

    def inject(self, house: House) -> float:
        house.lab.reroute({}, backups={"v2": house.address("v1")})
        return super().inject(house)

    def remove(self, house: House) -> None:
        super().remove(house)
        house.lab.reroute({})
