"""Numbers as people read them: 0.0002 is `0.02 %`, 0.0431 s is `43 ms`; a missing number is a dash, never a zero."""

from __future__ import annotations

import math

from bascule import times
from bascule.spec.signals import TIME_UNITS

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def figure(value: float | None, unit: str) -> str:
    """A value in its unit; `unit` as the spec writes it: ratio, seconds, stars, EUR per match, ..."""
    if value is None or not math.isfinite(value):
        return MISSING
    number, short = _scaled(value, unit)
    return f"{number}{THIN}{short}" if short else number


def difference(value: float | None, unit: str) -> str:
    """A difference, always with its sign; differences of ratios are percentage points."""
    if value is None or not math.isfinite(value):
        return MISSING
    number, short = _scaled(value, unit)
    short = "pt" if unit == "ratio" else short
    sign = "" if number.startswith(MINUS) else "+" if number.strip("0.") else "±"
    return f"{sign}{number}{THIN}{short}" if short else f"{sign}{number}"


def between(low: float, high: float, unit: str) -> str:
    """An interval of differences with one unit and one number of decimals: `−0.33 … +0.29 pt`."""
    factor, short = _scale(max(abs(low), abs(high)), unit)
    short = "pt" if unit == "ratio" else short
    decimals = _decimals(max(abs(low), abs(high)) * factor, 3)
    text = " … ".join(f"{bound * factor:+.{decimals}f}".replace("-", MINUS) for bound in (low, high))
    return f"{text}{THIN}{short}" if short else text


def unit_name(unit: str) -> str:
    """The unit as it stands beside a signal's name."""
    return "share of events" if unit == "ratio" else "time" if unit in TIME_UNITS else unit


def multiple(value: float | None) -> str:
    """A ratio of two rates: `×1.8`."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"×{_digits(value, 2)}"


def percent(value: float | None) -> str:
    return figure(value, "ratio")


def share(value: float | None) -> str:
    """A share of traffic in whole percents; a small one is never rounded down to nothing."""
    if value is None or not math.isfinite(value):
        return MISSING
    if 0 < value < 0.01:
        return f"<{THIN}1{THIN}%"
    return f"{value * 100:.0f}{THIN}%"


def count(value: float | None) -> str:
    """A number of events, grouped by threes."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}".replace(",", THIN)


def rate(value: float | None) -> str:
    """Events per second."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{_digits(value, 2)}/s"


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: `4 s`, `3 min 20 s`, `2 d 4 h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    return times.lasting(seconds, gap=THIN)


def _scaled(value: float, unit: str) -> tuple[str, str]:
    factor, short = _scale(value, unit)
    return _digits(value * factor, 3), short


def _scale(value: float, unit: str) -> tuple[float, str]:
    """What a value of this size is multiplied by to be read, and its short unit then."""
    if unit == "ratio":
        return 100.0, "%"
    if unit in TIME_UNITS:
        seconds = TIME_UNITS[unit]
        return (seconds, "s") if abs(value * seconds) >= 1 else (1000 * seconds, "ms")
    return 1.0, unit.partition(" ")[0]


def _digits(value: float, significant: int) -> str:
    """`value` to so many significant digits, at most three decimals, without an exponent."""
    text = f"{value:.{_decimals(value, significant)}f}"
    return text.replace("-", MINUS) if float(text) else "0"


def _decimals(value: float, significant: int) -> int:
    if value == 0:
        return 0
    return min(3, max(0, significant - 1 - math.floor(math.log10(abs(value)))))
