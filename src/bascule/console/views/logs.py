"""What the logs have read, and what they could not."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.api.models.logs import LogStats, SourceStats
from bascule.console.sources import SourceReading
from bascule.conventions import State
from bascule.states import Cause, no_data

LATE = 5.0  # seconds that lines may wait to be read


@dataclass(frozen=True)
class LogRow:
    source: str
    lines: int
    formats: str
    unparsed: int
    state: State
    word: str


def log_rows(reading: SourceReading[LogStats], now: float) -> list[LogRow]:
    stats = reading.value
    if stats is None:
        return []
    return [_row(source, reading.is_fresh(now)) for source in stats.sources]


def _row(source: SourceStats, is_fresh: bool) -> LogRow:
    state, word = _state(source, is_fresh)
    formats = ", ".join(f"{name} {count}" for name, count in sorted(source.formats.items()))
    return LogRow(source.source, sum(source.formats.values()), formats, source.unparsed, state, word)


def _state(source: SourceStats, is_fresh: bool) -> tuple[State, str]:
    if not is_fresh:
        return State.NO_DATA, no_data(Cause.SERVER_AWAY)
    if source.lag_seconds > LATE:
        return State.BAD, f"{source.lag_seconds:.0f} s behind"
    if not source.formats and not source.unparsed:
        return State.NO_DATA, "no data: no lines yet"
    return State.OK, "read"
