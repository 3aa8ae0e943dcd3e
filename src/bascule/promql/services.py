"""Whether each service is there, what share of the time it was, and how often a cache answers."""

from __future__ import annotations

from bascule.conventions import Recorded, probe_job
from bascule.promql.expressions import WINDOW, among
from bascule.promql.scrapes import SAID_BY
from bascule.spec import Spec

UP = Recorded.SERVICE_UP


def service_up(spec: Spec) -> dict[str, str]:
    """Is each declared service there, 1 or 0 for each target, by kind of service.

    An exporter answers for a dead nginx or Redis, and a dead exporter leaves `up` alone: both are 0, never absent.
    """
    kinds = dict.fromkeys(service.kind for service in spec.services.values())
    found = {kind: _up(list(spec.services_of(kind)), SAID_BY.get(kind, "")) for kind in kinds}
    probes = [probe_job(name) for name in spec.probes]
    return found | ({"probe": _up(probes, "probe_success")} if probes else {})


def _up(jobs: list[str], said_by: str) -> str:
    where = "{" + among("job", jobs) + "}"
    up = f"max by (job, instance) (up{where})"
    return f"max by (job, instance) ({said_by}{where})\nor\n0 * {up}" if said_by else up


def availability_by_service() -> str:
    """Of every service and probe, over the window of recorded rates."""
    return f"avg by (job) (avg_over_time({UP}[{WINDOW}]))"


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
