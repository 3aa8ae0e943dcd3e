"""What is sent, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bascule.errors import DeliveryFailed
from bascule.spec.receivers import NoticeText

DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Attachment:
    name: str
    content: bytes
    media_type: str  # such as application/pdf


@dataclass(frozen=True)
class Message(NoticeText):
    """A notice with what only mail has. `lives`: seconds for which it is tried."""

    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    lives: float = DAY_SECONDS


class Result(StrEnum):
    """`owed`: not delivered yet, and tried again; `doubtful`: handed over, but nobody confirmed it."""

    OWED = "owed"
    DELIVERED = "delivered"
    DOUBTFUL = "doubtful"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Delivery:
    """One message to one channel of one receiver, and its result. Times are Unix seconds."""

    key: str
    receiver: str
    channel: str
    subject: str
    result: Result
    attempts: int
    detail: str
    started: float
    ended: float


class Unacceptable(DeliveryFailed):
    """The receiver does not take this message; others it may take."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "see why the receiver refuses it", can_retry=False)


class Doubtful(DeliveryFailed):
    """Everything was handed over, and then no answer came."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "it may have arrived; ask the receiver before sending again", can_retry=True)
