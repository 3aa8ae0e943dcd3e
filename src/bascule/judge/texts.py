"""Numbers as people read them. Every number in an explanation is formatted here, so that tests can check it."""

from __future__ import annotations

import math

from bascule import figures, times
from bascule.conventions import TOTAL_SEGMENT
from bascule.units import Dimension, bytes_text, number_text, signed_text, time_text, unit_of

span_text, clock_text = times.lasting, times.clock


def share_text(share: float) -> str:
    """`0.02 %`, `12 %`: three significant digits."""
    return f"{number_text(share * 100)} %"


def value_text(value: float, unit: str) -> str:
    """`12 %`, `85 ms`, `4.25 stars`: three digits, in the unit that reads best; stars stay stars."""
    if math.isnan(value):
        return "no data"
    own = unit_of(unit)
    match own.dimension:
        case Dimension.SHARE:
            return share_text(own.to_base(value))
        case Dimension.TIME:
            return time_text(own.to_base(value))
        case Dimension.BYTES:
            return bytes_text(own.to_base(value))
    return f"{number_text(value)} {unit}".strip()


def difference_text(value: float, unit: str) -> str:
    """`+2.5 pt`, `-12 ms`: a difference of two such values, with its sign."""
    if not math.isfinite(value):
        return "unknown"
    own = unit_of(unit)
    if own.dimension is Dimension.SHARE:
        return f"{signed_text(own.to_base(value) * 100)} pt"
    if own.dimension is None:
        return f"{signed_text(value)} {unit}".strip()
    sign = "-" if value < 0 else "+"
    return f"{sign}{value_text(abs(value), unit)}"


def reached_text(value: float, over: float, unit: str) -> str:
    """`85 ms`; `over 50 ms` where the value lies beyond the last bound `over` of what is known (NaN: it does not)."""
    return value_text(value, unit) if math.isnan(over) else f"over {value_text(over, unit)}"


def interval_text(low: float, high: float, unit: str) -> str:
    """`-3 ms to +2 ms`, `at least +2 ms` where the other end is infinite; nothing where no end is known."""
    ends = [difference_text(end, unit) for end in (low, high) if math.isfinite(end)]
    if len(ends) == 1:
        return f"at {'least' if math.isfinite(low) else 'most'} {ends[0]}"
    return " to ".join(ends)


def where_text(segment: str) -> str:
    """Which comparison a sentence is about."""
    return "(all segments, mix-adjusted)" if segment == TOTAL_SEGMENT else f"in {segment}"


def evidence_text(evidence: float, threshold: float) -> str:
    """`evidence 9.1 (alert threshold 7.0)`."""
    return f"evidence {figures.evidence(evidence, threshold)}"
