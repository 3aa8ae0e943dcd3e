"""A target taken apart: what is good, how much of it is wanted, and how a figure is held against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bascule.spec import Objective
from bascule.units import Dimension, Unit, unit_of

EXACT: Final = 1e-9  # a figure exactly at its target keeps it, whatever the rounding


class SloKind(StrEnum):
    """What is wanted: time there, requests under a time, a floor or a ceiling on a ratio of events."""

    AVAILABILITY = "availability"
    LATENCY = "latency"
    FLOOR = "floor"
    CEILING = "ceiling"


@dataclass(frozen=True)
class Goal:
    """`share` of events must be good; `limit` is the longest time in seconds, or the highest share of bad events.

    `unit`: the base unit of figures, which is bytes or a unit of the user's own for distributions of such.
    """

    kind: SloKind
    share: float
    written: str
    limit: float | None = None
    quantile: float = 0.95
    unit: str = Dimension.TIME

    @classmethod
    def of(cls, kind: SloKind, objective: Objective, unit: Unit | None = None) -> Goal:
        """`unit`: that of the signal, for a bound on its values; seconds by default."""
        match kind:
            case SloKind.LATENCY:
                assert objective.bound is not None
                unit = unit or unit_of(Dimension.TIME)
                limit = unit.to_base(objective.bound.within(unit))
                return cls(kind, objective.share, objective.written, limit, objective.share, unit.base)
            case SloKind.CEILING:
                return cls(kind, objective.share, objective.written, objective.ceiling)
        return cls(kind, objective.share, objective.written)

    @property
    def budget(self) -> float:
        """The ratio of events that may be bad."""
        return self.limit if self.kind is SloKind.CEILING and self.limit is not None else 1 - self.share

    @property
    def is_time(self) -> bool:
        """Whether figures are values of a distribution (seconds of a request, mostly), rather than shares."""
        return self.kind is SloKind.LATENCY

    @property
    def is_upper(self) -> bool:
        """Whether a figure must stay below the goal: a time, or a share of bad events."""
        return self.limit is not None

    @property
    def bound(self) -> float:
        """What a figure is held against: seconds of a time, a share otherwise."""
        return self.share if self.limit is None else self.limit

    def keeps(self, value: float) -> bool:
        return value <= self.bound + EXACT if self.is_upper else value >= self.bound - EXACT

    def shown(self, good: float) -> float:
        """The share that people compare with the goal, from that of good events: of bad ones where it is a ceiling."""
        return 1 - good if self.kind is SloKind.CEILING else good
