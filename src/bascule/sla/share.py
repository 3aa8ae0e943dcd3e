"""The candidate's real share beside the planned one, as the judge last told them within a report's span."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bascule.conventions import REAL_SHARE, SEGMENT, TOTAL_SEGMENT
from bascule.prometheus import Prometheus
from bascule.sla.report import Note

RECENT = "15m"  # before the report's end: an older share says nothing about the step at its end


def share_notes(prometheus: Prometheus, end: float) -> Iterator[Note]:
    """A note for each segment whose real share is known, the total last."""
    real: dict[str, dict[str, float]] = {}
    for sample in prometheus.instant(f"last_over_time({REAL_SHARE.name}[{RECENT}])", end):
        real.setdefault(sample.labels.get(SEGMENT, ""), {})[sample.labels.get("bound", "")] = sample.value
    for segment in sorted(real, key=lambda name: (name == TOTAL_SEGMENT, name)):
        shares = {name: real[segment].get(name, math.nan) for name in ("planned", "estimate", "low", "high")}
        if all(math.isfinite(share) for share in shares.values()):
            yield Note("share", {"segment": segment} | {name: f"{share:.6f}" for name, share in shares.items()})
