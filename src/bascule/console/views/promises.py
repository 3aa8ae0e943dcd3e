"""The SLAs over the last hour, and how fast their error budgets go; the report has the whole windows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bascule import figures, slo
from bascule.console import queries
from bascule.console.parts import Kept
from bascule.console.sources import SourceReading
from bascule.conventions import State
from bascule.slo import Headline, Slo
from bascule.spec import Spec
from bascule.states import Cause

WORDS = {State.OK: "kept", State.BAD: "missed"}
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
    covered = min(queries.LOOK_BACK, kept.covered) if kept else 0.0
    return Promises([_row(each, kept, covered) for each in slo.all_of(spec)], covered)


def _row(each: Slo, kept: Kept | None, covered: float) -> PromiseRow:
    good = kept.good.get(each.name) if kept else None
    burn = None if good is None else (1 - good) / each.budget
    told = _told(each, kept, burn, covered)
    if told.cause is Cause.UNPROVEN:
        good = burn = None
    return PromiseRow(
        each.name,
        each.goal.written,
        each.window,
        figures.percent(None if good is None else each.goal.shown(good)),
        figures.multiple(burn),
        told.state,
        word(told),
        each.promql(queries.LOOK_BACK),
    )


def _told(each: Slo, kept: Kept | None, burn: float | None, covered: float) -> Headline:
    """Of the last hour, which is a part of the window."""
    if kept is None:
        return slo.unknown(each, Cause.SERVER_AWAY)
    events = kept.events.get(each.name) if burn is None else math.inf
    return slo.mistrusted(slo.headline(each, burn, covered, events), kept.unproven.get(each.name, ()))


def word(told: Headline) -> str:
    """`kept so far (1 h of 30 d)`, `no data: no series`."""
    return told.told(WORDS.get(told.state, ""), figures.span)
