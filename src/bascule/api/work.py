"""What a role tells of its background work: every death is counted in its metrics, and a fresh one in its readiness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.conventions import WORKER_DEATHS
from bascule.processes.workers import Workers


class WorkTold(Collector):
    """Read at each scrape; a piece of work is listed from its start, at zero."""

    def __init__(self, work: Sequence[Workers]) -> None:
        self._work = work

    def describe(self) -> Iterator[Metric]:
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        deaths: Counter[str] = Counter()
        for workers in self._work:
            deaths.update(dict(workers.deaths))
        for name, number in sorted(deaths.items()):
            family.add_metric([name], number)
        yield family

    def problems(self) -> list[str]:
        return [problem for workers in self._work for problem in workers.problems()]

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(WORKER_DEATHS.name, WORKER_DEATHS.help, labels=WORKER_DEATHS.labels)
