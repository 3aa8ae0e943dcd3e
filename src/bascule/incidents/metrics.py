"""What the role exports: the plan's present step and the open incidents, read from the journal at each scrape."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bascule import conventions
from bascule.conventions import Severity
from bascule.delivery import Outbox, channels_of
from bascule.incidents.maintenance import in_force
from bascule.incidents.model import PhaseStep
from bascule.incidents.store import Store
from bascule.spec import Spec


class JournalCollector(Collector):
    """Nothing is kept in memory, so a restart never shows a wrong phase."""

    def __init__(self, spec: Spec, store: Store, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._store = store
        self._outbox = outbox
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """The names alone: without this the registry would read the journal to learn them."""
        phase = (conventions.PHASE, conventions.PHASE_STARTED, conventions.PLANNED_SHARE)
        others = (conventions.MAINTENANCE, conventions.INCIDENTS_OPEN, conventions.NOTICE_OWED)
        return [_family(metric) for metric in (*phase, *others)]

    def collect(self) -> Iterator[Metric]:
        step = self._store.phase()
        yield _single(conventions.PHASE, step.number)
        yield _single(conventions.PHASE_STARTED, step.at)
        yield self._shares(step)
        yield self._planned()
        yield self._open()
        yield self._owed()

    def _shares(self, step: PhaseStep) -> Metric:
        family = _family(conventions.PLANNED_SHARE)
        for name, share in self._spec.planned_shares(step.share).items():
            family.add_metric([name], share)
        return family

    def _planned(self) -> Metric:
        """Silenced or not: an SLA leaves out both."""
        family = _family(conventions.MAINTENANCE)
        planned = in_force(self._store.windows(), self._spec.maintenance, self._clock())
        for name in self._spec.services:
            family.add_metric([name], any(not services or name in services for services in planned))
        return family

    def _open(self) -> Metric:
        family = _family(conventions.INCIDENTS_OPEN)
        tally = Tally(incident.severity for incident in self._store.open_incidents())
        told = [severity.value for severity in Severity if severity.pages or severity is Severity.INFO]
        for severity in (*told, *sorted(set(tally) - set(told))):
            family.add_metric([severity], tally[severity])
        return family

    def _owed(self) -> Metric:
        """A channel by its kind: an address is nobody's label."""
        ages = {
            (name, _kind(channel)): 0.0
            for name, receiver in self._spec.notify.receivers.items()
            for channel in channels_of(receiver)
        }
        for owed in self._outbox.owed():
            lane = owed.receiver, _kind(owed.channel)
            ages[lane] = max(ages.get(lane, 0.0), self._clock() - owed.created)
        family = _family(conventions.NOTICE_OWED)
        for lane, seconds in ages.items():
            family.add_metric(lane, seconds)
        return family


def _kind(channel: str) -> str:
    return channel.partition(" ")[0]


def received_counter(registry: CollectorRegistry) -> Counter:
    metric = conventions.NOTIFICATIONS_RECEIVED
    counter = Counter(metric.name, metric.help, metric.labels, registry=registry)
    for status in ("firing", "resolved", "unreadable"):
        counter.labels(status)
    return counter


def switch_gauge(registry: CollectorRegistry) -> Gauge:
    """0 until the switch came for the first time since the role's start."""
    metric = conventions.SWITCH_ARRIVED
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def _family(metric: conventions.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _single(metric: conventions.Metric, value: float) -> Metric:
    family = _family(metric)
    family.add_metric([], value)
    return family
