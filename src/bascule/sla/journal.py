"""What the incidents role knows about a span: incidents, maintenance, steps of the plan. Asked over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.api import IncidentsClient
from bascule.api.models.journal import IncidentAnswer
from bascule.conventions import PARTNER, SEGMENT, TOTAL_SEGMENT, VERSION, EntryKind
from bascule.errors import BasculeError
from bascule.sla.report import Episode, Planned, TimelineMark
from bascule.spec import Spec

_WHERE = ("job", VERSION, SEGMENT, PARTNER, "signal")


@dataclass(frozen=True)
class JournalSpan:
    """`reached` False: nobody could be asked, which is not the same as nothing having happened."""

    reached: bool = False
    incidents: tuple[Episode, ...] = ()
    maintenance: tuple[Planned, ...] = ()
    marks: tuple[TimelineMark, ...] = ()


def read_journal(spec: Spec, start: float, end: float, seconds: float = 3.0) -> JournalSpan:
    client = IncidentsClient(spec, seconds=seconds)
    try:
        incidents = client.incidents(start, end)
        marks = client.timeline(start, end)
        windows = client.maintenance(start, end, cancelled=False)
    except BasculeError:
        return JournalSpan()
    finally:
        client.close()
    return JournalSpan(
        True,
        tuple(sorted((_episode(item) for item in incidents), key=lambda episode: (episode.start, episode.id))),
        tuple(Planned(item.starts.timestamp(), item.ends.timestamp(), item.reason, item.services) for item in windows),
        tuple(
            TimelineMark(item.at.timestamp(), item.kind, item.text, item.who, item.number, item.share)
            for item in marks
            if item.kind != EntryKind.VERDICT
        ),
    )


def _episode(item: IncidentAnswer) -> Episode:
    where = " ".join(item.labels[name] for name in _WHERE if item.labels.get(name, "") not in ("", TOTAL_SEGMENT))
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


def declared(spec: Spec) -> tuple[Planned, ...]:
    """The maintenance windows that are in the spec."""
    return tuple(Planned(*window.span, window.reason, tuple(window.services)) for window in spec.maintenance)
