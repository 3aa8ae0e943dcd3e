"""What a role tells of its background work: every death is counted in its metrics, and a fresh one in its readiness.

Readiness is a metric too, so that a role which answers and does not do its work has an alert (RoleNotReady).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule.conventions import ROLE_READY, WORKER_DEATHS
from bascule.processes.workers import Workers


class ReadinessTold(Collector):
    """Asked at each scrape. `problems`: what keeps the role from its work, in sentences."""

    def __init__(self, problems: Callable[[], Sequence[str]]) -> None:
        self._problems = problems

    def describe(self) -> Iterator[Metric]:
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        family = self._family()
        family.add_metric((), float(not self._problems()))
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(ROLE_READY.name, ROLE_READY.help)


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
