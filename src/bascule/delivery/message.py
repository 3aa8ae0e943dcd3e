"""What is sent, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bascule.conventions import Severity
from bascule.errors import DeliveryFailed


@dataclass(frozen=True)
class Attachment:
    name: str
    content: bytes
    media_type: str  # such as application/pdf


@dataclass(frozen=True)
class Message:
    """`key` is the same for every attempt at the same message, so that a receiver can tell a repeat."""

    key: str
    subject: str
    text: str
    html: str = ""
    severity: str = Severity.INFO
    resolved: bool = False
    attachments: tuple[Attachment, ...] = field(default_factory=tuple)


class Result(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    DOUBTFUL = "doubtful"  # handed over, but nobody confirmed: it may have arrived


@dataclass(frozen=True)
class Delivery:
    """What went to whom. Times are Unix seconds."""

    key: str
    receiver: str
    subject: str
    result: Result
    attempts: int
    detail: str
    started: float
    ended: float


class Doubtful(DeliveryFailed):
    """Everything was handed over, and then no answer came."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "it may have arrived; ask the receiver before sending again", can_retry=True)
