"""Units of measured values: what each measures, and how many seconds, shares or bytes one of it is.

A value is read, recorded and compared in the unit that its series have; what people declare in another unit of the
same dimension is brought into that one (`Unit.of_base`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Dimension(StrEnum):
    """What a unit measures, named after its base unit."""

    TIME = "seconds"
    SHARE = "ratio"
    BYTES = "bytes"


@dataclass(frozen=True)
class Unit:
    """`scale`: how many base units one is. A unit that nobody knows, such as stars, has no dimension."""

    name: str
    dimension: Dimension | None = None
    scale: float = 1.0
    short: str = ""

    @property
    def base(self) -> str:
        """The name of the unit that values are shown and summed up in."""
        return self.dimension or self.name

    def to_base(self, value: float) -> float:
        """A value of this unit in base units, free of what multiplying decimal fractions leaves behind."""
        return _rounded(value * self.scale)

    def of_base(self, value: float) -> float:
        """A value in base units in this unit."""
        return _rounded(value / self.scale)


def unit_of(name: str) -> Unit:
    """The unit by any of its usual names: `ms`, `Milliseconds`, `%`, `MiB`."""
    known = _KNOWN.get(name) or _KNOWN.get(name.lower())
    return known or Unit(name, short=name)


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")


def _units(dimension: Dimension, *rows: tuple[float, str]) -> dict[str, Unit]:
    """Each row: the scale, and the names, of which the first is ours and the last is the shortest."""
    found: dict[str, Unit] = {}
    for scale, names in rows:
        own, *others = names.split()
        found |= dict.fromkeys((own, *others), Unit(own, dimension, scale, others[-1]))
    return found


_KNOWN: Final = (
    _units(
        Dimension.TIME,
        (1.0, "seconds second sec secs s"),
        (1e-3, "milliseconds millisecond millis msec msecs ms"),
        (1e-6, "microseconds microsecond micros usec us μs µs"),
        (1e-9, "nanoseconds nanosecond nanos nsec ns"),
        (60.0, "minutes minute mins m min"),
        (3600.0, "hours hour h"),
        (86400.0, "days day d"),
    )
    | _units(Dimension.SHARE, (1.0, "ratio share fraction"), (0.01, "percent percentage %"))
    | _units(
        Dimension.BYTES,
        (1.0, "bytes byte B"),
        (1e3, "kilobytes kilobyte KB kB"),
        (1e6, "megabytes megabyte MB"),
        (1e9, "gigabytes gigabyte GB"),
        (2.0**10, "kibibytes kibibyte KiB"),
        (2.0**20, "mebibytes mebibyte MiB"),
        (2.0**30, "gibibytes gibibyte GiB"),
    )
)


_IN_NAME: Final = re.compile(
    r"_(?:(seconds)|(milliseconds|millis|ms)|(microseconds|micros|us)|(nanoseconds|nanos|ns))(?:_bucket|_sum|_total)*$"
)


def unit_in_name(metric: str) -> str:
    """The unit of time that a metric's name ends in, as names of metrics should; empty without one."""
    found = _IN_NAME.search(metric)
    return unit_of(next(filter(None, found.groups()))).name if found else ""


def canonical(name: object) -> object:
    """The unit's own name, for one that is known by it or by another."""
    return unit_of(name).name if isinstance(name, str) else name


def bytes_text(value: float, gap: str = " ") -> str:
    """`640 B`, `1.5 MB`: three significant digits."""
    for size, short in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{number_text(value / size)}{gap}{short}"
    return f"{number_text(value)}{gap}B"


def time_text(seconds: float, gap: str = " ") -> str:
    """`1.25 s`, `85 ms`, `120 µs`, `40 ns`: three significant digits."""
    if seconds == 0:
        return f"0{gap}ms"
    for size, short in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(seconds) >= size:
            return f"{number_text(seconds / size)}{gap}{short}"
    return f"{number_text(seconds / 1e-9)}{gap}ns"


def number_text(value: float) -> str:
    """`0.0789`, `4.25`, `12,300`: three significant digits, never an exponent; below 0.0001 it is 0."""
    if abs(value) >= 999.5:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else "0"


def signed_text(value: float) -> str:
    """The same, always with a sign."""
    return f"{'' if value <= -1e-4 else '+'}{number_text(value)}"
