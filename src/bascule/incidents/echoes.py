"""What a member of an Alertmanager cluster tells late.

A member that was started again waits for the others before it sends what it has found, and each but the first waits for
those before it. What they send then fired when they found it, and may have ended since. It reopens an incident only
where a source still has it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from bascule.incidents.model import Incident, Notification
from bascule.incidents.sources import Snapshot
from bascule.incidents.store import Store
from bascule.prometheus.held import Word, is_recent
from bascule.spec import Spec

LATE_SECONDS = 90.0  # after an incident's end, in which that it fires may be such news


class Echoes:
    """Keeps them until a source has spoken. `seconds`: LATE_SECONDS, or 0 where no Alertmanager waits for another."""

    def __init__(self, store: Store, seconds: float = 0.0) -> None:
        self._store, self._seconds = store, seconds
        self._waiting: dict[str, Notification] = {}  # by fingerprint
        self._lock = threading.Lock()

    @classmethod
    def of(cls, spec: Spec, store: Store) -> Echoes:
        return cls(store, LATE_SECONDS if spec.stack.others("alertmanager") else 0.0)

    def without(self, told: Iterable[Notification]) -> list[Notification]:
        """What is no late news; that is kept."""
        now, late = [], {}
        for each in told:
            if self._is_late(each):
                late[each.fingerprint] = each
            else:
                now.append(each)
        with self._lock:
            self._waiting |= late
        return now

    def _is_late(self, told: Notification) -> bool:
        over = self._store.is_over(told)
        return over is not None and is_recent(over.resolved or 0.0, told.received, self._seconds)

    def heard(self, settled: float, snapshot: Snapshot, word_on: Callable[[Incident], Word]) -> Iterator[Notification]:
        """What came before `settled` (Unix seconds) and still fires, since when a source says; what has ended is
        forgotten."""
        with self._lock:
            waiting = [each for each in self._waiting.values() if each.received <= settled]
        for each in waiting:
            over = self._store.is_over(each)
            word = word_on(over) if over is not None else Word.ENDED
            if word is Word.FIRING:
                firing = snapshot.holds(each.labels)
                yield each if firing is None else replace(each, starts=firing.since)
            if word is not Word.UNKNOWN:
                self._forget(each)

    def _forget(self, told: Notification) -> None:
        with self._lock:
            if self._waiting.get(told.fingerprint) is told:
                del self._waiting[told.fingerprint]
