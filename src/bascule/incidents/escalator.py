"""The loop that tells people.

1. every situation that is open, or ended lately
2. which notices fell due (escalation.py)
3. write each down, so that it is told once, whatever happens next
4. hand it to the deliverer, and write down what became of it

What was written down and not concluded when the process ended is sent again at the next start, with the same key.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from bascule.delivery import Deliverer, Delivery, Result
from bascule.errors import BasculeError, UsageError
from bascule.incidents.escalation import Situation, due
from bascule.incidents.messages import compose
from bascule.incidents.model import Notice
from bascule.incidents.store import Store
from bascule.spec import Spec
from bascule.spec.model import EscalationStep

_LATELY = 86400.0  # seconds after its end in which a situation's last notices are still looked for
log = logging.getLogger(__name__)


class Escalator:
    """Tells people of situations; `clock` gives Unix seconds."""

    def __init__(self, spec: Spec, store: Store, deliverer: Deliverer, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._store = store
        self._deliverer = deliverer
        self._clock = clock

    def run(self, stop: threading.Event, pause: float = 1.0) -> None:
        """Resume and tick until told to stop; an error is logged and the next tick tries again."""
        step: Callable[[], object] = self.resume
        while not stop.wait(pause):
            try:
                step()
                step = self.tick
            except BasculeError as error:
                log.error("escalation: %s", error)
            except Exception:  # whatever it is: nobody would be told of anything any more
                log.exception("escalation: a defect of Bascule; the next tick tries again")

    def resume(self) -> None:
        """Send what a process that ended left behind."""
        for notice in self._store.notices():
            if notice.outcome == "pending":
                self._send(Situation.of(self._store.situation(notice.situation)), notice)

    def tick(self) -> list[Future[Delivery]]:
        """Everything that fell due by now; the deliveries run on."""
        now = self._clock()
        sent: list[Future[Delivery]] = []
        for identity in self._store.situations_since(now - _LATELY):
            situation = Situation.of(self._store.situation(identity))
            for notice in due(situation, self._steps(situation), self._store.notices(identity), now):
                if self._store.claim(notice):
                    sent += self._send(situation, notice)
        return sent

    def _steps(self, situation: Situation) -> list[EscalationStep]:
        """The kind's own steps, else the technical ones, so that nothing stays unheard for want of a line in a spec."""
        escalation = self._spec.notify.escalation
        return escalation.get(situation.kind) or escalation.get("technical") or []

    def _send(self, situation: Situation, notice: Notice) -> list[Future[Delivery]]:
        try:
            future = self._deliverer.submit(notice.receiver, compose(self._spec, situation, notice, self._clock()))
        except UsageError as error:  # the receiver is no longer in the spec
            self._store.conclude(notice.key, Result.FAILED.value, error.what, 0)
            return []
        future.add_done_callback(lambda done: self._conclude(notice, done))
        return [future]

    def _conclude(self, notice: Notice, done: Future[Delivery]) -> None:
        if done.cancelled():
            return  # the process ends; the next one finds the notice pending
        delivery = done.result()
        if delivery.result is not Result.DELIVERED:
            log.error("%s was not told of situation %s: %s", notice.receiver, notice.situation, delivery.detail)
        try:
            self._store.conclude(notice.key, delivery.result.value, delivery.detail, delivery.attempts)
        except BasculeError as error:
            log.error("what became of notice %s is not written down: %s", notice.key, error)
