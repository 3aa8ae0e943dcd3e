"""Availability: the share of a service's scrapes that found it there.

For a Redis or nginx its exporter speaks. Of its scrapes count those in which it said something, and those that failed;
an exporter that answers and says nothing of its service is no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bascule.promql.expressions import among

SAID_BY: Mapping[str, str] = {"redis": "redis_up", "nginx": "nginx_up"}  # by kind of service


@dataclass(frozen=True)
class Scrapes:
    """The scrapes of services of one kind; `said_by`: the metric in which an exporter tells of them, if one does."""

    jobs: tuple[str, ...]
    said_by: str = ""

    def found(self, window: str) -> str:
        """How many scrapes of the window found each service (`job`) there."""
        if not self.said_by:
            return self._summed("sum", "up", window)
        return f"({self._summed('sum', self.said_by, window)} or 0 * ({self._failed(window)}))"

    def all(self, window: str) -> str:
        """How many scrapes of the window tell of each service (`job`)."""
        if not self.said_by:
            return self._summed("count", "up", window)
        failed = self._failed(window)
        return f"({self._summed('count', self.said_by, window)} + {failed} or {failed})"

    def _failed(self, window: str) -> str:
        return f"({self._summed('count', 'up', window)} - {self._summed('sum', 'up', window)})"

    def _summed(self, how: str, metric: str, window: str) -> str:
        return f"sum by (job) ({how}_over_time({metric}{{{among('job', list(self.jobs))}}}[{window}]))"


def scrapes_of(kinds: Mapping[str, str]) -> Iterator[Scrapes]:
    """The scrapes of services, given their kinds by name: one for each way in which scrapes tell of them."""
    ways = {job: SAID_BY.get(kind, "") for job, kind in kinds.items()}
    for way in dict.fromkeys(ways.values()):
        yield Scrapes(tuple(job for job, each in ways.items() if each == way), way)


def availability_by_service(kinds: Mapping[str, str], window: str) -> str:
    """The share of the window's scrapes that found each service (`job`) there; absent where none tells of it."""
    return " or ".join(f"{each.found(window)} / ({each.all(window)} > 0)" for each in scrapes_of(kinds))
