"""What the incidents role knows about a span: incidents, maintenance, steps of the plan. Asked over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bascule.api import IncidentsClient
from bascule.api.models.journal import IncidentAnswer, WindowAnswer
from bascule.conventions import PARTNER, SEGMENT, VERSION
from bascule.errors import BasculeError, UsageError
from bascule.sla.report import Episode, Mark, Planned
from bascule.spec import Spec

_WHERE = ("job", VERSION, SEGMENT, PARTNER, "signal")


@dataclass(frozen=True)
class Journal:
    """`reached` False: nobody could be asked, which is not the same as nothing having happened."""

    reached: bool = False
    incidents: tuple[Episode, ...] = ()
    maintenance: tuple[Planned, ...] = ()
    marks: tuple[Mark, ...] = ()


def read_journal(spec: Spec, start: float, end: float, seconds: float = 3.0) -> Journal:
    client = IncidentsClient(spec, seconds=seconds)
    try:
        incidents = client.incidents(start, end)
        marks = client.timeline(start, end)
        windows = client.maintenance(start, end, cancelled=False)
    except BasculeError:
        return Journal()
    finally:
        client.close()
    return Journal(
        True,
        tuple(sorted((_episode(item) for item in incidents), key=lambda episode: (episode.start, episode.id))),
        tuple(_planned(item) for item in windows),
        tuple(Mark(item.at.timestamp(), item.kind, item.text, item.who) for item in marks),
    )


def _episode(item: IncidentAnswer) -> Episode:
    where = " ".join(item.labels[name] for name in _WHERE if item.labels.get(name))
    ended = (item.ends or item.resolved) if item.resolved else None
    return Episode(
        id=item.id,
        alert=item.alert,
        severity=item.severity,
        kind=item.kind,
        where=where,
        start=item.starts.timestamp(),
        end=None if ended is None else ended.timestamp(),
        summary=item.summary,
        acknowledged_by=item.acknowledged_by,
    )


def _planned(item: WindowAnswer) -> Planned:
    return Planned(item.starts.timestamp(), item.ends.timestamp(), item.reason, item.services)


def declared(spec: Spec) -> tuple[Planned, ...]:
    """The maintenance windows that stand in the spec."""
    return tuple(Planned(_time(w.start), _time(w.end), w.reason, tuple(w.services)) for w in spec.maintenance)


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(f"maintenance: {text!r} is not a time", "write 2026-01-31T22:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
