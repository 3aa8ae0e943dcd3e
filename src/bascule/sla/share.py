"""The candidate's real share beside the planned one, as the judge tells them at a report's end."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bascule.conventions import REAL_SHARE, SEGMENT, TOTAL_SEGMENT
from bascule.prometheus import Prometheus
from bascule.sla.report import Note


def share_notes(prometheus: Prometheus, end: float) -> Iterator[Note]:
    """A note for each segment whose real share is known at the end, the total last.

    Asked at that moment alone: after a move the plan is another at once, and the old estimate says nothing of it.
    """
    real: dict[str, dict[str, float]] = {}
    for sample in prometheus.instant(REAL_SHARE.name, end):
        real.setdefault(sample.labels.get(SEGMENT, ""), {})[sample.labels.get("bound", "")] = sample.value
    for segment in sorted(real, key=lambda name: (name == TOTAL_SEGMENT, name)):
        shares = {name: real[segment].get(name, math.nan) for name in ("planned", "estimate", "low", "high")}
        if all(math.isfinite(share) for share in shares.values()):
            yield Note("share", {"segment": segment} | {name: f"{share:.6f}" for name, share in shares.items()})
