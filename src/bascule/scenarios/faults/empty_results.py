"""V2 answers 200 without a match."""

from __future__ import annotations

from bascule.scenarios.drills.families import Inaccurate
from bascule.scenarios.drills.fault import StatisticalFault, to
from bascule.scenarios.drills.information import Shift


class EmptyResults(Inaccurate, StatisticalFault):
    key = "empty-results"
    title = "V2 answers 200 without any match"
    shift = Shift(0.045, 1.0)
    changes = to(accuracy=0.0)
