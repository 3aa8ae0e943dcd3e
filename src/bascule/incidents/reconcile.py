"""The journal held against what Alertmanager, Prometheus and the judge really hold, every few seconds.

- an open incident that a source holds goes on, whatever was claimed
- one that no source holds ends, but only on fresh evidence: the judge's for its own alarms, else Prometheus' for the
  alerts that it has rules for, else Alertmanager's; without evidence it is unknown
- an alert that Prometheus or the judge holds and that reached the journal through nobody is opened from there, so that
  a dead Alertmanager keeps nobody from being told
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bascule.conventions import Alert, Severity
from bascule.incidents.kinds import is_no_incident
from bascule.incidents.model import Incident, Notification, Window
from bascule.incidents.sources import Firing, Labels, Snapshot, Sources, find
from bascule.incidents.store import DIRECT, Store
from bascule.spec import Spec

PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 4.0  # what was told or found just now has not reached every source yet
WARM_UP_SECONDS = 45.0  # a Prometheus that has just started has not decided its alerts yet


class Word(Enum):
    """What the sources say of an open incident."""

    FIRING = "firing"
    ENDED = "ended"
    UNKNOWN = "unknown"


def warm_up(spec: Spec) -> float:
    """Seconds after which a started Prometheus has scraped everything and evaluated its rules a few times."""
    return max(10.0, 4 * (spec.stack.scrape.interval + spec.stack.scrape.evaluation))


def word_on(incident: Incident, snapshot: Snapshot, warm_up: float = WARM_UP_SECONDS) -> Word:
    """The most telling source first. `warm_up`: seconds after its start in which Prometheus' silence says nothing."""
    judge, prometheus, alertmanager = snapshot.judge, snapshot.prometheus, snapshot.alertmanager
    if incident.alert.endswith(Alert.CANDIDATE_WORSE):
        if judge is None:
            return Word.UNKNOWN
        return Word.FIRING if find(incident.labels, judge) else Word.ENDED
    if prometheus is not None and find(incident.labels, (*prometheus.firing, *prometheus.pending)):
        return Word.FIRING
    if prometheus is not None and incident.alert in prometheus.known:
        is_warm = snapshot.at - prometheus.started >= warm_up
        return Word.ENDED if is_warm and incident.alert in prometheus.decided else Word.UNKNOWN
    if alertmanager is not None and find(incident.labels, alertmanager):
        return Word.FIRING
    is_foreign = prometheus is not None and alertmanager is not None
    return Word.ENDED if is_foreign else Word.UNKNOWN


@dataclass
class Reconciler:
    """Keeps the journal true. `_ended`, `_missed`: since when a source says so, for what is said twice counts."""

    store: Store
    warm_up: float = WARM_UP_SECONDS
    _ended: dict[int, float] = field(default_factory=dict)
    _missed: dict[str, float] = field(default_factory=dict)
    _held: Sequence[Firing] = ()  # what Alertmanager last said, for silences while it is away

    def run(self, stop: threading.Event, sources: Sources) -> None:
        while not stop.wait(PAUSE_SECONDS):
            self.see(sources.snapshot())

    def see(self, snapshot: Snapshot) -> None:
        """Hold the journal against one snapshot."""
        for incident in self.store.open_incidents():
            if snapshot.at - incident.began >= SETTLE_SECONDS:
                self._judge(incident, snapshot)
        self._open_missed(snapshot)

    def _judge(self, incident: Incident, snapshot: Snapshot) -> None:
        word = word_on(incident, snapshot, self.warm_up)
        if word is not Word.ENDED:
            self._ended.pop(incident.id, None)
        if word is Word.FIRING:
            self.store.still_firing(incident.id, snapshot.at)
        elif word is Word.UNKNOWN:
            self.store.lost_sight(incident.id, snapshot.at)
        elif (
            incident.ends is not None
            or snapshot.at - self._ended.setdefault(incident.id, snapshot.at) >= SETTLE_SECONDS
        ):
            self._ended.pop(incident.id, None)
            self.store.confirm_end(incident.id, snapshot.at)

    def _open_missed(self, snapshot: Snapshot) -> None:
        self._held = snapshot.alertmanager if snapshot.alertmanager is not None else self._held
        missing = {_key(firing.labels): firing for firing in self._not_in_journal(snapshot)}
        self._missed = {key: self._missed.get(key, snapshot.at) for key in missing}
        patience = SETTLE_SECONDS if snapshot.alertmanager is not None else 0.0
        for key, firing in missing.items():
            if snapshot.at - self._missed[key] >= patience:
                self.store.receive(_notification(firing, snapshot.at))

    def _not_in_journal(self, snapshot: Snapshot) -> Iterator[Firing]:
        """What Prometheus or the judge holds, no person silenced, and the journal does not have as open."""
        opened = self.store.open_incidents()
        windows = [window for window in self.store.windows() if window.starts <= snapshot.at < window.ends]
        for firing in (*(snapshot.prometheus.firing if snapshot.prometheus else ()), *(snapshot.judge or ())):
            held = find(firing.labels, self._held)
            told = any(find(incident.labels, [firing]) for incident in opened)
            if not (
                told
                or self.store.was_closed(firing.labels, firing.since)
                or _is_quiet(firing, windows)
                or (held is not None and held.suppressed)
            ):
                yield firing


def _is_quiet(firing: Firing, windows: Iterable[Window]) -> bool:
    """Whether the alert tells nobody, or its service is in planned maintenance."""
    if is_no_incident(firing.labels) or firing.labels.get("severity") == Severity.NONE:
        return True
    return any(not w.cancelled and (not w.services or firing.labels.get("job") in w.services) for w in windows)


def _notification(firing: Firing, now: float) -> Notification:
    return Notification(_key(firing.labels), True, firing.labels, firing.annotations, firing.since, None, now)


def _key(labels: Labels) -> str:
    return DIRECT + hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
