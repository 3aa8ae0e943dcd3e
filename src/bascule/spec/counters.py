"""What a signal counts: its counters by name, which events are bad, and what its value is read from.

A *part* is one counter of a signal: `events` (all of them), `bad` or `good`, `sum`, `squares`, or a bucket (its bound).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from bascule.spec.part import Part
from bascule.spec.selector import Selector

EVENTS = "events"
CounterPart = str | float


class Statistic(StrEnum):
    """What the value of a signal is."""

    SHARE = "share"
    QUANTILE = "quantile"
    MEAN = "mean"
    LEVEL = "level"


@dataclass(frozen=True)
class SignalCounter:
    """A counter by its selector. With `buckets`, each series counts its bound, and the `+Inf` bucket counts `part`."""

    selector: Selector
    part: CounterPart | None
    buckets: bool = False

    def part_of(self, le: str | None) -> CounterPart | None:
        """The part that one of its series counts, by the series' `le`; None for one that counts nothing of use."""
        bound = bound_of(le) if self.buckets else math.inf
        return self.part if bound == math.inf else bound


@dataclass(frozen=True)
class BadEvents:
    """Bad events among all: those in `part`, or, for `others`, those outside it. `bound`: of a histogram's bucket."""

    part: CounterPart
    others: bool
    bound: float | None = None


class Counting(Part):
    """What every kind of signal says of its counters. `bounds`: the finite bucket bounds that are known."""

    statistic: ClassVar[Statistic] = Statistic.LEVEL
    has_bad_events: ClassVar[bool] = False

    @property
    def counters(self) -> tuple[SignalCounter, ...]:
        """Every counter of the signal; a gauge has none."""
        return ()

    @property
    def all_events(self) -> Selector | None:
        """The counter of every event that the signal is a share, a distribution or a mean of; a gauge has none."""
        return None

    @property
    def amount(self) -> CounterPart | None:
        """The part that, divided by the events, is the signal's value; None where the value is not such a quotient."""
        return None

    @property
    def counts_good(self) -> bool:
        """Whether the value is the share of good events."""
        return False

    @property
    def harm(self) -> float:
        """The least increase of the error ratio that matters."""
        return 0.0

    @property
    def shown(self) -> str:
        """The statistic that represents a distribution, such as `p95`; empty for anything else."""
        return ""

    def parts(self, bounds: Sequence[float]) -> tuple[CounterPart, ...]:
        """The parts that are counted in each segment."""
        return ()

    def bad_events(self, bounds: Sequence[float]) -> tuple[BadEvents, ...]:
        """What is compared: one error ratio, or of a histogram the ratio of events above each bound."""
        return ()


def bound_of(le: str | None) -> float:
    """A bucket's bound; NaN for text that is not a number."""
    try:
        return float(le or "")
    except ValueError:
        return math.nan


# Digits after the point of a share: `p5` and `p100` would be read as 0.5 and 0.1, which nobody means by them.
QUANTILE_NAME: Final = r"^p(0[1-9]|[1-9][0-9]|[0-9]{2,3}[1-9])$"
QUANTILE_NAMES: Final = "write p95, p999 or, for 5 %, p05 (no histogram knows its largest value)"


def is_quantile(name: str) -> bool:
    """Whether it names a quantile, and none but the one that it would be read as."""
    return re.fullmatch(QUANTILE_NAME, name) is not None


def quantile_name(name: str) -> str:
    """The name itself. Raises ValueError where it names no quantile."""
    if not is_quantile(name):
        raise ValueError(f"{name!r} names no quantile; {QUANTILE_NAMES}")
    return name


def quantile_of(name: str) -> float:
    """0.95 of `p95`, 0.999 of `p999`; the name is as QUANTILE_NAME wants it."""
    digits = name.removeprefix("p")
    return int(digits) / float(10 ** len(digits))
