"""Which channels of receivers have not got what they are owed."""

from __future__ import annotations

from collections.abc import Sequence

from bascule import figures
from bascule.api.models.others import DeliveryAnswer
from bascule.console.sources import SourceReading
from bascule.console.views.verdict import PageNotice

OWED_SECONDS = 15.0  # from which a notice that is owed is shown


def unheard(owed: SourceReading[list[DeliveryAnswer]], now: float) -> list[PageNotice]:
    late: dict[tuple[str, str], list[DeliveryAnswer]] = {}
    for each in owed.value or ():
        if now - each.started.timestamp() >= OWED_SECONDS:
            late.setdefault((each.receiver, each.channel), []).append(each)
    return [_notice(receiver, channel, waiting, now) for (receiver, channel), waiting in late.items()]


def _notice(receiver: str, channel: str, owed: Sequence[DeliveryAnswer], now: float) -> PageNotice:
    number = "a notice" if len(owed) == 1 else f"{len(owed)} notices"
    title = f"{receiver} has not got {number} ({channel})"
    age = figures.span(now - owed[0].started.timestamp())
    return PageNotice(f"owed-{receiver}-{channel}", title, owed[0].detail, f"for {age}")
