"""Alerts that fire, alerts that ended, and what happened when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bascule import figures
from bascule.api.models.journal import NoticeAnswer
from bascule.api.models.made import Made, made
from bascule.console.answers import HEARTBEAT, HOLDING, ListedIncident
from bascule.console.parts import JournalReading, ServiceHealth
from bascule.console.sources import SourceReading
from bascule.console.views.concerns import concern_of
from bascule.conventions import PARTNER, SEGMENT, EntryKind, Severity
from bascule.prometheus import ActiveAlert
from bascule.spec import Spec

SHOWN = 12  # entries of a list that grows for ever
TELLING = (
    "signal",
    "target",
    "gate",
    "trigger",
    "sla",
    SEGMENT,
    PARTNER,
    "job",
    "version",
)  # labels that go in a title
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ListedEvent:
    """One line of a list: when, what kind, what; `name` is the alert's own, where it is one."""

    at: datetime | None
    kind: str
    title: str
    text: str
    until: datetime | None = None
    who: str = ""
    name: str = ""
    key: str = ""
    number: int | None = None
    verdict: str = ""  # that a move was made on


@dataclass(frozen=True)
class OpenAlerts:
    """What is open by the journal. `doubt` is why that may be wrong: then none is not good news.

    `holding` are those that hold the promotion and do not page.
    """

    incidents: list[ListedEvent]
    holding: list[ListedEvent]
    pending: list[ListedEvent]
    doubt: str = ""


@dataclass(frozen=True)
class IncidentHistory:
    """Every incident that was read, the newest first."""

    incidents: list[ListedIncident]
    is_known: bool
    error: str
    notices: Sequence[NoticeAnswer] = ()

    def told(self, incident: ListedIncident) -> list[NoticeAnswer]:
        """The first notice to each receiver about what the incident belongs to."""
        first: dict[str, NoticeAnswer] = {}
        for notice in sorted(self.notices, key=lambda each: each.at):
            if notice.situation == incident.situation:
                first.setdefault(notice.receiver, notice)
        return list(first.values())

    def count(self, look: str) -> int:
        return sum(incident.look == look for incident in self.incidents)


def open_alerts(
    spec: Spec,
    reading: SourceReading[JournalReading],
    health: SourceReading[ServiceHealth],
    now: float,
    alerting_stopped: bool = False,
) -> OpenAlerts:
    """The migration's own alerts first, those of the monitoring last; among these the most severe, then the oldest."""
    journal, seen = reading.value, health.fresh(now)
    standing = [incident for incident in journal.incidents if incident.is_open] if journal else []
    standing.sort(
        key=lambda each: (
            concern_of(spec, each),
            Severity.of(each.severity).rank,
            each.starts or NEVER,
        )
    )
    return OpenAlerts(
        incidents=[_incident(each) for each in standing if each.severity != HOLDING],
        holding=[_incident(each) for each in standing if each.severity == HOLDING],
        pending=_pending(seen.pending) if seen else [],
        doubt=_doubt(reading.is_fresh(now), alerting_stopped),
    )


def _doubt(journal_speaks: bool, alerting_stopped: bool) -> str:
    if not journal_speaks:
        return "the incident journal does not answer"
    return "no heartbeat arrives from Alertmanager" if alerting_stopped else ""


def resolved(reading: SourceReading[JournalReading]) -> list[ListedEvent]:
    journal = reading.value
    ended = [incident for incident in journal.incidents if not incident.is_open] if journal else []
    ended.sort(key=lambda each: each.resolved or each.starts or NEVER, reverse=True)
    return [_incident(each) for each in ended[:SHOWN]]


def history(
    reading: SourceReading[JournalReading], now: float, notices: Sequence[NoticeAnswer] = ()
) -> IncidentHistory:
    incidents = reading.value.incidents if reading.value else ()
    newest_first = sorted(incidents, key=lambda each: each.starts or NEVER, reverse=True)
    return IncidentHistory(newest_first, reading.is_fresh(now), reading.error, notices)


def timeline(reading: SourceReading[JournalReading]) -> list[ListedEvent]:
    """Changes of phase and annotations, the newest first."""
    journal = reading.value
    entries = made(journal.timeline) if journal else []
    return [_entry(each) for each in reversed(entries[-SHOWN:])]


def _incident(incident: ListedIncident) -> ListedEvent:
    return ListedEvent(
        incident.starts,
        incident.severity,
        _title(incident),
        (incident.description or incident.summary),
        incident.resolved,
        incident.acknowledged_by,
        incident.alert,
        f"incident-{incident.id}",
        incident.id,
    )


def _title(incident: ListedIncident) -> str:
    about = [incident.labels[label] for label in TELLING if incident.labels.get(label)]
    return " · ".join([incident.alert, *about])


def _pending(alerts: Sequence[ActiveAlert]) -> list[ListedEvent]:
    """What will call somebody if it lasts: once by name, with how many there are."""
    calling = [alert for alert in alerts if alert.labels.get("severity") not in (HOLDING, HEARTBEAT)]
    many = Counter(alert.name for alert in calling)
    first = {alert.name: alert for alert in reversed(calling)}
    return [_waiting(first[name], f"{name} ×{count}" if count > 1 else name) for name, count in sorted(many.items())]


def _waiting(alert: ActiveAlert, title: str) -> ListedEvent:
    return ListedEvent(alert.active_at, "pending", title, alert.annotations.get("summary", ""), name=alert.name)


def _entry(told: Made) -> ListedEvent:
    entry = told.entry
    if entry.kind == EntryKind.PHASE and entry.number is not None:
        share = "" if entry.share is None else f": {figures.share(entry.share)}"
        title = f"Phase {entry.number}{share}" if entry.number else f"Before the first phase{share}"
        return ListedEvent(entry.at, entry.kind, title, entry.why, who=entry.who, verdict=told.verdict)
    return ListedEvent(entry.at, entry.kind, entry.text, "", who=entry.who, verdict=told.verdict)
