"""What is thought of an engine at a moment: lines, gates, triggers, and the verdict that follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bascule.conventions import TOTAL_SEGMENT, State
from bascule.judge.evidence.engine import Engine
from bascule.judge.evidence.explain import line_text
from bascule.judge.evidence.figures import Reading
from bascule.judge.evidence.measures import Measures
from bascule.judge.layout import BASELINE, CANDIDATE
from bascule.judge.sampling.plan import Plan
from bascule.judge.sampling.schema import Cell
from bascule.judge.sampling.surroundings import Sight, Surroundings
from bascule.judge.service.gates import gates_of, triggers_of
from bascule.judge.service.verdict import Facts, Gate, Judgement, Line, Trigger, judge
from bascule.judge.texts import span_text

CLOCK_SECONDS = 5.0  # that the clocks of the plan's machine and of Prometheus' may differ


@dataclass(frozen=True)
class Outcome:
    """What the judge thinks at a moment."""

    judgement: Judgement
    lines: tuple[Line, ...]
    gates: tuple[Gate, ...]
    triggers: tuple[Trigger, ...]
    plan: Plan
    now: float


def outcome_of(engine: Engine, around: Surroundings) -> Outcome:
    """Everything that is shown, and the verdict."""
    measures = engine.measures()
    missing = _missing(engine, around)
    lines = tuple(_line(engine, cell, measures, around, bool(missing)) for cell in engine.schema.cells)
    gates = gates_of(engine, measures, around, bool(missing))
    triggers = triggers_of(engine, around)
    facts = Facts(engine.plan, around.now, lines, gates, triggers, missing, _most_events(lines))
    return Outcome(judge(engine.schema.spec, facts), lines, gates, triggers, engine.plan, around.now)


def _most_events(lines: Iterable[Line]) -> float:
    return max((line.reading.events_candidate for line in lines if line.segment == TOTAL_SEGMENT), default=0.0)


def _missing(engine: Engine, around: Surroundings) -> tuple[str, ...]:
    """Why a version is not seen, in words; a version to which the plan gives nothing is not missed."""
    if engine.plan.started > around.now + CLOCK_SECONDS:
        ahead = span_text(engine.plan.started - around.now)
        return (f"The plan's step begins {ahead} ahead of Prometheus' clock: the clocks of the machines are apart.",)
    share = engine.plan.share(TOTAL_SEGMENT)
    wanted = (share is None or share < 1, share is None or share > 0)
    both = engine.schema.spec.versions.both
    return tuple(
        text
        for version in (BASELINE, CANDIDATE)
        if wanted[version] and (text := unseen_text(both[version], around.sights[version], around))
    )


def _line(engine: Engine, cell: Cell, measures: Measures, around: Surroundings, missing: bool) -> Line:
    name, segment = cell
    signal = engine.schema.spec.signals[name]
    reading = measures.reading(name, segment)
    pair, evidence, threshold = engine.evidence_of(cell)
    alarm = engine.standing.get(cell)
    state = _state(engine, cell, reading, around, missing)
    is_inner = engine.schema.strata[name].is_inner(segment)
    shown = state is not State.NOT_APPLICABLE and not is_inner  # costs too much for thousands
    detectable = engine.detectable_ratio(cell, pair, around.now) if shown else None
    unit = signal.unit
    text = line_text(name, segment, unit, signal.better, state, reading, evidence, threshold, alarm, detectable,
                     around.problems.get(name, ""))  # fmt: skip
    required = signal.has_bad_events and not is_inner
    return Line(name, segment, state, unit, reading, evidence, threshold, alarm, detectable, text, required)


def _state(engine: Engine, cell: Cell, reading: Reading, around: Surroundings, missing: bool) -> State:
    name, segment = cell
    if not engine.plan.gives(segment) or (engine.plan.number == 0 and engine.plan.known):
        return State.NOT_APPLICABLE
    if missing or name in around.problems or math.isnan(reading.candidate) or engine.is_quiet(cell, around.now):
        return State.NO_DATA
    return State.BAD if cell in engine.standing else State.OK


def unseen_text(version: str, sight: Sight, around: Surroundings) -> str:
    """Why a version counts as not seen; empty when it is seen."""
    if sight.up == 0:
        return f"{version} is down: its scrapes fail."
    if sight.newest == -math.inf:
        return f"No series of {version} has been seen."
    age = around.now - sight.newest
    return f"No sample of {version} for {age:.0f} s." if age > around.stale else ""
