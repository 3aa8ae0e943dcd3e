"""What a verdict rests on besides looks: who is seen, and what is wrong with the series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AVAILABILITY_SECONDS = 900.0  # of `up` kept


@dataclass(frozen=True)
class Sight:
    """What is known of a version's presence at a moment: last scrape, `up` (None: not exported)."""

    newest: float
    up: float | None


@dataclass(frozen=True)
class Surroundings:
    """What an engine is told besides looks."""

    now: float
    sights: tuple[Sight, Sight]
    availability: Sequence[tuple[float, float]] = ()  # candidate's mean `up` at its scrapes, ascending
    problems: Mapping[str, str] = field(default_factory=dict)  # signal -> what is wrong with its series
    stale: float = 5.0
