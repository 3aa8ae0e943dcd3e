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
from bascule.delivery import Delivery, Ledger, Result
from bascule.delivery.ledger import FILE as LEDGER_FILE
from bascule.errors import BasculeError, UsageError
from bascule.prometheus import Prometheus
from bascule.sla.archive import FOLDER, Archive, Archived
from bascule.sla.house import report_of
from bascule.sla.schedule import Due, due
from bascule.sla.send import send_archived
from bascule.spec import Spec

_PAUSE = 20.0  # seconds between looks at the clock
_TIMEOUT = 120.0
log = logging.getLogger(__name__)


class Scheduler:
    """Makes each scheduled report once, and sends it once; what failed before it was sent is tried at the next look."""

    def __init__(self, spec: Spec, prometheus: Prometheus, archive: Archive, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._prometheus = prometheus
        self._archive = archive
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_PAUSE):
            try:
                self.look()
            except Exception:  # whatever it is: no report would be made any more
                log.exception("reports: a defect of Bascule; the next look tries again")

    def look(self) -> list[Delivery]:
        """Make and send what fell due since the archive was begun, and was not sent yet."""
        made: list[Delivery] = []
        for item in self._due():
            try:
                made += self._send(item)
            except BasculeError as error:
                log.error("report %s: %s", item.id, error)
        return made

    def _due(self) -> list[Due]:
        now, zone = self._clock(), ZoneInfo(self._spec.metadata.timezone)
        try:
            begun = self._archive.begun(now)
        except BasculeError as error:
            log.error("reports: %s", error)
            return []
        items = due(self._spec.notify.reports, zone, now)
        return [item for item in items if item.at >= begun and not self._archive.was_sent(item.id)]

    def _send(self, item: Due) -> list[Delivery]:
        entry = self._archive.get(item.id) if self._archive.has(item.id) else self._make(item)
        sent = send_archived(self._spec, self._archive, entry, item.report.to)
        self._archive.mark_sent(item.id)
        for lost in (each for each in sent if each.result is not Result.DELIVERED):
            log.error("report %s: %s for %s: %s", item.id, lost.result, lost.receiver, lost.detail)
        return sent

    def _make(self, item: Due) -> Archived:
        report = report_of(self._spec, self._prometheus, item.start, item.end, self._clock())
        return self._archive.keep(report, item.report.sla, item.report.language, self._clock(), item.id)


def create(spec: Spec, archive: Archive, ledger: Ledger, is_working: Callable[[], bool]) -> FastAPI:
    def problems() -> list[str]:
        return [] if is_working() else ["no reports are made any more: their thread ended"]

    app = application(spec, "sla", CollectorRegistry(), ready=problems)

    @app.get("/api/reports")
    def reports() -> list[ReportAnswer]:
        """The archive, newest first, without the mails' bodies."""
        return readable(ReportAnswer, archive.list(), "the archive of reports")

    @app.get("/api/deliveries")
    def deliveries() -> list[DeliveryAnswer]:
        return readable(DeliveryAnswer, ledger.all(), "the ledger of deliveries")

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
    ledger = Ledger(spec.stack.state / LEDGER_FILE)
    prometheus = Prometheus(spec.stack.url("prometheus"), timeout=_TIMEOUT)
    scheduler = Scheduler(spec, prometheus, archive, time.time)
    worker = threading.Thread(target=scheduler.run, args=(stop,), name="reports", daemon=True)
    worker.start()
    try:
        serve(stop, create(spec, archive, ledger, worker.is_alive), spec, "sla")
    finally:
        stop.set()
        worker.join(timeout=5)
        prometheus.close()
        ledger.close()
