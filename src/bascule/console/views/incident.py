"""One incident: what happened when, who was told and who is still owed, and where the evidence of that time is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from bascule import times
from bascule.api.models.journal import NoticeAnswer, TimelineAnswer
from bascule.api.models.made import Made, made
from bascule.api.models.others import DeliveryAnswer
from bascule.console.answers import AROUND, IncidentFile, ListedIncident
from bascule.conventions import MOVES, SEGMENT, TOTAL_SEGMENT, EntryKind, notice_word
from bascule.spec import Spec

OWED = "owed"


@dataclass(frozen=True)
class ChartOf:
    """A chart of the incident's time; without a signal, that of the traffic."""

    title: str
    signal: str
    segment: str
    start: float
    end: float


@dataclass(frozen=True)
class IncidentView:
    incident: ListedIncident
    title: str
    moments: list[Made]
    others: list[ListedIncident]
    owed: list[DeliveryAnswer]
    told: list[DeliveryAnswer]
    notices: list[NoticeAnswer]
    chart: ChartOf
    logs: str  # the address of the log lines of that time


def incident_view(spec: Spec, file: IncidentFile, now: datetime) -> IncidentView:
    incident = file.incident
    start, end = incident.starts - AROUND, min(now, (incident.resolved or now) + AROUND)
    return IncidentView(
        incident,
        incident.summary or incident.alert,
        made(_moments(file)),
        [other for other in file.others if other.id != incident.id],
        [each for each in file.deliveries if each.result == OWED],
        [each for each in file.deliveries if each.result != OWED],
        list(file.notices),
        _chart(spec, incident, start, end),
        _logs(incident, start, end),
    )


def _moments(file: IncidentFile) -> Iterator[TimelineAnswer]:
    incident = file.incident
    yield TimelineAnswer(at=incident.starts, kind="began", text=incident.description or incident.summary)
    if incident.received - incident.starts >= timedelta(seconds=1):
        late = times.lasting((incident.received - incident.starts).total_seconds())
        yield TimelineAnswer(at=incident.received, kind="heard", text=f"the journal received it {late} after it began")
    yield from file.entries
    known = {(entry.at, entry.kind) for entry in file.entries}
    for entry in file.around:
        if (entry.at, entry.kind) not in known and entry.incident in (None, incident.id):
            yield entry.model_copy(update={"text": _said(entry)})
    for notice in file.notices:
        detail = f": {notice.detail}" if notice.detail else ""
        said = f"{notice_word(notice.kind)} to {notice.receiver}: {notice.result}{detail}"
        yield TimelineAnswer(at=notice.at, kind="notice", text=said)
    is_told = EntryKind.ENDED in {entry.kind for entry in file.entries}
    if incident.resolved and not is_told:
        text = "the alert no longer fires"
        yield TimelineAnswer(at=incident.resolved, kind=EntryKind.ENDED, text=text, who=incident.closed_by)


def _said(entry: TimelineAnswer) -> str:
    return entry.text if entry.kind in (*MOVES, EntryKind.VERDICT) or not entry.why else f"{entry.text}: {entry.why}"


def _chart(spec: Spec, incident: ListedIncident, start: datetime, end: datetime) -> ChartOf:
    signal, segment = incident.labels.get("signal", ""), incident.labels.get(SEGMENT, TOTAL_SEGMENT)
    bounds = start.timestamp(), end.timestamp()
    if signal in spec.signals:
        return ChartOf(f"{signal} in {segment}", signal, segment, *bounds)
    return ChartOf(f"Traffic on {spec.versions.candidate.upper()} against the plan", "", "", *bounds)


def _logs(incident: ListedIncident, start: datetime, end: datetime) -> str:
    version, segment = incident.labels.get("version"), incident.labels.get(SEGMENT)
    conditions = [f"version={version}"] if version else []
    conditions += [f"user_segment={segment}"] if segment and segment != TOTAL_SEGMENT else []
    asked = {
        "since": times.rfc3339(start.timestamp()),
        "until": times.rfc3339(end.timestamp()),
        "has": conditions,
    }
    return f"/logs?{urlencode(asked, doseq=True)}"
