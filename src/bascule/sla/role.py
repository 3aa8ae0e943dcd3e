"""The role that makes scheduled reports, keeps them and sends them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CollectorRegistry

from bascule import times
from bascule.api.deliveries import add_deliveries
from bascule.api.models.fields import readable
from bascule.api.models.others import DeliveryAnswer, ReportAnswer, SendAgain
from bascule.api.server import application, serve
from bascule.api.servers import prometheus_of
from bascule.delivery import Courier, Outbox
from bascule.errors import UsageError
from bascule.processes.workers import Workers
from bascule.sla.archive import FOLDER, Archive
from bascule.sla.ends import Ends
from bascule.sla.house import report_of
from bascule.sla.relay import add_relay
from bascule.sla.scheduler import LastPass, Scheduler
from bascule.sla.send import OUTBOX_FILE, owe_archived, report_receivers, send_archived
from bascule.spec import Spec

_TIMEOUT = 120.0
log = logging.getLogger(__name__)


def create(
    spec: Spec, archive: Archive, outbox: Outbox, ends: Ends, work: Sequence[Workers] = (), last: LastPass | None = None
) -> FastAPI:
    """`last`: what the scheduler met when it last looked at the reports."""

    def problems() -> list[str]:
        return [*(last.problems() if last else ()), *filter(None, [outbox.problem])]

    app = application(spec, "sla", CollectorRegistry(), ready=problems, work=work)

    @app.get("/api/reports")
    def reports() -> list[ReportAnswer]:
        """The archive, newest first, without the mails' bodies."""
        return readable(ReportAnswer, archive.list(), "the archive of reports")

    add_deliveries(app, outbox, "the ledger of deliveries")

    @app.post("/api/reports/{identity}/send")
    def send(identity: str, asked: SendAgain) -> list[DeliveryAnswer]:
        """Send a report once more, unchanged; answers when each receiver has it or does not."""
        log.info("report %s is sent again, for %s", identity, asked.who)
        again = times.rfc3339(time.time())
        sent = send_archived(spec, archive, archive.get(identity), asked.to, again=again)
        return readable(DeliveryAnswer, sent, "what was sent")

    add_relay(app, spec, ends)

    @app.get("/reports/{identity}", response_class=HTMLResponse)
    def page(identity: str) -> HTMLResponse:
        """A report as it was sent; it may run no script and load nothing."""
        content = archive.content(archive.get(identity), "html")
        policy = "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:"
        return HTMLResponse(content, headers={"Content-Security-Policy": policy})

    @app.exception_handler(UsageError)
    def unknown(request: Request, error: UsageError) -> JSONResponse:
        return JSONResponse({"error": error.what, "fix": error.fix}, 404)

    return app


def run(spec: Spec, stop: threading.Event) -> None:
    """Make scheduled reports and show the archive until `stop` is set."""
    archive = Archive(spec.stack.state / FOLDER)
    outbox = Outbox(spec.stack.state / OUTBOX_FILE)
    direct = {name: spec.notify.receivers[name] for name in spec.notify.first_told}
    courier = Courier(report_receivers(spec) | direct, outbox)
    ends = Ends(spec, courier, time.time)
    prometheus = prometheus_of(spec, timeout=_TIMEOUT)
    workers = Workers(stop)
    courier.start()
    scheduler = Scheduler(
        spec,
        archive,
        make=lambda start, end, now: report_of(spec, prometheus, start, end, now),
        owe=lambda entry, to: owe_archived(spec, archive, entry, to, courier),
        clock=time.time,
        reach=lambda: prometheus.instant("vector(1)"),
    )
    workers.start("reports", lambda: scheduler.run(stop))
    workers.start("ends", lambda: ends.run(stop))
    try:
        serve(stop, create(spec, archive, outbox, ends, (workers, courier.workers), scheduler.last), spec, "sla")
    finally:
        stop.set()
        workers.join(5)
        courier.close()
        ends.close()
        prometheus.close()
        outbox.close()
