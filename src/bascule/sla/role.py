"""The role that makes scheduled reports, keeps them and sends them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry

from bascule.delivery import Courier, Outbox
from bascule.errors import BasculeError, UsageError
from bascule.processes.serving import add_metrics_page, serve_until
from bascule.processes.workers import Workers
from bascule.prometheus import Prometheus
from bascule.sla.archive import FOLDER, Archive, Archived
from bascule.sla.house import report_of
from bascule.sla.schedule import Due, due
from bascule.sla.send import OUTBOX_FILE, owe_archived, report_receivers
from bascule.spec import Spec

_PAUSE = 20.0  # seconds between looks at the clock
_TIMEOUT = 120.0
log = logging.getLogger(__name__)


class Scheduler:
    """Makes each scheduled report once, and owes it to everyone it is for; what failed before is tried again."""

    def __init__(self, spec: Spec, prometheus: Prometheus, archive: Archive, courier: Courier,
                 clock: Callable[[], float]) -> None:  # fmt: skip
        self._spec = spec
        self._prometheus = prometheus
        self._archive = archive
        self._courier = courier
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_PAUSE):
            self.look()

    def look(self) -> None:
        """Make and owe what fell due since the archive was begun, and was not sent yet."""
        for item in self._due():
            try:
                self._send(item)
            except BasculeError as error:
                log.error("report %s: %s", item.id, error)

    def _due(self) -> list[Due]:
        now, zone = self._clock(), ZoneInfo(self._spec.metadata.timezone)
        try:
            begun = self._archive.begun(now)
        except BasculeError as error:
            log.error("reports: %s", error)
            return []
        items = due(self._spec.notify.reports, zone, now)
        return [item for item in items if item.at >= begun and not self._archive.was_sent(item.id)]

    def _send(self, item: Due) -> None:
        entry = self._archive.get(item.id) if self._archive.has(item.id) else self._make(item)
        owe_archived(self._spec, self._archive, entry, item.report.to, self._courier)
        self._archive.mark_sent(item.id)

    def _make(self, item: Due) -> Archived:
        report = report_of(self._spec, self._prometheus, item.start, item.end, self._clock())
        return self._archive.keep(report, item.report.sla, item.report.language, self._clock(), item.id)


def create(archive: Archive, outbox: Outbox) -> FastAPI:
    app = FastAPI(title="Bascule reports", docs_url=None, redoc_url=None, openapi_url=None)
    add_metrics_page(app, CollectorRegistry())

    @app.get("/api/reports")
    def reports() -> list[dict[str, Any]]:
        """The archive, newest first, without the mails' bodies."""
        return [{k: v for k, v in asdict(e).items() if k not in ("html", "text")} for e in archive.list()]

    @app.get("/api/deliveries")
    def deliveries() -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in outbox.all()]

    @app.get("/reports/{identity}")
    def page(identity: str) -> Response:
        """A report as it was sent; it may run no script and load nothing."""
        content = archive.content(archive.get(identity), "html")
        policy = "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:"
        return Response(content, media_type="text/html", headers={"Content-Security-Policy": policy})

    @app.exception_handler(BasculeError)
    def failed(request: Request, error: BasculeError) -> JSONResponse:
        return JSONResponse({"error": error.what, "mend": error.mend}, 404 if isinstance(error, UsageError) else 503)

    return app


def run(spec: Spec, stop: threading.Event) -> None:
    """Make scheduled reports and show the archive until `stop` is set."""
    archive = Archive(spec.stack.state / FOLDER)
    outbox = Outbox(spec.stack.state / OUTBOX_FILE)
    courier = Courier(report_receivers(spec), outbox)
    prometheus = Prometheus(spec.stack.url("prometheus"), timeout=_TIMEOUT)
    workers = Workers(stop)
    courier.start()
    workers.start("reports", lambda: Scheduler(spec, prometheus, archive, courier, time.time).run(stop))
    try:
        serve_until(stop, create(archive, outbox), spec.stack.listen, spec.stack.ports.sla)
    finally:
        stop.set()
        workers.join(5)
        courier.close()
        prometheus.close()
        outbox.close()
