"""The incident journal: incidents, phases, annotations, maintenance, notices. Times are Unix seconds in JSON."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bascule.api.models.fields import LARGEST_ID, Answer, Line, PlannedTime, Prose, Request, Text, UnixTime, Who
from bascule.conventions import EntryKind, IncidentStatus

LONGEST_WINDOW = timedelta(days=366)
LabelText = Annotated[str, Field(max_length=20_000)]

# ---------------------------------------------------------------- requests

_sane_time = TypeAdapter(PlannedTime)


def _told(value: Any) -> datetime | None:
    """Go writes the year 1 for a missing time; another bad value must not keep an alert from being delivered."""
    try:
        return _sane_time.validate_python(value)
    except ValidationError:
        return None


AlertTime = Annotated[datetime | None, BeforeValidator(_told)]


class WebhookAlert(BaseModel):
    """One alert of a webhook call; what Alertmanager adds is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[LabelText, LabelText] = Field(max_length=200)
    annotations: dict[LabelText, LabelText] = Field(default_factory=dict, max_length=200)
    starts: AlertTime = Field(None, alias="startsAt")
    ends: AlertTime = Field(None, alias="endsAt")
    fingerprint: Annotated[str, Field(max_length=200)] = ""


class AlertmanagerPayload(BaseModel):
    """Alertmanager's payload, version 4. Its alerts are read one by one: a bad one does not hide the others."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    alerts: list[Any] = Field(max_length=100_000)
    group: Annotated[str, Field(max_length=100_000)] = Field("", alias="groupKey")  # what its notices belong to


class Annotation(Request):
    text: Prose = Field(min_length=1)
    kind: str = Field(EntryKind.NOTE, pattern=r"^[a-z][a-z0-9_]{0,39}$")
    who: Who
    at: PlannedTime | None = None


class Acknowledgement(Request):
    who: Who
    note: Prose = ""


class NewWindow(Request):
    """A maintenance window of at most a year; no services means all; `silent` False sets no silence."""

    starts: PlannedTime
    ends: PlannedTime
    reason: Line = Field(min_length=1)
    who: Who
    services: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=500)
    silent: bool = True

    @model_validator(mode="after")
    def _lasts_at_most_a_year(self) -> Self:
        if not timedelta(0) < self.ends - self.starts <= LONGEST_WINDOW:
            raise ValueError("the end must be after the start, within a year")
        return self


class Signature(Request):
    who: Who


class Reason(Request):
    """Who ends or reopens an incident by hand, and why."""

    who: Who
    why: Annotated[str, Field(min_length=1, max_length=2000)]


# Causes of incidents that are no service, partner or alert: the candidate and its plan, and the parts that watch.
MIGRATION, MONITORING = "migration", "monitoring"

Identity = Annotated[int, Field(ge=1, le=LARGEST_ID)]

# ---------------------------------------------------------------- answers


class Received(Answer):
    """How many alerts of a webhook call were taken in, and how many could not be read."""

    received: int
    unreadable: int = 0


class IncidentAnswer(Answer):
    """One alert from its first delivery to its end; `situation` is the incident that opened what it belongs to."""

    id: int
    situation: int = 0
    fingerprint: Text = ""
    alert: str
    labels: dict[str, str] = Field(default_factory=dict)
    severity: Text = ""
    kind: Text = ""
    status: Text = IncidentStatus.OPEN
    starts: UnixTime
    received: UnixTime
    ends: UnixTime | None = None
    resolved: UnixTime | None = None
    acknowledged: UnixTime | None = None
    acknowledged_by: Text = ""
    summary: Text = ""
    description: Text = ""
    deliveries: int = 1
    cause: Text = ""
    seen: UnixTime | None = None
    unknown_since: UnixTime | None = None
    reopened: UnixTime | None = None
    closed_by: Text = ""

    @property
    def is_open(self) -> bool:
        return self.status != IncidentStatus.RESOLVED


class TimelineAnswer(Answer):
    """A change of phase (with `number`, `share`, `why`) or an annotation: a fault, a note, a deployment."""

    at: UnixTime
    kind: Text = EntryKind.NOTE
    text: Text = ""
    who: Text = ""
    why: Text = ""
    number: int | None = None
    share: float | None = None
    incident: int | None = None


class IncidentDetail(IncidentAnswer):
    entries: list[TimelineAnswer] = Field(default_factory=list)


class PhaseAnswer(Answer):
    """The plan's present step, and who set it; number 0 is before the first."""

    number: int
    share: float
    started: UnixTime
    at: UnixTime | None = None
    who: Text = ""
    why: Text = ""
    migration: Text = ""


class WindowAnswer(Answer):
    """A maintenance window; `silence`: the ids of Alertmanager's silences, where some were set."""

    id: int
    starts: UnixTime
    ends: UnixTime
    reason: Text = ""
    services: tuple[str, ...] = ()
    who: Text = ""
    silence: Text = ""
    cancelled: bool = False


class NoticeAnswer(Answer):
    """One message to one receiver about a situation, and its result."""

    key: str
    situation: int
    step: int
    kind: str
    receiver: str
    at: UnixTime
    outcome: str
    detail: Text = ""
    attempts: int = 0

    @property
    def result(self) -> str:
        """As people read it: what nobody has yet is owed."""
        return "owed" if self.outcome == "pending" else self.outcome
