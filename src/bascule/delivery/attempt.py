"""One bounded attempt, and a few of them in a row for somebody who waits for the answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from bascule.delivery.channels import Attempt, channels_of
from bascule.delivery.line import Line
from bascule.delivery.message import Delivery, Doubtful, Message, Result
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import Receiver

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Policy:
    """Seconds between attempts (one attempt more than pauses), how long a receiver may be silent in one, and how long
    one may take at all: a receiver that answers a byte at a time is never silent for long."""

    pauses: tuple[float, ...] = (1.0, 5.0, 15.0)
    timeout: float = 10.0
    limit: float = 30.0


def attempt_once(send: Attempt, message: Message, policy: Policy) -> DeliveryFailed | None:
    """One attempt, on a thread of its own; one that takes too long is cut off. None when it was delivered."""
    ended: Future[None] = Future()
    line = Line(policy.timeout, policy.limit)

    def run() -> None:
        try:
            send(message, line)
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001  # whatever it was, it is the caller's to judge
            ended.set_exception(error)

    threading.Thread(target=run, name="attempt", daemon=True).start()
    if not wait([ended], policy.limit).done:
        line.cut()
        return Doubtful(f"the attempt timed out after {policy.limit:g} s")
    error = ended.exception()
    if error is None or isinstance(error, DeliveryFailed):
        return error
    log.error("internal error while sending: %s", type(error).__name__)  # its text may hold a secret, its kind does not
    return DeliveryFailed(f"internal error ({type(error).__name__})", "please report it", can_retry=True)


def deliver_now(
    name: str,
    receiver: Receiver,
    message: Message,
    policy: Policy | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Delivery]:
    """A few attempts through every channel of a receiver at once; each channel's result. Never raises for a failure."""
    channels = channels_of(receiver)
    if not channels:
        now = time.time()
        why = "the receiver declares no channel"
        return [Delivery(message.key, name, "none", message.subject, Result.FAILED, 0, why, now, now)]
    with ThreadPoolExecutor(len(channels)) as pool:
        jobs = [
            pool.submit(_try, name, channel, send, message, policy or Policy(), sleep)
            for channel, send in channels.items()
        ]
        return [job.result() for job in jobs]


def deliver_to_all(receivers: Iterable[tuple[str, Receiver]], message: Message, policy: Policy) -> Iterator[Delivery]:
    """The same for several receivers at once, in their order."""
    pairs = list(receivers)
    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        for job in [pool.submit(deliver_now, name, receiver, message, policy) for name, receiver in pairs]:
            yield from job.result()


def _try(
    name: str, channel: str, send: Attempt, message: Message, policy: Policy, sleep: Callable[[float], None]
) -> Delivery:
    """An attempt that nobody confirmed is repeated with the same key; when none is confirmed the result is doubtful."""
    started, doubtful, detail, number = time.time(), False, "", 0
    for number, pause in enumerate((*policy.pauses, None), start=1):
        failed = attempt_once(send, message, policy)
        if failed is None:
            return Delivery(
                message.key, name, channel, message.subject, Result.DELIVERED, number, "", started, time.time()
            )
        doubtful, detail = doubtful or isinstance(failed, Doubtful), failed.what
        if not failed.can_retry or pause is None:
            break
        sleep(pause)
    result = Result.DOUBTFUL if doubtful else Result.FAILED
    return Delivery(message.key, name, channel, message.subject, result, number, detail, started, time.time())
