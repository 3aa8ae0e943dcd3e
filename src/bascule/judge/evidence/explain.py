"""Why: one sentence for each line, alarm and gate, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.conventions import State
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.evidence.figures import Reading
from bascule.judge.texts import clock_text, difference_text, share_text, value_text, where_text
from bascule.spec.model import Versions
from bascule.spec.signals import Signal


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


@dataclass(frozen=True)
class Increase:
    """Bad rates of late: the candidate's, and what it would be by the baseline (`frozen`: by its history alone)."""

    candidate: float
    expected: float
    frozen: bool


def alarm_text(versions: Versions, cell: tuple[str, str], signal: Signal, bound: float | None, increase: Increase,
               evidence: float, threshold: float) -> str:  # fmt: skip
    """What an alarm says when it is raised: both rates of late, and the evidence against what suffices."""
    name, segment = cell
    beside = f"{versions.baseline}'s frozen history" if increase.frozen else versions.baseline
    more = difference_text(increase.candidate - increase.expected, "ratio")
    return (
        f"{name} {where_text(segment)}: {_rate_name(signal, bound)} of {versions.candidate} is "
        f"{share_text(increase.candidate)} of late, {share_text(increase.expected)} by {beside} ({more}); "
        f"evidence {evidence:.1f} nats, {threshold:.1f} suffice."
    )


def mean_alarm_text(
    versions: Versions, cell: tuple[str, str], signal: Signal, reading: Reading, threshold: float
) -> str:
    """The same for a mean: both means since the phase began."""
    name, segment = cell
    return (
        f"{name} {where_text(segment)}: {value_text(reading.candidate, signal.unit)} of {versions.candidate}, "
        f"{value_text(reading.baseline, signal.unit)} of {versions.baseline} "
        f"({difference_text(reading.effect, signal.unit)}); "
        f"evidence {reading.nats:.1f} nats, {threshold:.1f} suffice."
    )


def _rate_name(signal: Signal, bound: float | None) -> str:
    """What is counted as bad, in words."""
    if bound is not None:
        return f"the share above {value_text(bound, signal.unit)}"
    return "the share of failures" if signal.counts_good else "the rate"


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
