"""Why: one sentence for each line, alarm and gate, with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.conventions import State
from bascule.judge.alarm import Alarm
from bascule.judge.measures import Reading
from bascule.judge.texts import clock_text, difference_text, share_text, value_text, where_text

if TYPE_CHECKING:
    from bascule.judge.engine import Engine


def line_text(name: str, segment: str, unit: str, better: str, state: State, reading: Reading, evidence: float | None,
              threshold: float | None, alarm: Alarm | None, detectable: float | None, problem: str) -> str:  # fmt: skip
    """One line in words."""
    head = f"{name} {where_text(segment)}"
    if state is State.NOT_APPLICABLE:
        return f"{head}: the plan gives the candidate no traffic here."
    if state is State.NO_DATA:
        return f"{head}: no data{f' ({problem})' if problem else ''}."
    parts = [f"{head}: {_compared(reading, unit)}", _weighed(evidence, threshold)]
    if alarm is not None:
        parts.append(f"alarm since {clock_text(alarm.since)}")
    elif detectable is not None:
        parts.append(f"a rate {detectable:.2g} times the baseline's would be found in 30 s")
    return "; ".join(part for part in parts if part) + "."


def alarm_text(engine: Engine, cell: tuple[str, str], pair: int, evidence: float, threshold: float) -> str:
    """What an alarm says when it is raised: the rates of late, and the evidence against its threshold."""
    name, segment = cell
    spec = engine.schema.spec
    increase = float(engine.increase()[pair])
    bound = engine.schema.pairs[pair].bound
    what = name if bound is None else f"{name} above {value_text(bound, 'seconds')}"
    return (
        f"{what} {where_text(segment)}: {spec.versions.candidate} is worse than {spec.versions.baseline} "
        f"by {share_text(increase)} of events of late; evidence {evidence:.1f} of {threshold:.1f} nats."
    )


def _compared(reading: Reading, unit: str) -> str:
    shown = f"{value_text(reading.baseline, unit)} -> {value_text(reading.candidate, unit)}"
    effect = difference_text(reading.effect, unit)
    if reading.low != reading.low:
        return f"{shown}, {effect}"
    return f"{shown}, {effect} ({difference_text(reading.low, unit)} to {difference_text(reading.high, unit)})"


def _weighed(evidence: float | None, threshold: float | None) -> str:
    if evidence is None or threshold is None:
        return ""
    return f"evidence {evidence:.1f} of {threshold:.1f} nats"
