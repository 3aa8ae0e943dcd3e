"""What may be said of an evaluation at a moment: its verdict, or that it is none, and how old it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bascule.conventions import State, Verdict
from bascule.judge.service.outcome import JudgeOutcome
from bascule.judge.service.verdict import Gate, Judgement, SignalComparison, Trigger
from bascule.spec import Spec
from bascule.states import Cause, Missing

FRESH_TICKS, LEAST_FRESH_SECONDS = 4, 4.0


def fresh_seconds(spec: Spec) -> float:
    """The age, in seconds, from which an evaluation is no longer about the present."""
    return max(LEAST_FRESH_SECONDS, FRESH_TICKS * spec.judge.tick)


@dataclass(frozen=True)
class Opinion:
    """`since`: when the verdict became this one, Unix seconds; `age`: of the evaluation, in seconds.

    `missing`: why there is no verdict whatever the evaluation said; nothing of it is then told as the present.
    """

    verdict: Verdict
    since: float
    outcome: JudgeOutcome | None = None
    age: float | None = None
    missing: Missing | None = None

    @classmethod
    def of(cls, outcome: JudgeOutcome) -> Opinion:
        """Of an evaluation that was made just now."""
        return cls(outcome.judgement.verdict, outcome.now, outcome, 0.0)

    @classmethod
    def none(cls, missing: Missing) -> Opinion:
        """Where nothing could be evaluated."""
        return cls(Verdict.NO_DATA, time.time(), missing=missing)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is this one."""
        if self.missing is not None:
            return (self.missing.text,)
        return self.outcome.judgement.reasons if self.outcome is not None else ()

    def saying(self, verdict: Verdict, reasons: Sequence[str]) -> Opinion:
        """The same evaluation with another verdict, for these reasons."""
        if self.outcome is None:
            return self
        since = self.since if self.verdict is verdict else time.time()
        outcome = replace(self.outcome, judgement=Judgement(verdict, tuple(reasons)))
        return replace(self, verdict=verdict, since=since, outcome=outcome)

    def without_data(self, missing: Missing | None) -> Opinion:
        """No verdict, for this reason; the same where there is none."""
        if missing is None or self.missing is not None:
            return self
        since = self.since if self.verdict is Verdict.NO_DATA else time.time()
        outcome = _unseen(self.outcome, missing.cause) if self.outcome is not None else None
        return Opinion(Verdict.NO_DATA, since, outcome, self.age, missing)


def _unseen(outcome: JudgeOutcome, cause: Cause) -> JudgeOutcome:
    """The same evaluation when it is no longer the present: alarms stay, nothing else is decided."""
    return replace(
        outcome,
        lines=tuple(_unseen_line(line, cause) for line in outcome.lines),
        gates=tuple(_unseen_gate(gate, cause) for gate in outcome.gates),
        triggers=tuple(_unseen_trigger(trigger, cause) for trigger in outcome.triggers),
    )


def _unseen_line(line: SignalComparison, cause: Cause) -> SignalComparison:
    return line if line.state is State.NOT_APPLICABLE else replace(line, state=State.NO_DATA, cause=cause)


def _unseen_gate(gate: Gate, cause: Cause) -> Gate:
    if gate.state is State.NOT_APPLICABLE:
        return gate
    return Gate(gate.gate, State.NO_DATA, gate.value, f"{gate.gate}: no data now.", cause)


def _unseen_trigger(trigger: Trigger, cause: Cause) -> Trigger:
    if trigger.state is State.NOT_APPLICABLE:
        return trigger
    return Trigger(trigger.when, State.NO_DATA, f"Trigger {trigger.when}: no data now.", trigger.value, cause=cause)
