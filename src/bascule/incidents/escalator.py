"""The loop that tells people.

1. every situation that is open, or of whose end somebody has not heard
2. which notices fell due (escalation.py); none that calls somebody for planned or silenced work (quiet.py)
3. write each down, so that it is told whatever happens next
4. owe it to its receiver: the courier delivers it to every channel, however long that takes

What was written down and not owed yet when the process ended is owed at the next start, with the same key.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bascule.delivery import Courier, Delivery, Message, Result
from bascule.errors import BasculeError, StoreError, UsageError
from bascule.incidents.escalation import CALLS, Audience, Situation, due
from bascule.incidents.messages import Composer
from bascule.incidents.model import Incident, Notice, owed_the_end
from bascule.incidents.quiet import Quiet
from bascule.incidents.store import Store
from bascule.spec import Spec

_LOOK_SECONDS = 0.1
_TOGETHER_SECONDS = 0.2  # what fails together is told together
log = logging.getLogger(__name__)


@contextmanager
def _alone(situation: int) -> Iterator[None]:
    """What one situation meets keeps nobody from hearing of the others."""
    try:
        yield
    except Exception:
        log.exception("situation %d: internal error; it is tried again", situation)


class Escalator:
    """Tells people of situations; `clock` gives Unix seconds, `guidance` the first lines of what is about a fault.

    `is_over`: whether incidents that ended are over at this time too; asked before anybody is told of an end.
    """

    def __init__(
        self,
        spec: Spec,
        store: Store,
        courier: Courier,
        quiet: Quiet,
        clock: Callable[[], float],
        guidance: Callable[[], list[str]] = list,
        is_over: Callable[[Sequence[Incident], float], bool] = lambda incidents, now: True,
    ) -> None:
        self._spec = spec
        self._store = store
        self._courier = courier
        self._quiet = quiet
        self._clock = clock
        self._is_over = is_over
        self._composer = Composer(spec, store.identity, guidance)
        self._unwritten: dict[str, Notice] = {}  # told although the journal could not be written
        self._watched: set[int] = set()  # situations of which there may be something to tell, whenever they ended

    def run(self, stop: threading.Event, pause: float = 1.0) -> None:
        """Resume and tick until told to stop; what the journal or a spec refuses is logged and tried again.

        `pause`: seconds between ticks at most; a new incident is told at once, together with what fails with it.
        """
        step: Callable[[], object] = self.resume
        while not self._rest(stop, pause):
            try:
                step()
                step = self.tick
            except BasculeError as error:
                log.error("escalation: %s", error)

    def _rest(self, stop: threading.Event, pause: float) -> bool:
        """Wait until it is time to tick; True when told to stop."""
        until = time.monotonic() + pause
        while not self._store.opened.is_set() and time.monotonic() < until:
            if stop.wait(min(_LOOK_SECONDS, pause)):
                return True
        is_new = self._store.opened.is_set()
        self._store.opened.clear()
        return stop.wait(_TOGETHER_SECONDS) if is_new else stop.is_set()

    def resume(self) -> None:
        """Owe what a process that ended left behind; what it owed already is not owed twice. Note of which situations
        somebody has heard a beginning, and no end, however long ago."""
        told: dict[int, list[Notice]] = defaultdict(list)
        for notice in self._store.notices():
            told[notice.situation].append(notice)
            if notice.outcome == "pending":
                with _alone(notice.situation):
                    self._owe_again(notice)
        people = self._spec.notify.people
        self._watched |= {number for number, each in told.items() if not set(people).isdisjoint(owed_the_end(each))}

    def _owe_again(self, notice: Notice) -> None:
        incidents = self._store.situation(notice.situation)
        if incidents:
            message = self._message(Situation.of(incidents), notice)
            self._owe(notice, message)
            for delivery in self._courier.settled(message.key):
                self.heard(delivery)

    def tick(self) -> list[Notice]:
        """Owe everything that fell due by now."""
        owed: list[Notice] = []
        self._watched.update(self._store.open_situations())
        for identity in sorted(self._watched):
            with _alone(identity):
                owed += self._tell(identity)
        return owed

    def _tell(self, identity: int) -> list[Notice]:
        """Owe what one situation asks for."""
        incidents = self._store.situation(identity)
        if not incidents:  # not one of its rows can be read
            self._watched.discard(identity)
            return []
        situation = Situation.of(incidents)
        told = [*self._store.notices(identity), *(n for n in self._unwritten.values() if n.situation == identity)]
        now = self._clock()  # after what was read: nothing of it lies ahead
        if situation.resolved is not None and not self._is_over(incidents, now):
            return []
        notify = self._spec.notify
        kind = situation.kind
        audience = Audience(notify.steps_for(kind), notify.at_once_for(kind), notify.people)
        wanted = due(situation, audience, told, now)
        if self._quiet.at(now).covers_all(incidents):
            wanted = [notice for notice in wanted if notice.kind not in CALLS]
        composed = [(notice, self._message(situation, notice)) for notice in wanted]
        new = [(notice, message) for notice, message in composed if self._claim(notice)]
        for notice, message in new:
            self._owe(notice, message)
        if situation.resolved is not None:
            self._watched.discard(identity)
        return [notice for notice, _ in new]

    def _message(self, situation: Situation, notice: Notice) -> Message:
        """Without the verdict rather than not at all."""
        try:
            return self._composer.compose(situation, notice, self._clock())
        except Exception:
            log.exception("notice %s: internal error; it is told without the verdict", notice.key)
            return replace(self._composer, guidance=list).compose(situation, notice, self._clock())

    def _claim(self, notice: Notice) -> bool:
        """A journal that cannot be written keeps nobody from being told."""
        try:
            return self._store.claim(notice)
        except StoreError as error:
            log.error("notice %s is sent but not recorded: %s", notice.key, error)
            self._unwritten[notice.key] = notice
            return True

    def _owe(self, notice: Notice, message: Message) -> None:
        try:
            self._courier.owe(notice.receiver, message)
        except UsageError as error:  # the receiver is no longer in the spec
            self._store.conclude(notice.key, Result.FAILED.value, error.what, 0, self._clock())

    def heard(self, delivery: Delivery) -> None:
        """Write down the result of a notice: one channel that has it is enough for its person to know."""
        key = self._composer.notice_key(delivery.key)
        known = self._unwritten.pop(key, None)
        try:
            if known is not None:
                self._store.claim(known)
            self._store.conclude(key, delivery.result.value, delivery.detail, delivery.attempts, delivery.ended)
        except StoreError as error:
            log.error("the result of notice %s is not recorded: %s", key, error)
