"""What nobody is called for now: planned maintenance, of the journal and of the spec, and people's silences.

Ends are told anyway. What still fires when the quiet is over calls at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from bascule.incidents.maintenance import in_force
from bascule.incidents.model import Incident
from bascule.incidents.silences import is_ours
from bascule.incidents.store import Store
from bascule.prometheus import HeldSilence
from bascule.spec.model import Maintenance


@dataclass(frozen=True)
class Hush:
    """What is quiet at one moment (Unix seconds). `planned`: of each window, the values of the labels that its alerts
    have one of; none for all alerts."""

    at: float
    planned: Sequence[Mapping[str, Collection[str]]]
    silences: Sequence[HeldSilence]

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert does not page."""
        is_planned = any(
            not about or any(labels.get(label) in values for label, values in about.items()) for about in self.planned
        )
        return is_planned or any(silence.covers(labels, self.at) for silence in self.silences)

    def covers_all(self, incidents: Sequence[Incident]) -> bool:
        """Whether no open one calls anybody."""
        return all(self.covers(incident.labels) for incident in incidents if incident.resolved is None)


def _of_jobs(services: Collection[str]) -> Mapping[str, Collection[str]]:
    return {"job": services} if services else {}


@dataclass
class Quiet:
    """`declared`: the spec's windows; `about`: by which labels alerts are about services; `silences`: as Alertmanager
    last listed them: they hold while it is away."""

    store: Store
    declared: Sequence[Maintenance] = ()
    about: Callable[[Collection[str]], Mapping[str, Collection[str]]] = _of_jobs
    silences: Sequence[HeldSilence] = ()

    def at(self, now: float) -> Hush:
        """The journal's own silences say nothing, since it knows its windows better."""
        planned = in_force((each for each in self.store.windows() if each.silence), self.declared, now)
        identity = self.store.identity
        return Hush(
            now,
            [self.about(services) for services in planned],
            [each for each in self.silences if not is_ours(each, identity)],
        )
