"""Times and lengths of time as texts: Unix seconds inside, UTC outside. Needs the standard library alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

_SIZES = (86400, 3600, 60, 1)
UNITS = ("d", "h", "min", "s")
Precision = Literal["seconds", "milliseconds", "auto"]


_LAST = datetime.max.replace(tzinfo=UTC)
_LAST_SECONDS = _LAST.timestamp()


def moment(seconds: float) -> datetime:
    """Unix seconds as a time of UTC."""
    # As a float the calendar's last microseconds are the end of their second, which no calendar has.
    return _LAST if seconds == _LAST_SECONDS else datetime.fromtimestamp(seconds, UTC)


def unix(moment: datetime | None) -> float | None:
    """A time as Unix seconds; none stays none."""
    return None if moment is None else moment.timestamp()


def parse(text: str) -> datetime:
    """An RFC 3339 time in UTC, which it is in where it names no zone. Raises ValueError, also for what UTC does not
    have: the year 1 begins earlier in the east."""
    found = datetime.fromisoformat(text)
    try:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is beyond the calendar") from error


def rfc3339(seconds: float, precision: Precision = "seconds") -> str:
    """`2026-01-31T08:00:00Z`, with milliseconds, or all there is (`auto`), where asked for."""
    return moment(seconds).isoformat(timespec=precision).replace("+00:00", "Z")


def dated(seconds: float) -> str:
    """`2026-01-31 08:00:00 UTC`: for people, in tables and sentences."""
    return f"{moment(seconds):%Y-%m-%d %H:%M:%S} UTC"


def clock(seconds: float) -> str:
    """`08:00:00 UTC`."""
    return f"{moment(seconds):%H:%M:%S} UTC"


def lasting(seconds: float, units: Sequence[str] = UNITS, gap: str = " ") -> str:
    """`45 s`, `2 min 5 s`, `2 d 4 h`: the two largest units, none that is zero; `gap` is before each unit."""
    left, counts = max(0, round(seconds)), []
    for size in _SIZES:
        count, left = divmod(left, size)
        counts.append(count)
    first = next((place for place, count in enumerate(counts) if count), len(counts) - 1)
    pairs = list(zip(counts, units, strict=True))[first : first + 2]
    return " ".join(f"{count}{gap}{unit}" for count, unit in pairs if count or not any(counts))
