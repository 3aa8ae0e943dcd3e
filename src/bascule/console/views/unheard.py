"""Which channels of receivers have not got what they are owed."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.api.models.others import DeliveryAnswer
from bascule.console import figures
from bascule.console.parts import JournalReading
from bascule.console.sources import Reading
from bascule.console.views.verdict import PageNotice

OWED_SECONDS = 15.0  # from which a notice that is owed is shown


def unheard(journal: Reading[JournalReading], now: float) -> list[PageNotice]:
    late: dict[tuple[str, str], list[DeliveryAnswer]] = {}
    for each in journal.value.owed if journal.value is not None else ():
        if now - each.started.timestamp() >= OWED_SECONDS:
            late.setdefault((each.receiver, each.channel), []).append(each)
    return [_notice(receiver, channel, owed, now) for (receiver, channel), owed in late.items()]


def _notice(receiver: str, channel: str, owed: Sequence[DeliveryAnswer], now: float) -> PageNotice:
    number = "a notice" if len(owed) == 1 else f"{len(owed)} notices"
    title = f"{receiver} has not got {number} ({channel})"
    age = figures.span(now - owed[0].started.timestamp())
    return PageNotice(f"owed-{receiver}-{channel}", title, owed[0].detail, f"for {age}")
