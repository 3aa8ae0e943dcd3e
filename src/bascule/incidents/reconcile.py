"""The journal held against what Alertmanager, Prometheus and the judge really hold, every few seconds.

- an open incident that a source holds goes on, whatever was claimed
- one that no source holds ends, but only on fresh evidence: the judge's for its own alarms, else Prometheus' for the
  alerts that it has rules for, else Alertmanager's; without evidence it is unknown
- one that a person reopened goes on until a source holds it and lets it go, or a person closes it
- an alert that Prometheus or the judge holds and that reached the journal through nobody is opened from there, so that
  a dead Alertmanager keeps nobody from being told
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from bascule.conventions import Alert, Severity
from bascule.incidents.kinds import is_no_incident
from bascule.incidents.lookup import Lookup
from bascule.incidents.model import Incident, Notification, Window
from bascule.incidents.sources import Firing, Labels, Snapshot, Sources
from bascule.incidents.store import DIRECT, Store
from bascule.spec import Spec

PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 4.0  # what was told or found just now has not reached every source yet
RESENT_SECONDS = 90.0  # in which a sender repeats its alerts; Prometheus' own default is a minute
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
        return Word.FIRING if snapshot.by_judge.find(incident.labels) else Word.ENDED
    if prometheus is not None and snapshot.by_prometheus.find(incident.labels):
        return Word.FIRING
    if prometheus is not None and incident.alert in prometheus.known:
        is_warm = snapshot.at - prometheus.started >= warm_up
        return Word.ENDED if is_warm and incident.alert in prometheus.decided else Word.UNKNOWN
    if alertmanager is not None and snapshot.by_alertmanager.find(incident.labels):
        return Word.FIRING
    if prometheus is None or alertmanager is None:
        return Word.UNKNOWN
    is_told = incident.ends is not None
    return Word.ENDED if is_told or _has_heard_all(snapshot) else Word.UNKNOWN


def _has_heard_all(snapshot: Snapshot) -> bool:
    """Whether every sender has repeated what it holds since Alertmanager started."""
    started = snapshot.alertmanager_started
    return started is not None and snapshot.at - started >= RESENT_SECONDS


@dataclass
class Reconciler:
    """Keeps the journal true. `_ended`, `_missed`: since when a source says so, for what is said twice counts."""

    store: Store
    warm_up: float = WARM_UP_SECONDS
    _ended: dict[int, float] = field(default_factory=dict)
    _missed: dict[str, float] = field(default_factory=dict)
    _held: Snapshot | None = None  # the last one in which Alertmanager spoke, for silences while it is away

    def run(self, stop: threading.Event, sources: Sources) -> None:
        while not stop.wait(PAUSE_SECONDS):
            self.see(sources.snapshot())

    def see(self, snapshot: Snapshot) -> None:
        """Hold the journal against one snapshot."""
        settled = [each for each in self.store.open_incidents() if snapshot.at - each.began >= SETTLE_SECONDS]
        words = {incident.id: word_on(incident, snapshot, self.warm_up) for incident in settled}
        self._ended = {number: at for number, at in self._ended.items() if words.get(number) is Word.ENDED}
        self.store.seen_firing(_these(settled, words, Word.FIRING), snapshot.at)
        self.store.lost_sight(_these(settled, words, Word.UNKNOWN), snapshot.at)
        for incident in (each for each in _these(settled, words, Word.ENDED) if not each.held_by):
            since = self._ended.setdefault(incident.id, snapshot.at)
            if incident.ends is not None or snapshot.at - since >= SETTLE_SECONDS:
                self.store.confirm_end(incident.id, snapshot.at)
        self._open_missed(snapshot)

    def _open_missed(self, snapshot: Snapshot) -> None:
        self._held = snapshot if snapshot.alertmanager is not None else self._held
        missing = {_key(firing.labels): firing for firing in self._not_in_journal(snapshot)}
        self._missed = {key: self._missed.get(key, snapshot.at) for key in missing}
        patience = SETTLE_SECONDS if snapshot.alertmanager is not None else 0.0
        due = [firing for key, firing in missing.items() if snapshot.at - self._missed[key] >= patience]
        self.store.receive_all([_notification(firing, snapshot.at) for firing in due])

    def _not_in_journal(self, snapshot: Snapshot) -> Iterator[Firing]:
        """What Prometheus or the judge holds, no person silenced, and the journal does not have as open."""
        opened = Lookup(self.store.open_incidents(), lambda incident: incident.labels)
        windows = [window for window in self.store.windows() if window.starts <= snapshot.at < window.ends]
        for firing in (*(snapshot.prometheus.firing if snapshot.prometheus else ()), *(snapshot.judge or ())):
            if not (
                opened.find(firing.labels)
                or _is_quiet(firing, windows)
                or self._is_suppressed(firing)
                or self.store.was_closed(firing.labels, firing.since)
            ):
                yield firing

    def _is_suppressed(self, firing: Firing) -> bool:
        held = self._held.by_alertmanager.find(firing.labels) if self._held is not None else None
        return held is not None and held.suppressed


def _these(incidents: Iterable[Incident], words: Mapping[int, Word], word: Word) -> list[Incident]:
    return [incident for incident in incidents if words[incident.id] is word]


def _is_quiet(firing: Firing, windows: Iterable[Window]) -> bool:
    """Whether the alert tells nobody, or its service is in planned maintenance."""
    if is_no_incident(firing.labels) or firing.labels.get("severity") == Severity.NONE:
        return True
    return any(not w.cancelled and (not w.services or firing.labels.get("job") in w.services) for w in windows)


def _notification(firing: Firing, now: float) -> Notification:
    return Notification(_key(firing.labels), True, firing.labels, firing.annotations, firing.since, None, now)


def _key(labels: Labels) -> str:
    return DIRECT + hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
