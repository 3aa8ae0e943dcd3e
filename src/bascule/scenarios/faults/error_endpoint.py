"""V2 fails on one endpoint alone."""

from __future__ import annotations

from bascule.lab import RATE
from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class EndpointErrors(Failing, StatisticalFault):
    """One request in eight is a rating: of all requests of V2 about 6 % fail."""

    key = "error-endpoint"
    title = f"V2 fails every second request to {RATE}"
    shift = Shift(0.0002, 0.06)  # of all requests: the judge compares segments, not endpoints
    changes = to(error_rate_by_endpoint={RATE: 0.5})
