"""The work of delivering: one lane for each channel of each receiver, so that none waits for another.

1. the oldest message of each thread that the lane's channel is owed; the one that is due first
2. one bounded attempt
3. delivered: settled, and all that waits for this channel is due at once
4. this message is not taken: it is tried again, and keeps no other of its thread waiting
5. not delivered: tried again after a growing pause, until the message is too old; then it is told as expired
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from bascule.delivery.attempt import Policy, attempt_once
from bascule.delivery.channels import Attempt, channels_of
from bascule.delivery.message import Delivery, Message, Result, Unacceptable
from bascule.delivery.outbox import Outbox, Owed
from bascule.errors import DeliveryFailed, UsageError
from bascule.processes.workers import Workers
from bascule.spec.receivers import Receiver

log = logging.getLogger(__name__)
# Seconds. Close together for the first minute: a receiver that is back hears within seconds. The last one for good.
PAUSES = (1.0, 2.0, *[5.0] * 6, *[10.0] * 3, 20.0, 40.0, 60.0, 120.0)
HOPELESS_PAUSE = 60.0  # after a refusal that only a person can change (a wrong address, a missing secret)
IDLE_SECONDS = 1.0


@dataclass
class Courier:
    """Delivers what the outbox owes. `heard` is told of every delivery; `clock` gives Unix seconds."""

    receivers: Mapping[str, Receiver]
    outbox: Outbox
    policy: Policy = field(default_factory=Policy)
    heard: Callable[[Delivery], None] = lambda delivery: None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self.workers = Workers(self._stop)
        self._channels = {name: channels_of(receiver) for name, receiver in self.receivers.items()}

    def start(self) -> None:
        """Begin to deliver. What is owed to a receiver or channel that the spec no longer has is given up, and told."""
        for owed in self.outbox.owed():
            if owed.channel not in self._channels.get(owed.receiver, {}):
                self._give_up(owed, "the spec no longer declares this receiver or channel")
        for name, channels in self._channels.items():
            for channel, send in channels.items():
                self.workers.start(f"deliver {name} {channel}", partial(self._run, name, channel, send))

    def close(self) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self.workers.join(1.0)

    def owe(self, name: str, message: Message) -> list[Owed]:
        """Owe a message to every channel of a receiver; what was owed or delivered under its key stays as it is."""
        if name not in self._channels:
            declared = ", ".join(self._channels) or "none"
            raise UsageError(f"{name!r} is not a declared receiver", f"declared are: {declared}")
        new = self.outbox.add(message, name, self._channels[name], self.clock())
        with self._changed:
            self._changed.notify_all()
        return new

    def settled(self, key: str) -> list[Delivery]:
        """The result of a message at each channel that is not owed it any more. Raises StoreError."""
        return [each for each in self.outbox.all(key) if each.result is not Result.OWED]

    def has_kept(self, key: str) -> bool:
        """Whether what is owed under a key survives the end of this process."""
        return self.outbox.is_kept(key)

    def _run(self, name: str, channel: str, send: Attempt) -> None:
        while not self._stop.is_set():
            owed = self.outbox.next_for(name, channel)
            left = IDLE_SECONDS if owed is None else owed.due - self.clock()
            if owed is None or 0 < left <= PAUSES[-1]:  # a longer wait was meant by no one: the clock was set back
                with self._changed:
                    self._changed.wait(min(left, IDLE_SECONDS))
            else:
                self._attempt(owed, send)

    def _attempt(self, owed: Owed, send: Attempt) -> None:
        failed = attempt_once(send, owed.message, self.policy)
        now = self.clock()
        if failed is None:
            self.heard(self.outbox.settle(owed, Result.DELIVERED, "", now).delivery())
        elif now >= owed.expires:
            self._give_up(owed, failed.what)
        else:
            later = self.outbox.postpone(owed, failed.what, now + _pause(owed, failed))
            if isinstance(failed, Unacceptable):
                self.outbox.set_aside(owed)
            log.warning("%s %s is owed %r: %s", owed.receiver, owed.channel, owed.message.subject, later.detail)

    def _give_up(self, owed: Owed, why: str) -> None:
        log.error("%s was never notified of %r: %s", owed.receiver, owed.message.subject, why)
        self.heard(self.outbox.settle(owed, Result.EXPIRED, why, self.clock()).delivery())


def _pause(owed: Owed, failed: DeliveryFailed) -> float:
    """Seconds before the next attempt; what a receiver asks for is granted up to the longest pause."""
    usual = PAUSES[min(owed.attempts, len(PAUSES) - 1)] if failed.can_retry else HOPELESS_PAUSE
    return max(usual, min(failed.wait, PAUSES[-1]))
