"""Numbers as people read them. Every number in an explanation is formatted here, so that tests can check it."""

from __future__ import annotations

import math

from bascule import times
from bascule.conventions import TOTAL_SEGMENT

span_text, clock_text = times.lasting, times.clock


def share_text(share: float) -> str:
    """`0.02 %`, `12 %`: three significant digits."""
    return f"{share * 100:.3g} %"


def value_text(value: float, unit: str) -> str:
    """`12 %`, `85 ms`, `4.25 stars`: in the signal's unit (`ratio`, `seconds`, any other as it is written)."""
    if math.isnan(value):
        return "no data"
    if unit == "ratio":
        return share_text(value)
    if unit == "seconds":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.4g} {unit}".strip()


def difference_text(value: float, unit: str) -> str:
    """`+2.5 pt`, `-12 ms`: a difference of two such values, with its sign."""
    if math.isnan(value):
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:+.3g} pt"
    if unit == "seconds":
        return f"{value * 1000:+.3g} ms"
    return f"{value:+.3g} {unit}".strip()


def where_text(segment: str) -> str:
    """Of which comparison a sentence speaks."""
    return "over all segments, mix-adjusted" if segment == TOTAL_SEGMENT else f"in {segment}"
