"""Delivering: bounded attempts with growing pauses, each receiver for itself, everything written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from bascule.delivery.channels import send_once
from bascule.delivery.ledger import Ledger
from bascule.delivery.message import Delivery, Doubtful, Message, Result
from bascule.errors import DeliveryFailed, UsageError
from bascule.spec.model import Receiver

Send = Callable[[Receiver, Message, float], None]


@dataclass(frozen=True)
class Policy:
    """Seconds between attempts (one attempt more than pauses), and how long one attempt may take."""

    pauses: tuple[float, ...] = (1.0, 5.0, 15.0)
    timeout: float = 10.0


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
            send(receiver, message, policy.timeout)
            return Delivery(message.key, name, message.subject, Result.DELIVERED, attempt, "", started, clock.now())
        except DeliveryFailed as error:
            doubtful = doubtful or isinstance(error, Doubtful)
            detail = error.what
            if not error.can_retry or pause is None:
                break
        clock.sleep(pause)
    result = Result.DOUBTFUL if doubtful else Result.FAILED
    return Delivery(message.key, name, message.subject, result, attempt, detail, started, clock.now())


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
        now = self.clock.now()
        if self.ledger.was_delivered(message.key, name):
            return Delivery(message.key, name, message.subject, Result.DELIVERED, 0, "delivered before", now, now)
        done = deliver(name, self.receivers[name], message, self.policy, self.send, self.clock)
        self.ledger.record(done)
        return done
