"""From readings to a verdict: promote, hold, roll back or no data, and the reasons. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.conventions import State, Verdict
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.evidence.figures import SignalReading
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.texts import share_text, span_text
from bascule.spec import Spec
from bascule.states import Cause, Caused, Missing, most_telling


@dataclass(frozen=True)
class SignalComparison(Caused):
    """One signal in one segment, as it is shown."""

    signal: str
    segment: str
    state: State
    unit: str
    reading: SignalReading
    evidence: float | None
    threshold: float | None
    alarm: Alarm | None
    detectable_ratio: float | None
    learning: bool  # too few bad events so far to tell whether they come in bursts: thresholds are higher
    required: bool  # whether the verdict waits for it: rates and latencies of segments, no ratings, no partners
    text: str = ""
    cause: Cause | None = None  # of no data


@dataclass(frozen=True)
class Gate(Caused):
    """A gate to the next phase; `value` in base units, None while there is none."""

    gate: str
    state: State
    value: float | None
    text: str
    cause: Cause | None = None  # of no data

    @property
    def decided(self) -> bool:
        """Whether the whole interval is on one side of the bound."""
        return self.state in (State.OK, State.BAD)


@dataclass(frozen=True)
class Trigger(Caused):
    """A rollback trigger; `value` in base units, `beyond_since` (Unix seconds) while it is beyond its bound."""

    when: str
    state: State
    text: str
    value: float | None = None
    beyond_since: float | None = None
    cause: Cause | None = None  # of no data


@dataclass(frozen=True)
class Judgement:
    """The verdict, and every reason for it, as sentences; `cause`: of no data, the most telling."""

    verdict: Verdict
    reasons: tuple[str, ...]
    cause: Cause | None = None


@dataclass(frozen=True)
class VerdictFacts:
    """Everything a verdict rests on at one moment."""

    plan: PlanStep
    now: float
    lines: Sequence[SignalComparison]
    gates: Sequence[Gate]
    triggers: Sequence[Trigger]
    missing: Sequence[Missing]  # why there is no data; empty when there is
    candidate_events: float  # of the signal with the most, since the phase began
    off_plan: Sequence[str] = ()  # the segments whose actual share is not the planned one
    against: Sequence[str] = ()  # what calls for a rollback, in figures of now
    no_refuge: Sequence[Missing] = ()  # why the baseline cannot take the traffic back
    worse_refuge: str = ""  # how the baseline fails more than the candidate
    firing: Sequence[str] = ()  # alerts of the same causes that Prometheus still holds


def judge(spec: Spec, facts: VerdictFacts) -> Judgement:
    """The first of: roll back, no data, hold, promote; with every reason for it."""
    missing = most_telling(facts.missing)
    if facts.against and (facts.no_refuge or facts.worse_refuge):
        return _nowhere_to_go(spec, facts)
    for verdict, reasons in (
        (Verdict.ROLL_BACK, facts.against),
        (Verdict.NO_DATA, [each.text for each in missing]),
        (Verdict.HOLD, _not_yet(spec, facts)),
    ):
        if reasons:
            return Judgement(verdict, tuple(reasons), missing[0].cause if verdict is Verdict.NO_DATA else None)
    return Judgement(Verdict.PROMOTE, tuple(_in_favour(facts)))


def _nowhere_to_go(spec: Spec, facts: VerdictFacts) -> Judgement:
    """The candidate calls for a rollback, and the baseline would serve the traffic worse, or not at all."""
    baseline, candidate = spec.versions.both
    against = [f"Problem on {candidate}: {reason}" for reason in facts.against]
    if not facts.no_refuge:
        text = f"Do not roll back: the traffic would go to {baseline}, which fails more: {facts.worse_refuge}"
        return Judgement(Verdict.HOLD, (text, *against))
    causes = " ".join(missing.text for missing in facts.no_refuge)
    text = f"Do not roll back: all traffic would go to {baseline}, which cannot serve it. {causes}"
    return Judgement(Verdict.NO_DATA, (text, *against), facts.no_refuge[0].cause)


def _not_yet(spec: Spec, facts: VerdictFacts) -> list[str]:
    phase = facts.plan.phase(spec)
    if phase is None:
        return [f"The plan has not started: {spec.versions.candidate} has no planned share yet."]
    reasons = [*facts.off_plan, *(f"Gate {gate.text}" for gate in facts.gates if gate.state is not State.OK)]
    reasons += [trigger.text for trigger in facts.triggers if _is_blind(trigger)]
    if not any(line.state in (State.OK, State.BAD) for line in facts.lines):
        reasons.append("Nothing has been compared yet: no signal has enough data of both versions.")
    if facts.candidate_events < spec.judge.min_samples:
        seen = f"{spec.versions.candidate} has answered {facts.candidate_events:,.0f} requests in this phase"
        reasons.append(f"{seen}; a decision needs {spec.judge.min_samples:,}.")
    reasons += [f"{alert} is still firing: its time window still contains the fault." for alert in facts.firing]
    left = facts.plan.started + phase.hold - facts.now
    if left > 0:
        reasons.append(
            f"The plan keeps {share_text(phase.share)} for {span_text(phase.hold)}; {span_text(left)} remain."
        )
    return reasons


def _is_blind(trigger: Trigger) -> bool:
    """Whether it could not call for a rollback if it had to. One that waits for events has seen none that are bad."""
    return trigger.state is State.NO_DATA and trigger.cause not in (Cause.TOO_FEW, Cause.NO_TRAFFIC)


def _in_favour(facts: VerdictFacts) -> list[str]:
    passed = [f"Gate {gate.text}" for gate in facts.gates]
    weighed = sum(line.state is State.OK for line in facts.lines)
    return [*passed, f"No regression in any of {weighed} comparisons; the planned time of this phase is over."]
