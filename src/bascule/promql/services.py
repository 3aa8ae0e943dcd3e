"""Whether each service is there, what share of the time it was, and how often a cache answers."""

from __future__ import annotations

from bascule.conventions import Recorded
from bascule.promql.expressions import WINDOW, among
from bascule.promql.scrapes import PROBED, UP, watched
from bascule.spec import Spec

SERVICE_UP = Recorded.SERVICE_UP


def service_up(spec: Spec) -> dict[str, str]:
    """Is each declared service there, 1 or 0 for each target, by kind of service.

    An exporter answers for a dead nginx or Redis, and a dead exporter leaves `up` alone: both are 0, never absent.
    """
    kinds: dict[str, list[str]] = {}
    for job, metric in watched(spec).items():
        kind = "probe" if metric == PROBED else spec.services[job].kind
        kinds.setdefault(kind, []).append(job)
    return {kind: _up(jobs, watched(spec)[jobs[0]]) for kind, jobs in kinds.items()}


def _up(jobs: list[str], metric: str) -> str:
    where = "{" + among("job", jobs) + "}"
    up = f"max by (job, instance) (up{where})"
    return up if metric == UP else f"max by (job, instance) ({metric}{where})\nor\n0 * {up}"


def availability_by_service() -> str:
    """Of every service and probe, over the window of recorded rates."""
    return f"avg by (job) (avg_over_time({SERVICE_UP}[{WINDOW}]))"


def cache_counts(jobs: list[str]) -> tuple[str, str]:
    """Hits and look-ups per second by Redis service, over its nodes."""
    hits, misses = (
        f"sum by (job) (rate(redis_keyspace_{which}_total{{{among('job', jobs)}}}[{WINDOW}]))"
        for which in ("hits", "misses")
    )
    return hits, f"({hits} + {misses})"


def cache_hit_ratio(jobs: list[str]) -> str:
    hits, lookups = cache_counts(jobs)
    return f"{hits}\n/\n({lookups} > 0)"
