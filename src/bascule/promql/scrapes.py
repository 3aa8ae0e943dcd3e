"""Availability: the share of the looks at a service that found it there.

For a Redis or nginx its exporter speaks, for a service without metrics the probe of its health address: a scrape that
fails, or in which these do not say that it is there, did not find it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bascule.conventions import MAINTENANCE, health_job, probe_job
from bascule.promql.expressions import among, relabelled
from bascule.spec import Spec
from bascule.spec.model import Service

UP, PROBED = "up", "probe_success"
_EXPORTERS: Mapping[str, str] = {"redis": "redis_up", "nginx": "nginx_up", "postgres": "pg_up"}


def said_by(service: Service) -> str:
    """The metric that tells whether a service is there; empty where nothing does."""
    if service.page is not None:
        return _EXPORTERS.get(service.kind, UP)
    return PROBED if service.health else ""


def watched(spec: Spec) -> dict[str, str]:
    """What tells of each `job`: the services, their health addresses, and the probes."""
    services = {name: metric for name, service in spec.services.items() if (metric := said_by(service))}
    return services | dict.fromkeys((*health_jobs(spec), *map(probe_job, spec.probes)), PROBED)


def health_jobs(spec: Spec) -> list[str]:
    """The looks at health addresses of services that have metrics too."""
    return [health_job(name) for name, service in spec.services.items() if service.page is not None and service.health]


def availability_of(spec: Spec, services: Iterable[str], window: str) -> str:
    """The share of the window's looks that found each service (`job`) there; absent where it was not looked at."""
    return " or ".join(_shares({name: said_by(spec.services[name]) for name in services}, window))


def out_of_maintenance(expr: str, window: str) -> str:
    """What is known by `job`, without the services that were in planned maintenance within the window."""
    planned = f"max by (service) (max_over_time({MAINTENANCE.name}[{window}])) == 1"
    return f"({expr}) unless on (job) {relabelled(planned, 'service', 'job')}"


def scraped(jobs: Sequence[str], window: str) -> str:
    """1 for each service (`job`) that was scraped within the window, whatever became of it."""
    return f"group by (job) (count_over_time({UP}{{{among('job', list(jobs))}}}[{window}]))"


def _shares(told: Mapping[str, str], window: str) -> Iterator[str]:
    """One expression for all the services that are told of by the same metric."""
    for metric in dict.fromkeys(told.values()):
        where = among("job", [job for job, each in told.items() if each == metric])
        scrapes = f"sum by (job) (count_over_time({UP}{{{where}}}[{window}]))"
        found = f"sum by (job) (sum_over_time({metric}{{{where}}}[{window}]))"
        yield f"{found} / {scrapes}" if metric == UP else f"({found} or 0 * {scrapes}) / {scrapes}"
