"""When services were in planned maintenance, as the journal exported it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from bascule.conventions import MAINTENANCE
from bascule.judge.layout import Flags, Floats
from bascule.prometheus import Prometheus


def planned_work(prometheus: Prometheus, seconds: float, now: float, stale: float) -> Mapping[str, Floats]:
    """By service, the spans (n, 2) of the `seconds` before `now` (Unix seconds). A span reaches from the sample before
    to the one after: it began and ended between two. Of what is no longer exported, nothing is known after `stale`
    seconds. Raises what Prometheus raises."""
    found: dict[str, list[Floats]] = defaultdict(list)
    for series in prometheus.raw(MAINTENANCE.name, seconds, now):
        after = min(now, float(series.times[-1]) + stale)
        found[series.labels.get("service", "")].append(_spans(series.times, series.values == 1, after))
    return {service: np.concatenate(spans) for service, spans in found.items()}


def _spans(times: Floats, planned: Flags, after: float) -> Floats:
    edges = np.diff(np.concatenate([[False], planned, [False]]).astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return np.column_stack([times[np.maximum(begins - 1, 0)], np.append(times, after)[ends]])
