"""What a comparison says: one sentence, with its numbers."""

from __future__ import annotations

from bascule.conventions import State
from bascule.judge.evidence.figures import SignalReading
from bascule.judge.service.verdict import SignalComparison
from bascule.judge.statistics.bursts import LEARNED_BAD, LEARNED_SINGLES
from bascule.judge.texts import clock_text, difference_text, evidence_text, interval_text, reached_text, where_text
from bascule.states import Cause

LEARNING_TEXT = (
    "Learning: so far too few bad events to tell whether they come in bursts, so alert thresholds are higher; "
    f"this ends when a version has had {LEARNED_SINGLES} single bad events, or {LEARNED_BAD:.0f} in all."
)


WHY = {
    Cause.NO_TRAFFIC: "no requests for a minute",
    Cause.NO_BASELINE: "the baseline has counted nothing to compare with",
    Cause.BUCKET: "in both versions it lies beyond the last bucket bound that both have",
    Cause.SCATTER: "how much its values scatter is not known, so a difference may be chance",
}


def why_text(cause: Cause | None) -> str:
    """Why nothing is compared, where the series are as they should be."""
    return WHY.get(cause or Cause.TOO_FEW, "no events to compare yet")


def comparison_text(shown: SignalComparison, problem: str) -> str:
    """Both values, the evidence, and since when there is an alarm; `problem`: why there is no data, where known."""
    head = f"{shown.signal} {where_text(shown.segment)}"
    if shown.state is State.NOT_APPLICABLE:
        return f"{head}: the plan gives the candidate no traffic here."
    if shown.state is State.NO_DATA:
        why = problem or (why_text(shown.cause) if shown.cause in WHY else "")
        return f"{head}: no data{f' ({why})' if why else ''}."
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
    baseline = reached_text(reading.baseline, reading.baseline_over, unit)
    candidate = reached_text(reading.candidate, reading.candidate_over, unit)
    effect = difference_text(reading.effect, unit)
    interval = interval_text(reading.low, reading.high, unit)
    return f"{baseline} -> {candidate}, {effect}{f' ({interval})' if interval else ''}"


def _weighed(evidence: float | None, threshold: float | None) -> str:
    if evidence is None or threshold is None:
        return ""
    return evidence_text(evidence, threshold)
