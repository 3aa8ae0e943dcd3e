"""The judge's answer to `GET /api/verdict`. Fields that the judge adds pass through."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from bascule.api.models.fields import Answer, KnownCause, KnownState, KnownVerdict, Text, TextTime
from bascule.conventions import TOTAL_SEGMENT, State, Verdict


class OpenAnswer(Answer):
    model_config = ConfigDict(extra="allow", frozen=True)


class JudgedPhase(OpenAnswer):
    """The plan's step that the verdict is about; number 0 is before the first."""

    number: int = 0
    share: float | None = None
    started: TextTime | None = None
    hold_seconds: float | None = None


class StatedAnswer(OpenAnswer):
    """A state in a sentence; `cause`: of no data."""

    state: KnownState = State.NO_DATA
    cause: KnownCause = None
    text: Text = ""


class SignalAnswer(StatedAnswer):
    """One signal in one segment; numbers in the signal's unit, evidence and its threshold are natural logarithms.

    `baseline_over`, `candidate_over`: the last bucket bound that both versions have, where the version's quantile lies
    beyond it; its value is then null. An end of the interval that is null is unknown.
    `learning`: there were too few bad events so far to tell whether they come in bursts, so thresholds are higher.
    """

    signal: str
    segment: str = TOTAL_SEGMENT
    unit: Text = ""
    baseline: float | None = None
    candidate: float | None = None
    baseline_over: float | None = None
    candidate_over: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    evidence: float | None = None
    threshold: float | None = None
    alarm: bool = False
    alarm_since: TextTime | None = None
    samples_baseline: int | float | None = None
    samples_candidate: int | float | None = None
    detectable_ratio: float | None = None
    learning: bool = False


class GateAnswer(StatedAnswer):
    """A gate of the present phase; `decided`: its interval lies on one side of the bound."""

    gate: str
    decided: bool = True
    value: float | None = None


class TriggerAnswer(StatedAnswer):
    """A trigger of a rollback, and since when its value is beyond the bound."""

    when: str
    value: float | None = None
    beyond_since: TextTime | None = None


class ShareAnswer(StatedAnswer):
    """The candidate's planned and real share of a segment's recent requests, with confidence bounds."""

    segment: str
    planned: float | None = None
    actual: float | None = None
    low: float | None = None
    high: float | None = None
    events: int | float = 0


class ForgottenAnswer(OpenAnswer):
    """Samples from before `before` are not read: who had them forgotten, why, and when."""

    before: TextTime
    who: Text = ""
    why: Text = ""
    at: TextTime | None = None


class HistoryAnswer(OpenAnswer):
    """From when on the judge knows the baseline; `forgotten`: what an operator had it forget."""

    begins: TextTime | None = Field(None, alias="from")
    forgotten: ForgottenAnswer | None = None


class VerdictAnswer(OpenAnswer):
    """The verdict with its reasons; `tick` is when the last evaluation began, `age_seconds` how long ago that was.

    `cause`: why there is no data. `phase` is the step that the evaluation is about. `hooks_since`: since when this
    judge has hooks to run, none where the spec names none; of several judges, the one that started first runs them.
    """

    migration: Text = ""
    verdict: KnownVerdict = Verdict.NO_DATA
    since: TextTime | None = None
    reasons: list[str] = Field(default_factory=list)
    cause: KnownCause = None
    age_seconds: float | None = None
    phase: JudgedPhase | None = None
    history: HistoryAnswer | None = None
    signals: list[SignalAnswer] = Field(default_factory=list)
    gates: list[GateAnswer] = Field(default_factory=list)
    shares: list[ShareAnswer] = Field(default_factory=list)
    rollback: list[TriggerAnswer] = Field(default_factory=list)
    tick: TextTime | None = None
    hooks_since: TextTime | None = None


class FlaggerAnswer(Answer):
    verdict: str
    reasons: list[str]
