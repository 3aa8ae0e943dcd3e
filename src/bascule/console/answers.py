"""What the other parts answer, read strictly enough to trust and loosely enough to survive a newer one.

A field that is missing or null stays None; a state nobody knows is no data; times may be RFC 3339 or Unix seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from bascule import times
from bascule.conventions import TOTAL_SEGMENT, State, Verdict

STATES = {state.value for state in State}
VERDICTS = {verdict.value for verdict in Verdict}
HEARTBEAT = "none"  # the severity of an alert that always fires: its silence tells
HOLDING = "gate"  # the severity of what holds a promotion and calls nobody


def _state(value: Any) -> Any:
    return value if value in STATES else State.NO_DATA


def _verdict(value: Any) -> Any:
    text = str(value).lower().replace(" ", "_")
    return text if text in VERDICTS else Verdict.NO_DATA


def _utc(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return times.moment(value)
    if isinstance(value, str):
        return times.parse(value).astimezone(UTC)
    return value


def _text(value: Any) -> Any:
    """As text that can be written as UTF-8: half a surrogate pair, as JSON may hold, becomes its number."""
    return "" if value is None else str(value).encode("utf-8", "backslashreplace").decode()


StateField = Annotated[State, BeforeValidator(_state)]
VerdictField = Annotated[Verdict, BeforeValidator(_verdict)]
Moment = Annotated[datetime, BeforeValidator(_utc)]
Text = Annotated[str, BeforeValidator(_text)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class PhaseAnswer(Answer):
    """The plan's present step: number 0 is before the first."""

    number: int = 0
    share: float | None = None
    started: Moment | None = None
    hold_seconds: float | None = None
    who: Text = ""
    why: Text = ""


class SignalOpinion(Answer):
    """One signal in one segment, as the judge weighs it; numbers in the signal's unit."""

    signal: str
    segment: str = TOTAL_SEGMENT
    state: StateField = State.NO_DATA
    unit: Text = ""
    baseline: float | None = None
    candidate: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    evidence: float | None = None
    threshold: float | None = None
    alarm: bool = False
    alarm_since: Moment | None = None
    samples_baseline: float | None = None
    samples_candidate: float | None = None
    detectable_ratio: float | None = None
    text: Text = ""


class GateOpinion(Answer):
    gate: str
    state: StateField = State.NO_DATA
    value: float | None = None
    text: Text = ""


class TriggerOpinion(Answer):
    when: str
    state: StateField = State.NO_DATA
    text: Text = ""


class Opinion(Answer):
    """The judge's whole answer; `tick` is when it last looked, which can be long before it answers."""

    verdict: VerdictField = Verdict.NO_DATA
    since: Moment | None = None
    phase: PhaseAnswer | None = None
    reasons: list[str] = Field(default_factory=list)
    signals: list[SignalOpinion] = Field(default_factory=list)
    gates: list[GateOpinion] = Field(default_factory=list)
    rollback: list[TriggerOpinion] = Field(default_factory=list)
    tick: Moment | None = None


class Incident(Answer):
    id: Text = ""
    alert: str
    labels: dict[str, str] = Field(default_factory=dict)
    severity: Text = ""
    status: str = "open"
    starts: Moment | None = None
    received: Moment | None = None
    resolved: Moment | None = None
    acknowledged: Moment | None = None
    acknowledged_by: Text = ""
    summary: Text = ""
    description: Text = ""

    @property
    def is_open(self) -> bool:
        return self.status != "resolved"

    @property
    def look(self) -> str:
        """How it strikes the eye: what holds a promotion is no alarm."""
        if not self.is_open:
            return "ok"
        return "hold" if self.severity == HOLDING else "bad"


class TimelineEntry(Answer):
    """A change of phase or an annotation: a fault, a note, a deployment."""

    at: Moment = Field(validation_alias=AliasChoices("at", "time", "moment", "started"))
    kind: Text = "note"
    text: Text = ""
    who: Text = ""
    why: Text = ""
    number: int | None = None
    share: float | None = None


class LogStats(Answer):
    """What the logs have read, by source."""

    class Source(Answer):
        source: str
        formats: dict[str, int] = Field(default_factory=dict)
        unparsed: int = 0
        lag_bytes: float = 0.0
        lag_seconds: float = 0.0

    sources: list[Source] = Field(default_factory=list)


class LogLine(Answer):
    """One line that a search found; fields that a format adds are kept, too."""

    model_config = ConfigDict(extra="allow", frozen=True)

    timestamp: Moment | None = None
    source: Text = ""
    format: Text = ""
    level: Text = ""
    version: Text = ""
    status: float | None = None
    method: Text = ""
    endpoint: Text = ""
    response_time: float | None = None
    message: Text = ""

    def others(self, apart: Collection[str]) -> list[tuple[str, Any]]:
        """The remaining fields by name."""
        return [(name, value) for name, value in sorted((self.model_extra or {}).items()) if name not in apart]
