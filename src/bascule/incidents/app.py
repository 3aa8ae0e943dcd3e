"""The role's HTTP API: Alertmanager's webhook in, incidents, phases and the timeline out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry

from bascule import times
from bascule.api.deliveries import add_deliveries
from bascule.api.models import journal
from bascule.api.models.fields import LARGEST_ID, readable
from bascule.api.models.moves import KeptComparison, MoveRequest, PauseAnswer, PhaseChange, PlanAnswer, PlanMove
from bascule.api.models.others import DeliveryAnswer
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.rights import Lane, Right, needs
from bascule.api.server import application
from bascule.api.servers import prometheus_of
from bascule.conventions import EntryKind
from bascule.delivery import Outbox
from bascule.errors import BasculeError, StoreError, UsageError
from bascule.incidents import intake, maintenance, summary
from bascule.incidents.announce import Announce
from bascule.incidents.echoes import Echoes
from bascule.incidents.kinds import SWITCH, is_no_incident
from bascule.incidents.metrics import JournalCollector, received_counter, switch_gauge
from bascule.incidents.model import Entry, PhaseStep, Window
from bascule.incidents.moves import Plan, Wish
from bascule.incidents.store import Store
from bascule.incidents.witness import HouseWitness, Witness
from bascule.processes.workers import Workers
from bascule.spec import Spec
from bascule.transport import MIB

ROLE = "incidents"
LARGEST_WEBHOOK = 16 * MIB  # thousands of alerts at once, when a whole site fails
Clock = Callable[[], float]
Identity = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Since = Annotated[float, Query(ge=0, allow_inf_nan=False)]
Until = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]


def create(
    spec: Spec,
    store: Store,
    outbox: Outbox,
    clock: Clock = time.time,
    work: Sequence[Workers] = (),
    witness: Witness | None = None,
    announce: Announce = lambda moved: None,
    echoes: Echoes | None = None,
) -> FastAPI:
    """`work`: what the role does in the background; `witness`: what a move rests on; `announce`: tells of one;
    `echoes`: late news, which the reconciliation settles."""
    registry = CollectorRegistry()
    registry.register(JournalCollector(spec, store, outbox, clock))
    app = application(spec, ROLE, registry, ready=lambda: _problems(store, outbox), work=work)
    _add_webhook(app, store, echoes or Echoes(store), registry, clock)
    _add_incidents(app, store, clock)
    _add_plan(app, spec, store, Plan(spec, store, witness or HouseWitness(spec, clock), clock, announce))
    _add_timeline(app, store, clock)
    _add_maintenance(app, spec, store, clock)
    _add_review(app, spec, store, outbox, clock)
    return app


def _problems(store: Store, outbox: Outbox) -> list[str]:
    try:
        store.phase()
    except BasculeError as error:
        return [error.what]
    return [each for each in (store.problem, outbox.problem) if each]


def _add_webhook(app: FastAPI, store: Store, echoes: Echoes, registry: CollectorRegistry, clock: Clock) -> None:
    counter, switch = received_counter(registry), switch_gauge(registry)

    @app.post("/api/webhook", **needs(Right.DELIVER, LARGEST_WEBHOOK))
    def webhook(payload: Annotated[Any, Body()]) -> journal.Received:
        """Alertmanager's payload, version 4. It is answered once what it says is on disk; Alertmanager tries again what
        was not, and people are notified of it meanwhile."""
        try:
            notifications, unreadable = intake.read(payload, round(clock(), 3))
        except UsageError:
            counter.labels("unreadable").inc()
            raise
        if any(each.labels.get("alertname", "").endswith(SWITCH) for each in notifications):
            switch.set(notifications[0].received)
        if told := echoes.without(each for each in notifications if not is_no_incident(each.labels)):
            store.receive_all(told)
            store.must_be_kept()
        for notification in notifications:
            counter.labels("firing" if notification.firing else "resolved").inc()
        counter.labels("unreadable").inc(unreadable)
        return journal.Received(received=len(notifications), unreadable=unreadable)


def _add_incidents(app: FastAPI, store: Store, clock: Clock) -> None:
    @app.get("/api/incidents")
    def incidents(since: Since = 0.0, until: Until = None) -> list[journal.IncidentAnswer]:
        """Incidents that were open at some time from `since` to `until`, newest first."""
        return readable(journal.IncidentAnswer, store.incidents(since, _last(until)), "the journal's incidents")

    @app.get("/api/incidents/{identity}")
    def one(identity: Identity) -> journal.IncidentDetail:
        entries = readable(journal.TimelineAnswer, store.entries(incident=identity), "the journal's entries")
        known = journal.IncidentAnswer.model_validate(store.incident(identity))
        return journal.IncidentDetail(**dict(known), entries=entries)

    @app.post("/api/incidents/{identity}/acknowledge")
    def acknowledge(identity: Identity, given: journal.Acknowledgement) -> list[journal.IncidentAnswer]:
        """Acknowledge the incident's whole situation."""
        situation = store.acknowledge(identity, given.who, clock(), given.note)
        return readable(journal.IncidentAnswer, situation, "the journal's incidents")

    @app.post("/api/incidents/{identity}/close")
    def close(identity: Identity, given: journal.Reason) -> journal.IncidentAnswer:
        """End an incident by hand; the same alert does not page until it starts again."""
        return journal.IncidentAnswer.model_validate(store.close_incident(identity, given.who, given.why, clock()))

    @app.post("/api/incidents/{identity}/reopen")
    def reopen(identity: Identity, given: journal.Reason) -> journal.IncidentAnswer:
        """Begin an ended incident again; everyone who got its end is notified."""
        return journal.IncidentAnswer.model_validate(store.reopen_incident(identity, given.who, given.why, clock()))

    @app.post("/api/incidents/{identity}/notes")
    def note(identity: Identity, given: journal.Annotation) -> journal.TimelineAnswer:
        return _added(store, _entry(given, clock, identity))


def _last(until: float | None) -> float:
    return float("inf") if until is None else until


def _add_plan(app: FastAPI, spec: Spec, store: Store, plan: Plan) -> None:
    def shown() -> PlanAnswer:
        step, paused = store.phase(), store.paused()
        known = {**asdict(step), "started": step.at, "migration": spec.metadata.name, "closed": plan.is_closed}
        return PlanAnswer(**known, paused=PauseAnswer.model_validate(paused) if paused else None)

    def done() -> PlanAnswer:
        """The way back is never refused: what a full disk does not take is done, and answered as not kept."""
        try:
            store.must_be_kept()
        except StoreError as error:
            what, fix = f"the move was made, and a stop of the journal forgets it: {error.what}", error.fix
            raise type(error)(what, f"{fix}; it is kept then, without another request") from error
        return shown()

    @app.get("/api/phase", **needs(Right.READ, lane=Lane.FREE))  # a row, which every part asks for
    def phase() -> PlanAnswer:
        return shown()

    @app.post("/api/phase")
    def set_phase(asked: PhaseChange) -> PlanAnswer:
        """Go to a step by its number, by the spec's share hook where there is one; forward as `promote` does."""
        plan.set(asked.number, asked.share, Wish(asked.who, asked.why, asked.force))
        return done()

    @app.post("/api/plan/{move}")
    def make(move: PlanMove, asked: MoveRequest) -> PlanAnswer:
        """A move of the plan."""
        plan.move(move, Wish(asked.who, asked.why, asked.force))
        return done()

    @app.get("/api/plan/comparison")
    def comparison() -> KeptComparison:
        """What the judge said last before the present step took the candidate's traffic back."""
        kept = store.comparison()
        if kept is None:
            return KeptComparison()
        return KeptComparison(at=times.moment(kept[0]), verdict=VerdictAnswer.model_validate_json(kept[1]))


def _add_timeline(app: FastAPI, store: Store, clock: Clock) -> None:
    @app.get("/api/timeline")
    def timeline(since: Since = 0.0, until: Until = None) -> list[journal.TimelineAnswer]:
        """Changes of phase and annotations, oldest first."""
        last = _last(until)
        steps = [_on_timeline(step) for step in store.phases() if since <= step.at <= last]
        told = readable(journal.TimelineAnswer, [*steps, *store.entries(since, last)], "the journal's timeline")
        return sorted(told, key=lambda item: item.at)

    @app.post("/api/annotations")
    def annotate(given: journal.Annotation) -> journal.TimelineAnswer:
        return _added(store, _entry(given, clock))


def _on_timeline(step: PhaseStep) -> dict[str, Any]:
    text = f"{'' if step.move == 'set' else f'{step.move}, '}phase {step.number}: {step.share:.0%} to the candidate"
    return asdict(step) | {"kind": EntryKind.PHASE, "text": f"{text} ({step.why})" if step.why else text}


def _entry(given: journal.Annotation, clock: Clock, incident: int | None = None) -> Entry:
    return Entry(times.unix(given.at) or clock(), given.kind, given.text, given.who, incident)


def _added(store: Store, entry: Entry) -> journal.TimelineAnswer:
    store.add(entry)
    return journal.TimelineAnswer.model_validate(entry)


def _add_maintenance(app: FastAPI, spec: Spec, store: Store, clock: Clock) -> None:
    @app.get("/api/maintenance")
    def windows(since: Since = 0.0, until: Until = None, cancelled: bool = False) -> list[journal.WindowAnswer]:
        last = _last(until)
        kept = [w for w in store.windows() if w.starts < last and w.ends > since and (cancelled or not w.cancelled)]
        return readable(journal.WindowAnswer, kept, "the journal's maintenance windows")

    @app.post("/api/maintenance")
    def plan(asked: journal.NewWindow) -> journal.WindowAnswer:
        starts, ends = asked.starts.timestamp(), asked.ends.timestamp()
        window = Window(0, starts, ends, asked.reason, tuple(asked.services), asked.who)
        return journal.WindowAnswer.model_validate(maintenance.add(spec, store, window, clock(), asked.silent))

    @app.post("/api/maintenance/{identity}/end")
    def end(identity: Identity, given: journal.Signature) -> journal.WindowAnswer:
        return journal.WindowAnswer.model_validate(maintenance.end(spec, store, identity, given.who, clock()))


def _add_review(app: FastAPI, spec: Spec, store: Store, outbox: Outbox, clock: Clock) -> None:
    @app.get("/api/notices")
    def notices() -> list[journal.NoticeAnswer]:
        """Who was told what, and its result."""
        return readable(journal.NoticeAnswer, store.notices(), "the journal's notices")

    add_deliveries(app, outbox, "the record of deliveries")

    @app.get("/api/owed")
    def owed() -> list[DeliveryAnswer]:
        """What a channel of a receiver does not have yet, the oldest first."""
        return readable(DeliveryAnswer, [each.delivery() for each in outbox.owed()], "the record of deliveries")

    @app.get("/api/incidents/{identity}/summary", response_class=PlainTextResponse)
    def review(identity: Identity) -> PlainTextResponse:
        """The review as Markdown."""
        prometheus = prometheus_of(spec)
        try:
            text = summary.summary(spec, store, prometheus, identity, clock())
        finally:
            prometheus.close()
        return PlainTextResponse(text, media_type="text/markdown; charset=utf-8")
