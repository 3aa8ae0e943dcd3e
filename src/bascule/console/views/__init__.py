"""What the page shows, worked out from what the parts said: plain values that a template only has to lay out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule import times
from bascule.api.models.verdict import ForgottenAnswer, VerdictAnswer
from bascule.console.parts import JournalReading, Parts
from bascule.console.sources import SourceReading
from bascule.console.views.events import (
    IncidentHistory,
    ListedEvent,
    OpenAlerts,
    history,
    open_alerts,
    resolved,
    timeline,
)
from bascule.console.views.facts import Fact, facts, facts_of_rollback
from bascule.console.views.logs import LogRow, log_rows
from bascule.console.views.moves import Offer, offers
from bascule.console.views.plan import ShareRow, ShownPlan, left, plan, share_rows
from bascule.console.views.promises import Promises, promises
from bascule.console.views.services import ServiceRow, beats, own_rows, service_rows
from bascule.console.views.signals import CheckRow, SignalGroup, gate_rows, signal_groups, trigger_rows
from bascule.console.views.unheard import unheard
from bascule.console.views.unseen import not_seen
from bascule.console.views.verdict import PageNotice, VerdictView, notices, verdict_view
from bascule.conventions import Verdict

__all__ = ["IncidentHistory", "ConsolePage", "build", "history"]


@dataclass(frozen=True)
class ConsolePage:
    """One moment of the whole page."""

    now: datetime
    notices: list[PageNotice]
    verdict: VerdictView
    facts: list[Fact]
    plan: ShownPlan
    offers: list[Offer]
    left: str  # clients that left before their answer
    shares: list[ShareRow]
    groups: list[SignalGroup]
    compared_at: datetime | None  # the comparison is of that time: it was the last before a rollback
    forgotten: ForgottenAnswer | None  # the history that an operator had the judge forget
    gates: list[CheckRow]
    triggers: list[CheckRow]
    alerts: OpenAlerts
    journal_speaks: bool
    resolved: list[ListedEvent]
    timeline: list[ListedEvent]
    services: list[ServiceRow]
    own: list[ServiceRow]
    promises: Promises
    logs: list[LogRow]


def build(parts: Parts, now: float) -> ConsolePage:
    spec = parts.spec
    judge, journal = parts.judge.reading, parts.journal.reading
    traffic, health = parts.traffic.reading, parts.health.reading
    services = service_rows(spec, health, now)
    steps = plan(spec, journal, judge, now)
    beat = parts.alerting.reading
    has_stopped = beat.at is not None and not beats(spec, beat, now)
    kept = _kept(steps, journal, now)
    verdict = verdict_view(spec, judge, steps.number, now)
    return ConsolePage(
        now=times.moment(now),
        notices=[
            *notices(parts.sources, services, now),
            *unheard(parts.owed.reading, now),
            *not_seen(parts.unseen.reading),
        ],
        verdict=verdict,
        facts=_facts(parts, steps, verdict, now),
        plan=steps,
        offers=offers(spec, steps, verdict),
        left=left(spec, traffic.fresh(now)),
        shares=share_rows(spec, traffic, judge, steps.held, now),
        groups=signal_groups(spec, kept or judge, now),
        compared_at=steps.compared.at if kept and steps.compared else None,
        forgotten=_forgotten(judge),
        gates=gate_rows(judge, now),
        triggers=trigger_rows(judge, now),
        alerts=open_alerts(spec, journal, health, now, has_stopped),
        journal_speaks=journal.is_fresh(now),
        resolved=resolved(journal),
        timeline=timeline(journal),
        services=services,
        own=own_rows(parts, health, now),
        promises=promises(spec, parts.slas.reading, now),
        logs=log_rows(parts.logs.reading, now),
    )


def _facts(parts: Parts, steps: ShownPlan, verdict: VerdictView, now: float) -> list[Fact]:
    judge, journal = parts.judge.reading, parts.journal.reading
    if verdict.verdict is Verdict.HOLD and steps.move:
        return facts_of_rollback(parts.spec, steps, journal.value.compared if journal.value else None)
    return facts(parts.spec, judge.value if judge.answers(now) else None, parts.traffic.reading.fresh(now))


def _forgotten(judge: SourceReading[VerdictAnswer]) -> ForgottenAnswer | None:
    """As the judge said last: what is forgotten stays so while it does not answer."""
    history = judge.value.history if judge.value else None
    return history.forgotten if history else None


def _kept(steps: ShownPlan, journal: SourceReading[JournalReading], now: float) -> SourceReading[VerdictAnswer] | None:
    """What was compared last before the traffic was taken back; None while there is a comparison of now."""
    kept = journal.value.compared if journal.value else None
    if steps.compared is None or kept is None or kept.verdict is None or not kept.verdict.signals:
        return None
    return SourceReading(kept.verdict, now, heard=now)
