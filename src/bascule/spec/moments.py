"""Moments as people ask for them: RFC 3339, `now`, `now-7d`, `now+30m`, or `1h`, which counts back from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bascule import times
from bascule.errors import UsageError
from bascule.spec.quantities import parse_duration

CLOCKS = timedelta(days=1)  # by so much may another machine's clock be ahead


def moment(text: str, now: datetime | None = None) -> datetime:
    """In UTC, which it is in where it names no zone. Raises UsageError."""
    now = now or datetime.now(UTC)
    if text == "now":
        return now
    try:
        return _relative(text, now) or times.parse(text)
    except ValueError as error:
        fix = "write 2026-01-31T08:00:00Z, now, now-7d, now+30m or 1h (an hour ago)"
        raise UsageError(f"{text!r} is not a time", fix) from error


def _relative(text: str, now: datetime) -> datetime | None:
    try:
        if text.startswith("now+"):
            return now + timedelta(seconds=parse_duration(text.removeprefix("now+")))
        return now - timedelta(seconds=parse_duration(text.removeprefix("now-")))
    except ValueError:
        return None


def refuse_impossible(first: datetime | None, last: datetime | None, now: datetime | None = None) -> None:
    """Raises UsageError for a span in which nothing can have happened."""
    if first is not None and first > (now or datetime.now(UTC)) + CLOCKS:
        raise UsageError(f"the span begins in the future, {times.dated(first.timestamp())}", "let it begin earlier")
    if first is not None and last is not None and last <= first:
        ends, begins = (times.dated(each.timestamp()) for each in (last, first))
        raise UsageError(f"the span ends ({ends}) before it begins ({begins})", "swap its ends, or widen it")
