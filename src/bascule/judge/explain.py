"""Why: one sentence for each line, alarm and gate, with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.conventions import State
from bascule.judge.alarm import Alarm
from bascule.judge.measures import Reading
from bascule.judge.texts import clock_text, difference_text, share_text, value_text, where_text
from bascule.spec.model import RatioSignal, Signal

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
    """What an alarm says when it is raised: both rates of late, and the evidence against what suffices."""
    name, segment = cell
    versions, bound = engine.schema.spec.versions, engine.schema.pairs[pair].bound
    expected, rate = (float(each[pair]) for each in engine.lately())
    what = _rate_name(engine.schema.spec.signals[name], bound)
    beside = f"{versions.baseline}'s frozen history" if engine.alone else versions.baseline
    return (
        f"{name} {where_text(segment)}: {what} of {versions.candidate} is {share_text(rate)} of late, "
        f"{share_text(expected)} by {beside} ({difference_text(rate - expected, 'ratio')}); "
        f"evidence {evidence:.1f} nats, {threshold:.1f} suffice."
    )


def mean_alarm_text(engine: Engine, cell: tuple[str, str], reading: Reading, threshold: float) -> str:
    """The same for a mean: both means since the phase began."""
    name, segment = cell
    versions, unit = engine.schema.spec.versions, engine.schema.spec.signals[name].unit
    return (
        f"{name} {where_text(segment)}: {value_text(reading.candidate, unit)} of {versions.candidate}, "
        f"{value_text(reading.baseline, unit)} of {versions.baseline} ({difference_text(reading.effect, unit)}); "
        f"evidence {reading.nats:.1f} nats, {threshold:.1f} suffice."
    )


def _rate_name(signal: Signal, bound: float | None) -> str:
    """What is counted as bad, in words."""
    if bound is not None:
        return f"the share above {value_text(bound, signal.unit)}"
    return "the share of failures" if isinstance(signal, RatioSignal) and signal.good is not None else "the rate"


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
