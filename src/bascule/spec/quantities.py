"""Durations, shares, differences and thresholds as people write them: `10m`, `25%`, `13pt`, `<100ms`.

Every value is kept in base units: seconds, ratios (25% is 0.25), bytes, counts per second. What is compared with a
signal is brought into the signal's own unit (`Amount.within`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer

from bascule import times
from bascule.units import Dimension, Unit, unit_of

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
LONGEST_SECONDS = 100 * 365 * 86400.0  # what Prometheus, and dates, can still hold
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_DURATION = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_DURATIONS = re.compile(rf" *(?:{_DURATION.pattern} *)+")  # as a whole: a search from each digit on costs its square
_QUANTITY = re.compile(rf"^({_NUMBER})\s*(%|pt|[mun]s|µs|[smhdw]|[kMG]?B|[KMG]iB)?$")
_THRESHOLD = re.compile(r"^(<=|>=|<|>)\s*(.+)$")
_CONDITION = re.compile(r"^([A-Za-z_][\w]*(?:\.\w+)?)\s*(<=|>=|<|>)\s*(.+)$")
_RATE = re.compile(rf"^({_NUMBER})\s*/\s*([smhd])$")

Comparison = Literal["<", "<=", ">", ">="]


def parse_duration(text: Any) -> float:
    """Seconds of `250ms`, `1h30m`, or a bare number of seconds; never negative."""
    seconds = _seconds(text)
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError(f"{text!r} is not a duration; write it like 500ms, 10m or 24h")
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{text!r} is longer than a century; write it like 500ms, 10m or 24h")
    return seconds


def _seconds(text: Any) -> float | None:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _as_float(text)
    if not _DURATIONS.fullmatch(str(text)):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(str(text)))


def _as_float(number: float) -> float:
    """Infinite where a whole number is larger than a float can be."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def parse_moment(text: str) -> datetime:
    """An RFC 3339 time, in UTC unless it says otherwise."""
    try:
        return times.parse(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time; write it like 2026-01-31T08:00:00Z") from error


def format_duration(seconds: float) -> str:
    """The shortest exact way Prometheus and people write it: 90 -> `1m30s`, 0.5 -> `500ms`."""
    left = round(seconds * 1000)
    text = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


@dataclass(frozen=True)
class Amount:
    """A value of base units where it was written with one (`dimension`); a bare number is in whatever unit is meant."""

    value: float
    dimension: Dimension | None = None

    @classmethod
    def parse(cls, text: Any) -> Amount:
        if isinstance(text, cls):
            return text
        if isinstance(text, int | float) and not isinstance(text, bool) and math.isfinite(_as_float(text)):
            return cls(float(text))
        match = _QUANTITY.match(str(text).strip())
        if not match or math.isinf(float(match[1])):
            raise ValueError(f"{text!r} is not a quantity; write it like 25%, 1pt, 100ms, 64MiB or 4.5")
        number, unit = float(match[1]), match[2]
        if unit is None:
            return cls(number)
        if unit in ("%", "pt"):
            return cls(number / 100, Dimension.SHARE)
        if unit in _SECONDS:
            return cls(number * _SECONDS[unit], Dimension.TIME)
        return cls(unit_of(unit).to_base(number), unit_of(unit).dimension)

    def within(self, unit: Unit) -> float:
        """The value in a signal's unit: 100ms is 100 in milliseconds; a bare number is in that unit already."""
        return self.value if self.dimension is None else unit.of_base(self.value)

    def fits(self, unit: Unit) -> bool:
        """Whether it can be compared with values of this unit."""
        return self.dimension in (None, unit.dimension)

    def __str__(self) -> str:
        """As it reads back to the same."""
        number = Decimal(repr(self.value))
        match self.dimension:
            case Dimension.TIME:
                return f"{number:f}s"
            case Dimension.SHARE:
                return f"{(number * 100).normalize():f}pt"
            case Dimension.BYTES:
                return f"{number:f}B"
        return f"{number:f}"


def parse_quantity(text: Any) -> float:
    """A ratio (`25%`, `13pt`), a time (`100ms`), bytes (`64MiB`) or a bare number, in base units."""
    return Amount.parse(text).value


def parse_share(text: Any) -> float:
    value = parse_quantity(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r}: must be between 0% and 100%; write it like 25%")
    return value


@dataclass(frozen=True)
class Gain:
    """A wanted or tolerated difference from the baseline: absolute (`13pt`, `0.1`) or relative (`13%`)."""

    amount: float
    relative: bool = False
    dimension: Dimension | None = None  # of an absolute one that is written with a unit

    @classmethod
    def parse(cls, text: Any) -> Gain:
        if isinstance(text, cls):
            return text
        amount, relative = Amount.parse(text), str(text).strip().endswith("%")
        return cls(amount.value, relative, None if relative else amount.dimension)

    @property
    def written(self) -> Amount:
        return Amount(self.amount, self.dimension)

    def within(self, unit: Unit) -> Gain:
        """The same in a signal's unit; what is relative has none."""
        return self if self.relative else Gain(self.written.within(unit))

    def __str__(self) -> str:
        return f"{(Decimal(repr(self.amount)) * 100).normalize():f}%" if self.relative else str(self.written)


@dataclass(frozen=True)
class Threshold:
    """A bound such as `<1%`. `value`: what it is compared with, in base units until it is brought `within` a unit."""

    comparison: Comparison
    value: float
    written: str
    amount: Amount = Amount(math.nan)

    @classmethod
    def parse(cls, text: Any) -> Threshold:
        if isinstance(text, cls):
            return text
        match = _THRESHOLD.match(str(text).strip())
        if not match:
            raise ValueError(f"{text!r} is not a threshold; write it like <1%, <100ms or >10pt")
        amount = Amount.parse(match[2])
        return cls(match[1], amount.value, str(text).strip(), amount)  # type: ignore[arg-type]

    def within(self, unit: Unit) -> Threshold:
        """The same bound on values of this unit."""
        return replace(self, value=self.amount.within(unit))

    def holds(self, value: float) -> bool:
        return {
            "<": value < self.value,
            "<=": value <= self.value,
            ">": value > self.value,
            ">=": value >= self.value,
        }[self.comparison]

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True)
class Condition:
    """A measure against a bound: `errors > 5%`, `latency.p95 > 150ms`."""

    measure: str
    threshold: Threshold

    @classmethod
    def parse(cls, text: Any) -> Condition:
        if isinstance(text, cls):
            return text
        if match := _CONDITION.match(str(text).strip()):
            return cls(match[1], Threshold.parse(match[2] + match[3]))
        raise ValueError(f"{text!r} is not a condition; write it like 'errors > 5%' or 'latency.p95 > 150ms'")

    def __str__(self) -> str:
        return f"{self.measure} {self.threshold}"


def parse_rate(text: Any) -> float:
    """Requests per second of `100/h`."""
    match = _RATE.match(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not a rate; write it like 100/h or 20/s")
    return float(match[1]) / _SECONDS[match[2]]


def format_rate(per_second: float) -> str:
    """As people write quotas: 100/3600 -> `100/h`."""
    return f"{per_second * 3600:.9f}".rstrip("0").rstrip(".") + "/h"


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Share = Annotated[float, BeforeValidator(parse_share)]
Quantity = Annotated[float, BeforeValidator(parse_quantity)]
AmountField = Annotated[
    Amount,
    BeforeValidator(Amount.parse),
    PlainSerializer(lambda amount: str(amount) if amount.dimension else amount.value),
]
Rate = Annotated[float, BeforeValidator(parse_rate), PlainSerializer(format_rate, return_type=str)]
GainField = Annotated[Gain, BeforeValidator(Gain.parse), PlainSerializer(str, return_type=str)]
ThresholdField = Annotated[Threshold, BeforeValidator(Threshold.parse), PlainSerializer(str, return_type=str)]
ConditionField = Annotated[Condition, BeforeValidator(Condition.parse), PlainSerializer(str, return_type=str)]
