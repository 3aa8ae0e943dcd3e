"""The role's HTTP API: Alertmanager's webhook in, incidents, phases and the timeline out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from bascule.errors import BasculeError, StoreError, Unreachable, UsageError
from bascule.incidents import intake, maintenance, phases, summary
from bascule.incidents.hook import HookFailed
from bascule.incidents.metrics import JournalCollector, received_counter
from bascule.incidents.model import Entry, PhaseStep, Window
from bascule.incidents.store import Store
from bascule.processes.serving import add_metrics_page
from bascule.prometheus import Prometheus
from bascule.spec import Spec

Clock = Callable[[], float]
_LOCAL = ("127.0.0.1", "localhost")


class PhaseChange(BaseModel):
    number: int
    share: float | None = None
    who: str = Field(max_length=200)
    why: str = Field("", max_length=2000)


class Annotation(BaseModel):
    text: str = Field(min_length=1, max_length=2000)
    kind: str = Field("note", pattern=r"^[a-z][a-z0-9_]{0,39}$")
    who: str = Field("", max_length=200)
    at: float | None = None


class Maintenance(BaseModel):
    starts: float
    ends: float
    reason: str = Field(min_length=1, max_length=500)
    who: str = Field("", max_length=200)
    services: list[str] = []
    silent: bool = True


class Someone(BaseModel):
    who: str = Field("", max_length=200)


class Acknowledgement(BaseModel):
    who: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=2000)


def create(spec: Spec, store: Store, clock: Clock = time.time) -> FastAPI:
    app = FastAPI(title="Bascule incidents", docs_url=None, redoc_url=None, openapi_url=None)
    registry = CollectorRegistry()
    registry.register(JournalCollector(spec, store))
    _guard(app, spec)
    add_metrics_page(app, registry)
    _add_webhook(app, store, registry, clock)
    _add_incidents(app, store, clock)
    _add_phases(app, spec, store, clock)
    _add_timeline(app, store, clock)
    _add_maintenance(app, spec, store, clock)
    _add_review(app, spec, store, clock)
    return app


def _guard(app: FastAPI, spec: Spec) -> None:
    """A web page of another origin can neither read nor write here: names of this machine only, JSON only."""
    if spec.stack.listen in _LOCAL:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_LOCAL))

    @app.exception_handler(BasculeError)
    def failed(request: Request, error: BasculeError) -> JSONResponse:
        return JSONResponse({"error": error.what, "mend": error.mend}, _status_of(error))

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        what = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
        return JSONResponse({"error": what, "mend": "see docs/incidents.md"}, 400)


def _status_of(error: BasculeError) -> int:
    if isinstance(error, StoreError):
        return 503  # Alertmanager tries again on 5xx
    return 502 if isinstance(error, HookFailed | Unreachable) else 400


def _json_only(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UsageError("the body must be JSON", "send Content-Type: application/json")


_JSON = [Depends(_json_only)]


def _add_webhook(app: FastAPI, store: Store, registry: CollectorRegistry, clock: Clock) -> None:
    counter = received_counter(registry)

    @app.post("/api/webhook", dependencies=_JSON)
    def webhook(payload: Annotated[Any, Body()]) -> dict[str, int]:
        received = round(clock(), 3)
        try:
            notifications = intake.read(payload, received)
        except UsageError:
            counter.labels("unreadable").inc()
            raise
        for notification in notifications:
            store.receive(notification)
            counter.labels("firing" if notification.firing else "resolved").inc()
        return {"received": len(notifications)}


def _add_incidents(app: FastAPI, store: Store, clock: Clock) -> None:
    @app.get("/api/incidents")
    def incidents(since: float = 0.0, until: float | None = None) -> list[dict[str, Any]]:
        last = float("inf") if until is None else until
        return [incident.as_json() for incident in store.incidents(since, last)]

    @app.get("/api/incidents/{identity}")
    def one(identity: int) -> dict[str, Any]:
        entries = [asdict(entry) for entry in store.entries(incident=identity)]
        return store.incident(identity).as_json() | {"entries": entries}

    @app.post("/api/incidents/{identity}/acknowledge", dependencies=_JSON)
    def acknowledge(identity: int, given: Acknowledgement) -> list[dict[str, Any]]:
        return [i.as_json() for i in store.acknowledge(identity, given.who, clock(), given.note)]

    @app.post("/api/incidents/{identity}/notes", dependencies=_JSON)
    def note(identity: int, given: Annotation) -> dict[str, Any]:
        return _added(store, Entry(given.at or clock(), given.kind, given.text, given.who, identity))


def _add_phases(app: FastAPI, spec: Spec, store: Store, clock: Clock) -> None:
    @app.get("/api/phase")
    def phase() -> dict[str, Any]:
        return _phase(spec, store.phase())

    @app.post("/api/phase", dependencies=_JSON)
    def set_phase(asked: PhaseChange) -> dict[str, Any]:
        step = phases.wanted(spec, round(clock(), 3), asked.number, asked.share, asked.who, asked.why)
        return _phase(spec, phases.change(spec, store, step))


def _phase(spec: Spec, step: PhaseStep) -> dict[str, Any]:
    return asdict(step) | {"started": step.at, "migration": spec.metadata.name}


def _add_timeline(app: FastAPI, store: Store, clock: Clock) -> None:
    @app.get("/api/timeline")
    def timeline(since: float = 0.0, until: float | None = None) -> list[dict[str, Any]]:
        last = float("inf") if until is None else until
        steps = [_step_on_timeline(step) for step in store.phases() if since <= step.at <= last]
        entries = [asdict(entry) for entry in store.entries(since, last)]
        return sorted(steps + entries, key=lambda item: float(item["at"]))

    @app.post("/api/annotations", dependencies=_JSON)
    def annotate(given: Annotation) -> dict[str, Any]:
        return _added(store, Entry(given.at or clock(), given.kind, given.text, given.who))


def _step_on_timeline(step: PhaseStep) -> dict[str, Any]:
    text = f"phase {step.number}: {step.share:.0%} to the candidate"
    return asdict(step) | {"kind": "phase", "text": f"{text} ({step.why})" if step.why else text, "incident": None}


def _added(store: Store, entry: Entry) -> dict[str, Any]:
    store.add(entry)
    return asdict(entry)


def _add_maintenance(app: FastAPI, spec: Spec, store: Store, clock: Clock) -> None:
    @app.get("/api/maintenance")
    def windows(since: float = 0.0, until: float | None = None, cancelled: bool = False) -> list[dict[str, Any]]:
        last = float("inf") if until is None else until
        kept = [w for w in store.windows() if w.starts < last and w.ends > since and (cancelled or not w.cancelled)]
        return [asdict(window) for window in kept]

    @app.post("/api/maintenance", dependencies=_JSON)
    def plan(asked: Maintenance) -> dict[str, Any]:
        window = Window(0, asked.starts, asked.ends, asked.reason, tuple(asked.services), asked.who)
        return asdict(maintenance.add(spec, store, window, clock(), asked.silent))

    @app.post("/api/maintenance/{identity}/end", dependencies=_JSON)
    def end(identity: int, given: Someone) -> dict[str, Any]:
        return asdict(maintenance.end(spec, store, identity, given.who, clock()))


def _add_review(app: FastAPI, spec: Spec, store: Store, clock: Clock) -> None:
    @app.get("/api/notices")
    def notices() -> list[dict[str, Any]]:
        return [asdict(notice) for notice in store.notices()]

    @app.get("/api/incidents/{identity}/summary")
    def review(identity: int) -> PlainTextResponse:
        prometheus = Prometheus(spec.stack.url("prometheus"))
        try:
            text = summary.summary(spec, store, prometheus, identity, clock())
        finally:
            prometheus.close()
        return PlainTextResponse(text, media_type="text/markdown; charset=utf-8")
