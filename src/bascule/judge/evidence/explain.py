"""What an alarm says when it is raised: one sentence, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.judge.evidence.figures import SignalReading
from bascule.judge.sampling.schema import Cell, Pair
from bascule.judge.texts import difference_text, share_text, value_text, where_text
from bascule.spec import Spec


@dataclass(frozen=True)
class Increase:
    """Error ratios of late: the candidate's, and what it would be by the baseline (`frozen`: by its history alone)."""

    candidate: float
    expected: float
    frozen: bool


def alarm_text(spec: Spec, pair: Pair, increase: Increase, evidence: float, threshold: float) -> str:
    """Both error ratios of late, and the evidence against what suffices, in nats."""
    versions = spec.versions
    beside = f"{versions.baseline}'s frozen history" if increase.frozen else versions.baseline
    more = difference_text(increase.candidate - increase.expected, "ratio")
    return (
        f"{pair.signal} {where_text(pair.segment)}: {_rate_name(spec, pair)} of {versions.candidate} is "
        f"{share_text(increase.candidate)} of late, {share_text(increase.expected)} by {beside} ({more}); "
        f"evidence {evidence:.1f} nats, {threshold:.1f} suffice."
    )


def mean_alarm_text(spec: Spec, cell: Cell, reading: SignalReading, threshold: float) -> str:
    """The same for a mean: both means since the phase began."""
    name, segment = cell
    versions, unit = spec.versions, spec.signals[name].unit
    return (
        f"{name} {where_text(segment)}: {value_text(reading.candidate, unit)} of {versions.candidate}, "
        f"{value_text(reading.baseline, unit)} of {versions.baseline} ({difference_text(reading.effect, unit)}); "
        f"evidence {reading.nats:.1f} nats, {threshold:.1f} suffice."
    )


def _rate_name(spec: Spec, pair: Pair) -> str:
    """What is counted as bad, in words."""
    signal = spec.signals[pair.signal]
    if pair.bound is not None:
        return f"the share above {value_text(pair.bound, signal.unit)}"
    return "the share of failures" if signal.counts_good else "the rate"
