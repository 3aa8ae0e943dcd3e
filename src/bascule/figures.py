"""Numbers as people read them: 0.0002 is `0.02 %`, 0.0431 s is `43 ms`; a missing number is a dash, never a zero."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from bascule import times
from bascule.units import Dimension, number_text, unit_of

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def figure(value: float | None, unit: str) -> str:
    """A value in its unit; `unit` as the spec writes it: ratio, seconds, stars, EUR per match, ..."""
    if value is None or not math.isfinite(value):
        return MISSING
    number, short = _scaled(value, unit)
    return f"{number}{THIN}{short}" if short else number


def over(bound: float, unit: str) -> str:
    """Of what lies beyond the last bound that is known: `over 50 ms`; a bound is exact, and needs no further digits."""
    factor, short = scale(bound, unit)
    number = f"over {number_text(bound * factor)}"
    return f"{number}{THIN}{short}" if short else number


def difference(value: float | None, unit: str) -> str:
    """A difference, always with its sign; differences of ratios are percentage points."""
    if value is None or not math.isfinite(value):
        return MISSING
    number, short = _scaled(value, unit)
    short = "pt" if unit_of(unit).dimension is Dimension.SHARE else short
    sign = "" if number.startswith(MINUS) else "+" if number.strip("0.") else "±"
    return f"{sign}{number}{THIN}{short}" if short else f"{sign}{number}"


def between(low: float, high: float, unit: str) -> str:
    """An interval of differences with one unit and one number of decimals: `−0.33 … +0.29 pt`."""
    factor, short = scale(max(abs(low), abs(high)), unit)
    short = "pt" if unit_of(unit).dimension is Dimension.SHARE else short
    decimals = _decimals(max(abs(low), abs(high)) * factor, 3)
    text = " … ".join(f"{bound * factor:+.{decimals}f}".replace("-", MINUS) for bound in (low, high))
    return f"{text}{THIN}{short}" if short else text


def unit_name(unit: str) -> str:
    """The unit as it is shown beside a signal's name."""
    match unit_of(unit).dimension:
        case Dimension.SHARE:
            return "ratio"
        case Dimension.TIME:
            return "time"
    return unit


def multiple(value: float | None) -> str:
    """A ratio of two rates: `×1.8`."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"×{_digits(value, 2)}"


def percent(value: float | None) -> str:
    return figure(value, "ratio")


def used(value: float | None) -> str:
    """How much of what is allowed is used; of an allowance of nothing, anything is over it."""
    if value is not None and math.isinf(value):
        return "over"
    return MISSING if value is None else f"{value * 100:.0f}{THIN}%" if value < 10 else f"×{_digits(value, 2)}"


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


def evidence(value: float, threshold: float) -> str:
    """`9.1 (alert threshold 7.0)`; evidence has no unit."""
    return f"{strength(value)} (alert threshold {threshold:.1f})"


def strength(value: float) -> str:
    """Of evidence: `9.1`, `120`."""
    return number_text(value) if value >= 100 else f"{max(0.0, value):.1f}"


def span(seconds: float | None) -> str:
    """A length of time in its two largest units: `4 s`, `3 min 20 s`, `2 d 4 h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    return times.lasting(seconds, gap=THIN)


def local(text: str, language: str) -> str:
    """Figures that were written in English, as `language` (en, fr) writes them: `82,1 %`, `4,37 étoiles`, `30 j`."""
    if language != "fr":
        return text
    return _FRENCH.sub(lambda found: "," if found[0] == "." else _FRENCH_UNITS[found[0]], text)


_FRENCH_UNITS = {"stars": "étoiles", "d": "j", "per": "par", "over": "plus de"}
_FRENCH = re.compile(rf"(?<=\d)\.(?=\d)|\bstars\b|\bper\b|^over\b(?= \d)|(?<=[\d\s{THIN}])d\b")


def _scaled(value: float, unit: str) -> tuple[str, str]:
    factor, short = scale(value, unit)
    return _digits(value * factor, 3), short


def scale(value: float, unit: str) -> tuple[float, str]:
    """What a value of this size is multiplied by to be read, and its short unit then."""
    own = unit_of(unit)
    match own.dimension:
        case Dimension.SHARE:
            return 100.0 * own.scale, "%"
        case Dimension.TIME:
            return _largest(_TIMES, abs(value * own.scale), own.scale)
        case Dimension.BYTES:
            return _largest(_SIZES, abs(value * own.scale), own.scale)
    return 1.0, unit.partition(" ")[0]


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def _largest(units: Sequence[tuple[float, str]], value: float, scale: float) -> tuple[float, str]:
    """The largest unit of which there is one; milliseconds for nothing at all, and below a thousandth of them."""
    found = next(((size, short) for size, short in units if value >= size), units[1 if value == 0 else -1])
    return scale / found[0], found[1]


def _digits(value: float, significant: int) -> str:
    """`value` to so many significant digits, at most three decimals, without an exponent."""
    text = f"{value:.{_decimals(value, significant)}f}"
    return text.replace("-", MINUS) if float(text) else "0"


def _decimals(value: float, significant: int) -> int:
    if value == 0:
        return 0
    return min(3, max(0, significant - 1 - math.floor(math.log10(abs(value)))))
