"""Capacity: when a disk is full, memory is used up, or Prometheus' series double, at the present growth."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass

from bascule import times
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.spec import Spec

NEEDED_SECONDS = 86400.0
SOON_SECONDS = 30 * 86400.0
ENOUGH_POINTS = 33  # of the 36 that six hours have, one each 10 min
_FILESYSTEMS = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'


@dataclass(frozen=True)
class Limit:
    """`left`: how much is left of it; `pace`: how much of that goes in a second."""

    what: str
    left: str
    pace: str


HOSTS = (
    Limit(
        "disk",
        f"node_filesystem_avail_bytes{{{_FILESYSTEMS}}}",
        f"-deriv(node_filesystem_avail_bytes{{{_FILESYSTEMS}}}[6h])",
    ),
    Limit("memory", "node_memory_MemAvailable_bytes", "-deriv(node_memory_MemAvailable_bytes[6h])"),
)
MONITORING = (
    Limit("Prometheus' series, doubled", "prometheus_tsdb_head_series", "deriv(prometheus_tsdb_head_series[6h])"),
    Limit(
        "requests, doubled",
        "sum(version_segment:requests:rate5m)",
        "deriv(sum(version_segment:requests:rate5m)[6h:1m])",
    ),
)
NO_HOSTS = "disk and memory are not known: the spec has no service of kind node (a node exporter)"


def _signed(spec: Spec) -> object:
    services = {name: service.model_dump(mode="json") for name, service in spec.services.items()}
    return [[astuple(limit) for limit in (*HOSTS, *MONITORING)], services]


@post_deployment(4, "Capacity planning updated", to_sign="the capacity plan contains these dates", signed=_signed)
def capacity(looked: Looked) -> ItemOutcome:
    if missing := looked.too_young(NEEDED_SECONDS, "for a forecast"):
        return cannot(missing)
    evidence, soon, unknown = [], [], []
    for limit in (*HOSTS, *MONITORING):
        query = f"min(({limit.left}) / (({limit.pace}) > 0))"
        lacking = _lacking(looked, limit)
        value = looked.prometheus.scalar(query)
        when = _when(value) if value or not lacking else "not known"
        evidence.append(ItemEvidence(query, f"{limit.what}: reached {when}"))
        unknown += [lacking] if lacking else []
        if isinstance(value, float) and value < SOON_SECONDS:
            soon.append(f"{limit.what} is reached {when}")
    return judged(soon, *evidence, unknown=[NO_HOSTS] * (not _hosts(looked)) + unknown)


def _when(seconds: object) -> str:
    """Without a value nothing grows: what has too little data is known by then."""
    return f"on {times.dated(time.time() + min(seconds, 3e9))}" if isinstance(seconds, float) else "never at this pace"


def _hosts(looked: Looked) -> set[str]:
    return {target for service in looked.spec.services_of("node").values() for target in service.targets}


def _lacking(looked: Looked, limit: Limit) -> str:
    """Whose pace is not known; empty where everyone's is. Samples of most of the time are needed for it."""
    query = f"count by (instance) (count_over_time(({limit.left})[6h:10m]) >= {ENOUGH_POINTS})"
    known = {sample.labels.get("instance", "") for sample in looked.prometheus.instant(query)}
    if not known:
        return f"there is no data of six hours for {limit.what}"
    missing = _hosts(looked) - known if limit in HOSTS else set()
    return f"there is no data of six hours for {limit.what} of {', '.join(sorted(missing))}" if missing else ""
