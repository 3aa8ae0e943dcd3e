"""V2 fails for one partner alone."""

from __future__ import annotations

from bascule.scenarios.drills.families import Failing
from bascule.scenarios.drills.fault import HousePart, TimedFault, to


class PartnerErrors(Failing, TimedFault):
    """One of twelve partners, one request in two seconds on V2: too few for the judge's comparison of its segment."""

    key = "error-partner"
    title = "V2 fails every second request of the partner acme"
    bound = 300.0 + 15.0 + 60.0  # the rule holds for five minutes, and its window needs one to tell it from chance
    # The rule needs 100 of the partner's requests in five minutes: V2 has them with half of the traffic.
    breaks = frozenset({HousePart.VERSION, HousePart.TRAFFIC})
    expects = ("PartnerErrorsHigh", "CandidateWorse", "V2ErrorSpike")
    evidence = 'max(version_partner:errors:ratio_rate5m{partner="acme"})'
    changes = to(error_rate_by_partner={"acme": 0.5})
