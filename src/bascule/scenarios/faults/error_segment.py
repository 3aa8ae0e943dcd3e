"""V2 fails for one segment alone."""

from __future__ import annotations

from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import StatisticalFault, to


class SegmentErrors(Failing, StatisticalFault):
    key = "error-segment"
    title = "V2 errors of api_partners 0.02 % -> 12 %"
    changes = to(error_rate_by_segment={"api_partners": 0.12})
