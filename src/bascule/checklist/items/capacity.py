"""Capacity: when a disk is full, memory is used up, or Prometheus' series double, at the present growth."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bascule import times
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked

NEEDED_SECONDS = 86400.0
SOON_SECONDS = 30 * 86400.0
_FILESYSTEMS = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'


@dataclass(frozen=True)
class Limit:
    """`left`: how much is left of it; `pace`: how much of that goes in a second."""

    what: str
    left: str
    pace: str


LIMITS = (
    Limit(
        "disk",
        f"node_filesystem_avail_bytes{{{_FILESYSTEMS}}}",
        f"-deriv(node_filesystem_avail_bytes{{{_FILESYSTEMS}}}[6h])",
    ),
    Limit("memory", "node_memory_MemAvailable_bytes", "-deriv(node_memory_MemAvailable_bytes[6h])"),
    Limit("Prometheus' series, doubled", "prometheus_tsdb_head_series", "deriv(prometheus_tsdb_head_series[6h])"),
    Limit(
        "requests, doubled",
        "sum(version_segment:requests:rate5m)",
        "deriv(sum(version_segment:requests:rate5m)[6h:1m])",
    ),
)


@post_deployment(4, "Capacity planning updated", to_sign="the capacity plan contains these dates")
def capacity(looked: Looked) -> ItemOutcome:
    if missing := looked.too_young(NEEDED_SECONDS, "for a forecast"):
        return cannot(missing)
    problems, evidence = [], []
    for limit in LIMITS:
        query = f"min(({limit.left}) / (({limit.pace}) > 0))"
        value = looked.prometheus.scalar(query)
        seconds = value if isinstance(value, float) else None
        when = "never at this pace" if seconds is None else f"on {times.dated(time.time() + min(seconds, 3e9))}"
        evidence.append(ItemEvidence(query, f"{limit.what}: reached {when}"))
        if seconds is not None and seconds < SOON_SECONDS:
            problems.append(f"{limit.what} is reached {when}")
    return judged(problems, *evidence)
