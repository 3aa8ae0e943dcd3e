"""V2 fails for one segment alone."""

from __future__ import annotations

from bascule.lab import API_PARTNERS, MIX
from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class SegmentErrors(Failing, StatisticalFault):
    key = "error-segment"
    title = "V2 errors of api_partners 0.02 % -> 12 %"
    shift = Shift(0.0002, 0.12, traffic=MIX[API_PARTNERS])
    changes = to(error_rate_by_segment={"api_partners": 0.12})
