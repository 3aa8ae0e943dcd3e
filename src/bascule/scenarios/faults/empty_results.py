"""V2 answers 200 without a match."""

from __future__ import annotations

from bascule.scenarios.drills.families import Inaccurate
from bascule.scenarios.drills.fault import StatisticalFault, to


class EmptyResults(Inaccurate, StatisticalFault):
    key = "empty-results"
    title = "V2 answers 200 without any match"
    changes = to(accuracy=0.0)
