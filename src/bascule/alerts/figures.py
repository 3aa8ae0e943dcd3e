"""How figures read in the texts of alerts: rounded, with their unit, in what Prometheus' templates offer."""

from __future__ import annotations

from bascule.spec.quantities import Gain, format_duration
from bascule.units import Dimension, time_text, unit_of

PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"
COUNT = '{{ printf "%.0f" $value }}'
NUMBER = '{{ printf "%.2f" $value }}'
# A difference of two shares: tenths of a point, or noise in the last digits of equal shares would read as 1e-15%.
POINTS = '{{ printf "%.3f" $value | humanizePercentage | reReplaceAll "%" " points" }}'

_DIGITS = '{{ printf "%.4g" $value }}'
_FIGURES = {"ratio": PERCENT, "seconds": DURATION, "percent": f"{_DIGITS}%", "bytes": "{{ $value | humanize }}B"}


def value_in(unit: str) -> str:
    """The template for the alert's value in the unit of its signal."""
    return _FIGURES.get(unit) or _other(unit)


def _other(unit: str) -> str:
    own = unit_of(unit)
    return f"{_DIGITS if own.dimension else NUMBER} {own.short}".rstrip()


def difference_in(unit: str) -> str:
    """The template for a difference in that unit."""
    if unit_of(unit).name == "percent":
        return f"{_DIGITS} points"
    return POINTS if unit == Dimension.SHARE else value_in(unit)


def written(value: float, unit: str) -> str:
    """A bound of the spec, as its value is written: `5%`, `150ms`, `4.5 stars`."""
    own = unit_of(unit)
    match own.dimension:
        case Dimension.TIME:
            return _time(own.to_base(value))
        case Dimension.SHARE:
            return f"{own.to_base(value) * 100:g}%"
    return f"{value:g} {own.short}".rstrip()


def _time(seconds: float) -> str:
    """Exact, as durations are written; below a millisecond with a unit that durations do not have."""
    return format_duration(seconds) if (seconds * 1000) % 1 == 0 else time_text(seconds, gap="")


def gain_written(gain: Gain, unit: str) -> str:
    """A wanted difference: `13 points`, `10%` (relative), `0.1 stars`."""
    if gain.relative:
        return f"{gain.amount * 100:g}%"
    if unit_of(unit).dimension is Dimension.SHARE:
        return f"{unit_of(unit).to_base(gain.amount) * 100:g} points"
    return written(gain.amount, unit)


def title(name: str) -> str:
    """A version's name at the head of a sentence: `v2` is `V2`."""
    return name[:1].upper() + name[1:]
