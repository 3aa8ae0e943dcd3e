"""Alerts that stand, alerts that ended, and what happened when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bascule.console.answers import Incident, TimelineEntry
from bascule.console.parts import Health, Journal
from bascule.console.sources import Reading
from bascule.conventions import SEGMENT
from bascule.prometheus import ActiveAlert

SHOWN = 12  # entries of a list that grows for ever
SEVERITIES = ("critical", "warning")
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One line of a list: when, what kind, what."""

    at: datetime | None
    kind: str
    title: str
    text: str
    until: datetime | None = None
    who: str = ""


@dataclass(frozen=True)
class OpenAlerts:
    """What is open by the journal; `is_known` is False while the journal is silent: then none is not good news."""

    incidents: list[Event]
    pending: list[Event]
    is_known: bool


def open_alerts(reading: Reading[Journal], health: Reading[Health], now: float) -> OpenAlerts:
    journal, seen = reading.value, health.fresh(now)
    standing = [incident for incident in journal.incidents if incident.is_open] if journal else []
    standing.sort(key=lambda each: (_gravity(each), each.starts or NEVER))
    pending = [_pending(alert) for alert in seen.pending] if seen else []
    return OpenAlerts([_incident(each) for each in standing], pending, reading.is_fresh(now))


def _gravity(incident: Incident) -> int:
    return SEVERITIES.index(incident.severity) if incident.severity in SEVERITIES else len(SEVERITIES)


def resolved(reading: Reading[Journal]) -> list[Event]:
    journal = reading.value
    ended = [incident for incident in journal.incidents if not incident.is_open] if journal else []
    ended.sort(key=lambda each: each.resolved or each.starts or NEVER, reverse=True)
    return [_incident(each) for each in ended[:SHOWN]]


def history(reading: Reading[Journal]) -> list[Incident]:
    """Every incident that was read, the newest first."""
    journal = reading.value
    return sorted(journal.incidents, key=lambda each: each.starts or NEVER, reverse=True) if journal else []


def timeline(reading: Reading[Journal]) -> list[Event]:
    """Changes of phase and annotations, the newest first."""
    journal = reading.value
    entries = sorted(journal.timeline, key=lambda entry: entry.at, reverse=True) if journal else []
    return [_entry(entry) for entry in entries[:SHOWN]]


def _incident(incident: Incident) -> Event:
    return Event(
        incident.starts,
        incident.severity,
        _title(incident),
        _text(incident),
        incident.resolved,
        incident.acknowledged_by,
    )


def _title(incident: Incident) -> str:
    about = [incident.labels[label] for label in ("signal", SEGMENT, "job", "version") if incident.labels.get(label)]
    return " · ".join([incident.alert, *about])


def _text(incident: Incident) -> str:
    return incident.description or incident.summary


def _pending(alert: ActiveAlert) -> Event:
    return Event(alert.active_at, "pending", alert.name, alert.annotations.get("summary", ""))


def _entry(entry: TimelineEntry) -> Event:
    if entry.kind == "phase" and entry.number is not None:
        share = "" if entry.share is None else f": {entry.share:.0%}"
        said = ": ".join(filter(None, (entry.who, entry.why)))
        title = f"Phase {entry.number}{share}" if entry.number else f"Before the first phase{share}"
        return Event(entry.at, "phase", title, said)
    return Event(entry.at, entry.kind, entry.text, entry.who)
