"""Alertmanager's silences: planned work does not page, and nothing else is silent for it.

An Alertmanager that hangs may set a silence after its answer was given up, and one that is killed forgets silences:
what it holds is compared with the planned windows every few seconds.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bascule import times
from bascule.alerts import catalogue
from bascule.api.servers import alertmanager_of
from bascule.conventions import VERSION
from bascule.errors import BasculeError, QueryRejected, Unreachable
from bascule.incidents.model import Window
from bascule.incidents.store import Store
from bascule.prometheus import Alertmanagers, HeldSilence
from bascule.spec import Spec

TEND_SECONDS = 5.0
ORPHAN_SECONDS = 10.0  # in which a window is written down once its silence is set
log = logging.getLogger(__name__)


def silence(spec: Spec, window: Window, journal: str) -> str:
    """Silence a window's services, all when it names none; returns Alertmanager's ids. `journal`: its identity."""
    with _asked(spec) as alertmanager:
        return " ".join([alertmanager.silence(body) for body in _bodies(spec, window, journal)])


def expire(spec: Spec, identities: str) -> None:
    """End silences; one that is gone already is as good."""
    with _asked(spec) as alertmanager:
        for identity in identities.split():
            alertmanager.expire(identity)


def is_ours(held: HeldSilence, journal: str) -> bool:
    """Whether the journal of that identity set it."""
    return held.comment.endswith(_mark(journal))


def _mark(journal: str) -> str:
    return f" [journal {journal}]"


def _bodies(spec: Spec, window: Window, journal: str) -> Iterator[dict[str, Any]]:
    """One for each label by which an alert can be about the window's services; others may have versions too."""
    about = {label: "|".join(map(re.escape, values)) for label, values in spec.labels_about(window.services).items()}
    ours = {"alertname": _alerts(spec)}
    for matchers in [{label: value} | (ours if label == VERSION else {}) for label, value in about.items()] or [ours]:
        yield {
            "matchers": [{"name": n, "value": v, "isRegex": True, "isEqual": True} for n, v in matchers.items()],
            "startsAt": times.rfc3339(window.starts, "milliseconds"),
            "endsAt": times.rfc3339(window.ends, "milliseconds"),
            "createdBy": window.who or "bascule",
            "comment": f"planned maintenance: {window.reason}{_mark(journal)}",
        }


def _alerts(spec: Spec) -> str:
    """Every alert of an Alertmanager of our own; in one that others use, Bascule's alone."""
    if "alertmanager" not in spec.stack.external:
        return ".+"
    return "|".join(dict.fromkeys(spec.alert_prefix + entry.name for entry in catalogue().values()))


@contextmanager
def _asked(spec: Spec) -> Iterator[Alertmanagers]:
    client = alertmanager_of(spec)
    try:
        yield client
    except Unreachable as error:
        raise Unreachable(
            f"nothing was silenced: {error.what}", "start Alertmanager, or add the window without a silence"
        ) from error
    except QueryRejected as error:
        raise QueryRejected(f"nothing was silenced: {error.what}", "check the window's times") from error
    finally:
        client.close()


@dataclass
class Keeper:
    """Ends silences of ours that no window has any more, and sets again those that Alertmanager lost. `clock`: Unix
    seconds."""

    spec: Spec
    store: Store
    clock: Callable[[], float]
    _orphans: dict[str, float] = field(default_factory=dict)  # since when they are known to be that

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(TEND_SECONDS):
            try:
                self.tend()
            except BasculeError as error:
                log.debug("silences are not compared with the windows: %s", error)

    def tend(self) -> None:
        now = self.clock()
        with _asked(self.spec) as alertmanager:
            held = alertmanager.silences()
            windows = [each for each in self.store.windows() if each.silence and not each.cancelled and each.ends > now]
            self._end_orphans(alertmanager, held, {each for window in windows for each in window.silence.split()}, now)
        known = {each.id for each in held}
        for window in windows:
            if not known.issuperset(window.silence.split()):
                lost = replace(window, starts=max(window.starts, now))
                self.store.set_silence(window.id, silence(self.spec, lost, self.store.identity))

    def _end_orphans(self, alertmanager: Alertmanagers, held: list[HeldSilence], wanted: set[str], now: float) -> None:
        identity = self.store.identity
        orphans = [each.id for each in held if is_ours(each, identity) and each.ends > now and each.id not in wanted]
        self._orphans = {number: self._orphans.get(number, now) for number in orphans}
        for number, since in self._orphans.items():
            if now - since >= ORPHAN_SECONDS:
                log.warning("Alertmanager holds a silence that no maintenance window has: it is ended")
                alertmanager.expire(number)
