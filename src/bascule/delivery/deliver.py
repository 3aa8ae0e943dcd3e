"""Delivering: bounded attempts with growing pauses, each receiver for itself, everything written down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from bascule.delivery.channels import send_once
from bascule.delivery.ledger import Ledger
from bascule.delivery.message import Delivery, Doubtful, Message, Result
from bascule.errors import DeliveryFailed, StoreError, UsageError
from bascule.spec.model import Receiver

log = logging.getLogger(__name__)
Send = Callable[[Receiver, Message, float], None]


@dataclass(frozen=True)
class Policy:
    """Seconds between attempts (one attempt more than pauses), how long a receiver may be silent in one, and how long
    one may take at all: a receiver that answers a byte at a time is never silent for long."""

    pauses: tuple[float, ...] = (1.0, 5.0, 15.0)
    timeout: float = 10.0
    limit: float = 30.0


@dataclass(frozen=True)
class Clock:
    """Where time comes from, so that tests need not wait."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def deliver(name: str, receiver: Receiver, message: Message, policy: Policy | None = None, send: Send = send_once,
            clock: Clock | None = None) -> Delivery:  # fmt: skip
    """Try until it is delivered, cannot succeed, or the attempts are used up. Never raises for a receiver's failure.

    An attempt that nobody confirmed is repeated with the same key; when none is confirmed the result is doubtful.
    """
    policy, clock = policy or Policy(), clock or Clock()
    started, doubtful, detail, attempt = clock.now(), False, "", 0
    for attempt, pause in enumerate((*policy.pauses, None), start=1):
        try:
            _attempt(send, receiver, message, policy)
            return Delivery(message.key, name, message.subject, Result.DELIVERED, attempt, "", started, clock.now())
        except DeliveryFailed as error:
            doubtful = doubtful or isinstance(error, Doubtful)
            detail = error.what
            if not error.can_retry or pause is None:
                break
        except Exception as error:  # noqa: BLE001  # its text may hold a secret, its kind does not
            detail = f"a defect of Bascule, please report it ({type(error).__name__})"
            log.error("%s: %s", name, detail)
            break
        clock.sleep(pause)
    result = Result.DOUBTFUL if doubtful else Result.FAILED
    return Delivery(message.key, name, message.subject, result, attempt, detail, started, clock.now())


def _attempt(send: Send, receiver: Receiver, message: Message, policy: Policy) -> None:
    """One attempt, on a thread of its own that is left behind when it takes too long."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            send(receiver, message, policy.timeout)
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001  # whatever it was, it is the caller's to judge
            ended.set_exception(error)

    threading.Thread(target=run, name="attempt", daemon=True).start()
    if not wait([ended], policy.limit).done:
        raise Doubtful(f"it did not come to an end within {policy.limit:g} s")
    ended.result()


@dataclass
class Deliverer:
    """Delivers to many receivers at once, so that one that hangs never keeps another waiting."""

    receivers: Mapping[str, Receiver]
    ledger: Ledger
    policy: Policy = field(default_factory=Policy)
    send: Send = send_once
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        # A worker of its own for each receiver: what waits behind one that hangs is its own messages alone.
        self._workers = {name: ThreadPoolExecutor(1, f"deliver-{name}") for name in self.receivers}

    def close(self) -> None:
        for worker in self._workers.values():
            worker.shutdown(wait=False, cancel_futures=True)

    def submit(self, name: str, message: Message) -> Future[Delivery]:
        """Deliver in the background; what was delivered before under the same key is not sent again."""
        if name not in self.receivers:
            raise UsageError(
                f"{name!r} is not a declared receiver", f"declared are: {', '.join(self.receivers) or 'none'}"
            )
        return self._workers[name].submit(self._deliver, name, message)

    def send_all(self, names: Iterable[str], message: Message) -> list[Delivery]:
        """Deliver to all, and wait until each is settled."""
        return [future.result() for future in [self.submit(name, message) for name in dict.fromkeys(names)]]

    def _deliver(self, name: str, message: Message) -> Delivery:
        """A record that cannot be read or written keeps nobody from being told: twice is better than never."""
        now = self.clock.now()
        if self._was_delivered(name, message):
            return Delivery(message.key, name, message.subject, Result.DELIVERED, 0, "delivered before", now, now)
        done = deliver(name, self.receivers[name], message, self.policy, self.send, self.clock)
        try:
            self.ledger.record(done)
        except StoreError as error:
            log.error("%s: %s is not written down: %s", name, done.result, error)
        return done

    def _was_delivered(self, name: str, message: Message) -> bool:
        try:
            return self.ledger.was_delivered(message.key, name)
        except StoreError as error:
            log.error("%s: sent without knowing whether it was before: %s", name, error)
            return False
