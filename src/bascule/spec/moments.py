"""Moments as people ask for them: RFC 3339, `now`, `now-7d`, `now+30m`, or `1h`, which counts back from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bascule import times
from bascule.spec.quantities import parse_duration

HOW = "write 2026-01-31T08:00:00Z, now, now-7d, now+30m or 1h (an hour ago)"
CLOCKS = timedelta(days=1)  # by so much may another machine's clock be ahead


def moment(text: str, now: datetime | None = None) -> datetime:
    """In UTC, which it is in where it names no zone. Raises ValueError."""
    now = now or datetime.now(UTC)
    if text == "now":
        return now
    back = text.removeprefix("now-")
    try:
        if text.startswith("now+"):
            return now + timedelta(seconds=parse_duration(text.removeprefix("now+")))
        return now - timedelta(seconds=parse_duration(back))
    except ValueError:
        return times.parse(text)


def past(first: datetime | None, last: datetime | None, now: datetime | None = None) -> str:
    """What is wrong with a span of things that have happened; nothing where some may lie in it."""
    if first is not None and first > (now or datetime.now(UTC)) + CLOCKS:
        return f"the span begins in the future, {times.dated(first.timestamp())}"
    if first is not None and last is not None and last <= first:
        ends, begins = (times.dated(each.timestamp()) for each in (last, first))
        return f"the span ends ({ends}) before it begins ({begins})"
    return ""
