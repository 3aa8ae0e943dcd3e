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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from bascule.conventions import Alert, Severity
from bascule.incidents.echoes import Echoes
from bascule.incidents.kinds import is_no_incident
from bascule.incidents.model import Incident, Notification
from bascule.incidents.quiet import Quiet
from bascule.incidents.sources import Snapshot, Sources
from bascule.incidents.store import DIRECT, Store
from bascule.prometheus.held import Firing, Labels, Word, is_recent
from bascule.prometheus.lookup import Lookup

PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 4.0  # what was told or found just now has not reached every source yet
RESENT_SECONDS = 90.0  # in which a sender repeats its alerts; Prometheus' own default is a minute
EVIDENCE_SECONDS = 10.0  # for which what the sources said is about the present
INHIBITED_SECONDS = 60.0  # for which Alertmanager's last word about that counts while it is away


def word_on(incident: Incident, snapshot: Snapshot) -> Word:
    """The most telling source first."""
    judge, prometheus, alertmanager = snapshot.judge, snapshot.prometheus, snapshot.alertmanager
    if incident.alert.endswith(Alert.CANDIDATE_WORSE):
        if judge is None:
            return Word.UNKNOWN
        return Word.FIRING if snapshot.by_judge.find(incident.labels) else Word.ENDED
    if prometheus is not None:
        word = prometheus.says(incident.labels, snapshot.at)
        if word is Word.FIRING or incident.alert in prometheus.known:
            return word
    if alertmanager is not None and snapshot.by_alertmanager.find(incident.labels):
        return Word.FIRING
    if prometheus is None or alertmanager is None:
        return Word.UNKNOWN
    is_told = incident.ends is not None
    return Word.ENDED if is_told or _has_heard_all(snapshot) else Word.UNKNOWN


def _is_told(incident: Incident, snapshot: Snapshot) -> bool:
    """Whether its end was delivered, by what need not settle first."""
    is_steady = not snapshot.are_several and (snapshot.prometheus is None or snapshot.prometheus.tells_start)
    return incident.ends is not None and is_steady


def _has_heard_all(snapshot: Snapshot) -> bool:
    """Whether every sender has repeated what it holds since Alertmanager started."""
    started = snapshot.alertmanager_started
    return started is not None and not is_recent(started, snapshot.at, RESENT_SECONDS)


@dataclass
class Reconciler:
    """Keeps the journal true. `_ended`, `_missed`: since when a source says so, for what is said twice counts;
    `_blind`: when a rule was last silent because Prometheus could not scrape what the incident is about."""

    store: Store
    quiet: Quiet
    echoes: Echoes | None = None
    _ended: dict[int, float] = field(default_factory=dict)
    _missed: dict[str, float] = field(default_factory=dict)
    _blind: dict[int, float] = field(default_factory=dict)
    _at: float = 0.0
    _last: Snapshot | None = None
    _held: Snapshot | None = None  # the last one in which Alertmanager spoke

    def run(self, stop: threading.Event, sources: Sources) -> None:
        while not stop.wait(PAUSE_SECONDS):
            self.see(sources.snapshot())

    def see(self, snapshot: Snapshot) -> None:
        """Hold the journal against one snapshot."""
        if snapshot.at < self._at:  # the clock was set back
            self._ended, self._missed = {}, {}
        self._at, self._last = snapshot.at, snapshot
        if snapshot.prometheus is not None and snapshot.prometheus.started < snapshot.at:
            self.store.note_restart(snapshot.prometheus.started, snapshot.prometheus.finds_again)
        opened = self.store.open_incidents()
        self._blind = {each.id: self._blind[each.id] for each in opened if each.id in self._blind}
        settled = [each for each in opened if not is_recent(each.began, snapshot.at, SETTLE_SECONDS)]
        words = {incident.id: self._word(incident, snapshot) for incident in settled}
        self._ended = {number: at for number, at in self._ended.items() if words.get(number) is Word.ENDED}
        self.store.seen_firing(_these(settled, words, Word.FIRING), snapshot.at)
        self.store.lost_sight(_these(settled, words, Word.UNKNOWN), snapshot.at)
        for incident in (each for each in _these(settled, words, Word.ENDED) if not each.held_by):
            since = self._ended.setdefault(incident.id, snapshot.at)
            if _is_told(incident, snapshot) or snapshot.at - since >= SETTLE_SECONDS:
                self.store.confirm_end(incident.id, snapshot.at)
        self._open_missed(snapshot)
        if self.echoes is not None:
            words_of = partial(word_on, snapshot=snapshot)
            self.store.receive_all(list(self.echoes.heard(snapshot.at - SETTLE_SECONDS, snapshot, words_of)))

    def is_over(self, incidents: Sequence[Incident], now: float) -> bool:
        """Whether people may be told that these have ended: the sources were asked just now, and none holds one of them
        again. A journal that was stopped would tell of an end that is past. What a person closed is over; so is what
        fires as another incident by now."""
        snapshot = self._last
        if snapshot is None or not is_recent(snapshot.at, now, EVIDENCE_SECONDS):
            return all(each.closed_by for each in incidents)
        opened = Lookup(self.store.open_incidents(), lambda incident: incident.labels)
        claimed = [each for each in incidents if not each.closed_by and opened.find(each.labels) is None]
        return not any(word_on(each, snapshot) is Word.FIRING for each in claimed)

    def _word(self, incident: Incident, snapshot: Snapshot) -> Word:
        """An alert of what cannot be scraped has not ended because its series are gone."""
        word, rules = word_on(incident, snapshot), snapshot.prometheus
        if word is not Word.ENDED or rules is None or incident.alert not in rules.known:
            return word
        if rules.is_blind_to(incident.labels):
            self._blind[incident.id] = snapshot.at
        blind = self._blind.get(incident.id)
        was_blind = blind is not None and is_recent(blind, snapshot.at, rules.warm_up(incident.alert))
        return Word.UNKNOWN if was_blind else word

    def _open_missed(self, snapshot: Snapshot) -> None:
        self._held = snapshot if snapshot.alertmanager is not None else self._held
        if snapshot.silences is not None:
            self.quiet.silences = snapshot.silences
        missing = {_key(firing.labels): firing for firing in self._not_in_journal(snapshot)}
        self._missed = {key: self._missed.get(key, snapshot.at) for key in missing}
        patience = SETTLE_SECONDS if snapshot.alertmanager is not None else 0.0
        due = [firing for key, firing in missing.items() if snapshot.at - self._missed[key] >= patience]
        self.store.receive_all([_notification(firing, snapshot.at) for firing in due])

    def _not_in_journal(self, snapshot: Snapshot) -> Iterator[Firing]:
        """What Prometheus or the judge holds, no person silenced, and the journal does not have as open."""
        opened = Lookup(self.store.open_incidents(), lambda incident: incident.labels)
        hush = self.quiet.at(snapshot.at)
        for firing in (*(snapshot.prometheus.firing if snapshot.prometheus else ()), *(snapshot.judge or ())):
            if not (
                _is_in(opened, firing, snapshot)
                or _tells_nobody(firing)
                or _is_over_for_the_judge(firing, snapshot)
                or hush.covers(firing.labels)
                or self._is_inhibited(firing, snapshot.at)
                or self.store.was_closed(firing.labels, firing.since)
            ):
                yield firing

    def _is_inhibited(self, firing: Firing, at: float) -> bool:
        if self._held is None or at - self._held.at >= INHIBITED_SECONDS:
            return False
        held = self._held.by_alertmanager.find(firing.labels)
        return held is not None and held.inhibited


def _is_in(opened: Lookup[Incident], firing: Firing, snapshot: Snapshot) -> bool:
    """Whether an open incident is about it, and not about another alert whose labels are some of these."""
    known = opened.find(firing.labels)
    if known is None:
        return False
    nearest = snapshot.by_prometheus.find(known.labels)
    return nearest is None or nearest.labels == firing.labels


def _these(incidents: Iterable[Incident], words: Mapping[int, Word], word: Word) -> list[Incident]:
    return [incident for incident in incidents if words[incident.id] is word]


def _tells_nobody(firing: Firing) -> bool:
    return is_no_incident(firing.labels) or firing.labels.get("severity") == Severity.NONE


def _is_over_for_the_judge(firing: Firing, snapshot: Snapshot) -> bool:
    """The rule on the judge's metric ends a scrape and an evaluation after the alarm."""
    is_judged = firing.labels.get("alertname", "").endswith(Alert.CANDIDATE_WORSE)
    return is_judged and snapshot.judge is not None and snapshot.by_judge.find(firing.labels) is None


def _notification(firing: Firing, now: float) -> Notification:
    return Notification(_key(firing.labels), True, firing.labels, firing.annotations, firing.since, None, now)


def _key(labels: Labels) -> str:
    return DIRECT + hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
