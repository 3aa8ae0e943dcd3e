"""V2 answers 404 at once for a part of the requests: no server error, and quick."""

from __future__ import annotations

from bascule.scenarios.drills.fault import Broken, HousePart, TimedFault, to


class NotFound(Broken, TimedFault):
    key = "not-found"
    title = "V2 answers 40 % of the match requests with a fast 404"
    bound = 60.0 + 15.0 + 60.0  # the rule holds for a minute, and its window needs as long to fill
    breaks = frozenset({HousePart.VERSION})
    expects = ("UnsuccessfulAnswersHigher", "CandidateWorse")
    evidence = "max(version_segment:unsuccessful:ratio_rate5m)"
    changes = to(not_found=0.4)
