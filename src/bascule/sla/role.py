"""The role that makes scheduled reports, keeps them and sends them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CollectorRegistry

from bascule.api.models.fields import readable
from bascule.api.models.others import DeliveryAnswer, ReportAnswer
from bascule.api.server import application, serve
from bascule.delivery import Courier, Outbox
from bascule.errors import BasculeError, UsageError
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


def create(spec: Spec, archive: Archive, outbox: Outbox, problems: Callable[[], list[str]] = list) -> FastAPI:
    app = application(spec, "sla", CollectorRegistry(), ready=problems)

    @app.get("/api/reports")
    def reports() -> list[ReportAnswer]:
        """The archive, newest first, without the mails' bodies."""
        return readable(ReportAnswer, archive.list(), "the archive of reports")

    @app.get("/api/deliveries")
    def deliveries() -> list[DeliveryAnswer]:
        return readable(DeliveryAnswer, outbox.all(), "the ledger of deliveries")

    @app.get("/reports/{identity}", response_class=HTMLResponse)
    def page(identity: str) -> HTMLResponse:
        """A report as it was sent; it may run no script and load nothing."""
        content = archive.content(archive.get(identity), "html")
        policy = "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:"
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})

    @app.exception_handler(UsageError)
    def unknown(request: Request, error: UsageError) -> JSONResponse:
        return JSONResponse({"error": error.what, "fix": error.mend}, 404)

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
        serve(stop, create(spec, archive, outbox, workers.problems), spec, "sla")
    finally:
        stop.set()
        workers.join(5)
        courier.close()
        prometheus.close()
        outbox.close()
