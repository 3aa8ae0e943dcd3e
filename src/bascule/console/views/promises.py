"""The SLAs over the last hour, and how fast their error budgets go; the report has the whole windows."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.console import figures, queries
from bascule.console.parts import Kept
from bascule.console.sources import Reading
from bascule.conventions import State
from bascule.spec import Objective, Spec

WORDS = {State.OK: "kept", State.BAD: "missed", State.NO_DATA: "no data", State.NOT_APPLICABLE: "not watched"}
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


def promises(spec: Spec, reading: Reading[Kept], now: float) -> Promises:
    age = reading.age(now)
    kept = reading.value if age is not None and age <= FRESH else None
    rows = [_row(spec, name, kept.good.get(name) if kept else None) for name in spec.slas.named]
    return Promises(rows, min(3600.0, kept.covered) if kept else 0.0)


def _row(spec: Spec, name: str, good: float | None) -> PromiseRow:
    sla = spec.slas.named[name]
    objective = Objective.parse(sla.objective)
    query = queries.good_share(spec, name)
    state = State.NOT_APPLICABLE if query is None else _state(objective, good)
    burn = None if good is None or objective.budget <= 0 else (1 - good) / objective.budget
    shown = 1 - good if good is not None and objective.ceiling is not None else good
    return PromiseRow(
        name, objective.written, sla.window, figures.percent(shown), figures.multiple(burn), state, WORDS[state],
        query or "no signal of the spec measures it",
    )  # fmt: skip


def _state(objective: Objective, good: float | None) -> State:
    if good is None:
        return State.NO_DATA
    return State.OK if good >= objective.share else State.BAD
