"""What a comparison says: one sentence, with its numbers."""

from __future__ import annotations

import math

from bascule.conventions import State
from bascule.judge.evidence.figures import SignalReading
from bascule.judge.service.verdict import SignalComparison
from bascule.judge.statistics.bursts import LEARNED_BAD, LEARNED_SINGLES
from bascule.judge.texts import clock_text, difference_text, evidence_text, value_text, where_text

LEARNING_TEXT = (
    "Learning: so far too few bad events to tell whether they come in bursts, so alert thresholds are higher; "
    f"this ends when a version has had {LEARNED_SINGLES} single bad events, or {LEARNED_BAD:.0f} in all."
)


def comparison_text(shown: SignalComparison, problem: str) -> str:
    """Both values, the evidence, and since when there is an alarm; `problem`: why there is no data, where known."""
    head = f"{shown.signal} {where_text(shown.segment)}"
    if shown.state is State.NOT_APPLICABLE:
        return f"{head}: the plan gives the candidate no traffic here."
    if shown.state is State.NO_DATA:
        return f"{head}: no data{f' ({problem})' if problem else ''}."
    parts = (_compared(shown.reading, shown.unit), _weighed(shown.evidence, shown.threshold), _found(shown))
    told = f"{head}: {'; '.join(part for part in parts if part)}."
    return f"{told} {LEARNING_TEXT}" if shown.learning else told


def _found(shown: SignalComparison) -> str:
    if shown.alarm is not None:
        return f"alarm since {clock_text(shown.alarm.since)}"
    if shown.detectable_ratio is not None:
        return f"detectable within 30 s: {shown.detectable_ratio:.2g} times the baseline's rate"
    return ""


def _compared(reading: SignalReading, unit: str) -> str:
    shown = f"{value_text(reading.baseline, unit)} -> {value_text(reading.candidate, unit)}"
    effect = difference_text(reading.effect, unit)
    if math.isnan(reading.low):
        return f"{shown}, {effect}"
    return f"{shown}, {effect} ({difference_text(reading.low, unit)} to {difference_text(reading.high, unit)})"


def _weighed(evidence: float | None, threshold: float | None) -> str:
    if evidence is None or threshold is None:
        return ""
    return evidence_text(evidence, threshold)
