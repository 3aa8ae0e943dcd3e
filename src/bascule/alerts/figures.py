"""How figures read in the texts of alerts: rounded, with their unit, in what Prometheus' templates offer."""

from __future__ import annotations

from bascule.spec.quantities import Gain, format_duration

PERCENT = "{{ $value | humanizePercentage }}"
DURATION = "{{ $value | humanizeDuration }}"
COUNT = '{{ printf "%.0f" $value }}'
NUMBER = '{{ printf "%.2f" $value }}'
# A difference of two shares: tenths of a point, or noise in the last digits of equal shares would read as 1e-15%.
POINTS = '{{ printf "%.3f" $value | humanizePercentage | reReplaceAll "%" " points" }}'


def value_in(unit: str) -> str:
    """The template for the alert's value in the unit of its signal."""
    return {"ratio": PERCENT, "seconds": DURATION}.get(unit, f"{NUMBER} {unit}".rstrip())


def difference_in(unit: str) -> str:
    """The template for a difference in that unit."""
    return POINTS if unit == "ratio" else value_in(unit)


def written(value: float, unit: str) -> str:
    """A bound of the spec, as its value is written: `5%`, `150ms`, `4.5 stars`."""
    if unit == "seconds":
        return format_duration(value)
    return f"{value * 100:g}%" if unit == "ratio" else f"{value:g} {unit}".rstrip()


def gain_written(gain: Gain, unit: str) -> str:
    """A wanted difference: `13 points`, `10%` (relative), `0.1 stars`."""
    if gain.relative:
        return f"{gain.amount * 100:g}%"
    return f"{gain.amount * 100:g} points" if unit == "ratio" else written(gain.amount, unit)


def title(name: str) -> str:
    """A version's name at the head of a sentence: `v2` is `V2`."""
    return name[:1].upper() + name[1:]
