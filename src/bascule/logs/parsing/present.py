"""Which rows are of now: a row's own time decides, not the moment at which it is read.

Old lines are stored like all others. Counted, an hour of them would be traffic of the second in which they are read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bascule.logs.parsing.columns import Rows

LATE_SECONDS = 300.0  # for which Prometheus bridges a gap in a series: what is counted after it belongs before it
_QUARTER, _FURTHEST_ZONE = 900.0, 14 * 3600.0  # seconds: time zones are apart by quarters of an hour
_SETTLED = 10.0  # from a line's time to the file's: more is not a time zone


@dataclass
class Present:
    """What of one source counts as now: rows from `begun` on (Unix seconds), and at most `LATE_SECONDS` behind.

    `zone`: by how much the source's clock is behind UTC (seconds), where its lines have local times without a zone.
    """

    begun: float = 0.0
    zone: float = 0.0

    def learn_zone(self, rows: Sequence[Rows], written: float) -> None:
        """From rows that end where their file does, which was written to then (Unix seconds)."""
        newest = max((float(each.times.max()) for each in rows if len(each)), default=0.0) / 1e6
        behind = written - newest
        zone = round(behind / _QUARTER) * _QUARTER
        is_zone = newest and abs(zone) <= _FURTHEST_ZONE and abs(behind - zone) < _SETTLED
        self.zone = zone if is_zone else 0.0

    def is_now(self, rows: Rows) -> NDArray[np.bool_]:
        """Per row; one without a time counts as now: its time is unknown."""
        bound = max(self.begun, time.time() - LATE_SECONDS) - self.zone
        now: NDArray[np.bool_] = (rows.times == 0) | (rows.times >= int(bound * 1e6))
        return now
