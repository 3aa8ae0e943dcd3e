"""Grafana's names of units, and values in them as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule import figures

# A name of Grafana's to the unit as `figures` knows it; rates are written as they are.
UNITS: Mapping[str, str] = {
    "none": "",
    "percentunit": "ratio",
    "percent": "percent",
    "s": "seconds",
    "ms": "milliseconds",
    "µs": "microseconds",
    "ns": "nanoseconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "bytes": "bytes",
    "decbytes": "bytes",
    "deckbytes": "kilobytes",
    "decmbytes": "megabytes",
    "decgbytes": "gigabytes",
    "kbytes": "kibibytes",
    "mbytes": "mebibytes",
    "gbytes": "gibibytes",
    "Bps": "B/s",
    "reqps": "req/s",
    "ops": "op/s",
    "cps": "1/s",
    "pps": "packets/s",
    "wps": "lines/s",
}


_LONG = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
_LONG_FROM = 120.0  # seconds: from here on they are read in minutes, hours, days


@dataclass(frozen=True)
class Axis:
    """What values are multiplied by on an axis, and what is behind them."""

    factor: float
    short: str


def text(value: float, unit: str) -> str:
    if unit == "s" and abs(value) >= _LONG_FROM:
        return f"{figures.MINUS if value < 0 else ''}{figures.span(abs(value))}"
    if unit == "none" and (abs(value) >= 10_000 or value == round(value)):
        return figures.count(value)
    return figures.figure(value, UNITS[unit])


def axis(largest: float, unit: str) -> Axis:
    """For values up to `largest`, in the one unit that all of them are read in."""
    if unit == "s" and largest >= _LONG_FROM:
        size, short = next((size, short) for size, short in _LONG if largest >= 2 * size)
        return Axis(1 / size, short)
    return Axis(*figures.scale(largest, UNITS[unit]))
