"""Availability: the share of a service's scrapes that found it there.

For a Redis or nginx its exporter speaks: a scrape that fails, or in which the exporter does not say that it is there,
did not find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bascule.promql.expressions import among

UP = "up"
SAID_BY: Mapping[str, str] = {"redis": "redis_up", "nginx": "nginx_up"}  # by kind of service, else `up` itself


def availability_of(kinds: Mapping[str, str], window: str) -> str:
    """The share of the window's scrapes that found each service (`job`) there; absent where it was not scraped.

    `kinds`: the services' kinds by name.
    """
    return " or ".join(_shares(kinds, window))


def scraped(jobs: Sequence[str], window: str) -> str:
    """1 for each service (`job`) that was scraped within the window, whatever became of it."""
    return f"group by (job) (count_over_time({UP}{{{among('job', list(jobs))}}}[{window}]))"


def _shares(kinds: Mapping[str, str], window: str) -> Iterator[str]:
    """One expression for all the services that are told of by the same metric."""
    said_by = {job: SAID_BY.get(kind, UP) for job, kind in kinds.items()}
    for metric in dict.fromkeys(said_by.values()):
        where = among("job", [job for job, each in said_by.items() if each == metric])
        scrapes = f"sum by (job) (count_over_time({UP}{{{where}}}[{window}]))"
        found = f"sum by (job) (sum_over_time({metric}{{{where}}}[{window}]))"
        yield f"{found} / {scrapes}" if metric == UP else f"({found} or 0 * {scrapes}) / {scrapes}"
