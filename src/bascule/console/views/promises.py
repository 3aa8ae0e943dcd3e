"""The SLAs over the last hour, and how fast their error budgets go; the report has the whole windows."""

from __future__ import annotations

from dataclasses import dataclass

from bascule import figures, slo
from bascule.console import queries
from bascule.console.parts import Kept
from bascule.console.sources import SourceReading
from bascule.conventions import State
from bascule.slo import EXACT, Slo
from bascule.spec import Spec

WORDS = {State.OK: "kept", State.BAD: "missed", State.NO_DATA: "no data"}
FRESH = 45.0  # seconds: these are read every 15 s


@dataclass(frozen=True)
class PromiseRow:
    """`burn` 1 uses the budget up exactly in its window; more is too fast."""

    name: str
    objective: str
    window: float
    good: str
    burn: str
    state: State
    word: str
    query: str


@dataclass(frozen=True)
class Promises:
    """`covered`: seconds of the last hour for which there are samples."""

    rows: list[PromiseRow]
    covered: float


def promises(spec: Spec, reading: SourceReading[Kept], now: float) -> Promises:
    age = reading.age(now)
    kept = reading.value if age is not None and age <= FRESH else None
    rows = [_row(each, kept.good.get(each.name) if kept else None) for each in slo.all_of(spec)]
    return Promises(rows, min(queries.LOOK_BACK, kept.covered) if kept else 0.0)


def _row(each: Slo, good: float | None) -> PromiseRow:
    shown = None if good is None else each.goal.shown(good)
    state = State.NO_DATA if good is None else State.OK if good >= each.goal.share - EXACT else State.BAD
    burn = None if good is None else (1 - good) / each.budget
    return PromiseRow(
        each.name,
        each.goal.written,
        each.window,
        figures.percent(shown),
        figures.multiple(burn),
        state,
        WORDS[state],
        each.promql(queries.LOOK_BACK),
    )
