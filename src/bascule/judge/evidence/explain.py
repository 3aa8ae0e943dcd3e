"""What an alarm says when it is raised: one sentence, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.judge.evidence.figures import SignalReading
from bascule.judge.evidence.recent import SHOWN_SECONDS
from bascule.judge.sampling.schema import Cell, Pair
from bascule.judge.texts import difference_text, evidence_text, share_text, value_text, where_text
from bascule.spec import Spec


@dataclass(frozen=True)
class Increase:
    """Recent error ratios: the candidate's, and what the baseline makes one expect (`frozen`: its history alone)."""

    candidate: float
    expected: float
    frozen: bool


def alarm_text(spec: Spec, pair: Pair, increase: Increase, evidence: float, threshold: float) -> str:
    """Both recent error ratios, and the evidence with its alert threshold."""
    versions = spec.versions
    compared = f"{versions.baseline}'s frozen history" if increase.frozen else versions.baseline
    more = difference_text(increase.candidate - increase.expected, "ratio")
    return (
        f"{pair.signal} {where_text(pair.segment)}: {share_text(increase.candidate)}{_counted(spec, pair)} "
        f"on {versions.candidate} in the last {SHOWN_SECONDS} s "
        f"({compared}: {share_text(increase.expected)}; difference {more}); {evidence_text(evidence, threshold)}."
    )


def mean_alarm_text(spec: Spec, cell: Cell, reading: SignalReading, threshold: float) -> str:
    """The same for a mean: both means since the phase began."""
    name, segment = cell
    versions, unit = spec.versions, spec.signals[name].unit
    return (
        f"{name} {where_text(segment)}: {versions.candidate} {value_text(reading.candidate, unit)} "
        f"({versions.baseline}: {value_text(reading.baseline, unit)}; difference "
        f"{difference_text(reading.effect, unit)}); {evidence_text(reading.nats, threshold)}."
    )


def _counted(spec: Spec, pair: Pair) -> str:
    """What is counted as bad, where the signal's name does not say it."""
    signal = spec.signals[pair.signal]
    if pair.bound is not None:
        return f" above {value_text(pair.bound, signal.unit)}"
    return " failures" if signal.counts_good else ""
