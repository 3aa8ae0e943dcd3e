"""Numbers as people read them. Every number in an explanation is formatted here, so that tests can check it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from bascule.conventions import TOTAL_SEGMENT


def share_text(share: float) -> str:
    """`0.02 %`, `12 %`: three significant digits."""
    return f"{share * 100:.3g} %"


def value_text(value: float, unit: str) -> str:
    if math.isnan(value):
        return "no data"
    if unit == "ratio":
        return share_text(value)
    if unit == "seconds":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.4g} {unit}".strip()


def difference_text(value: float, unit: str) -> str:
    if math.isnan(value):
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:+.3g} pt"
    if unit == "seconds":
        return f"{value * 1000:+.3g} ms"
    return f"{value:+.3g} {unit}".strip()


def span_text(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `3 h 10 min`, `2 d 4 h`."""
    whole = round(seconds)
    for size, unit, lower_size, lower in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // lower_size
            return f"{whole // size} {unit}" + (f" {rest} {lower}" if rest else "")
    return f"{whole} s"


def clock_text(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S UTC")


def where_text(segment: str) -> str:
    return "over all segments, mix-adjusted" if segment == TOTAL_SEGMENT else f"in {segment}"
