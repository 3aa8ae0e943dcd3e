"""The pages of segments, SLAs and management: looked up when somebody opens them, never streamed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse

from bascule import times
from bascule.console.asked import MeasuredTraffic
from bascule.console.shared import Console
from bascule.console.signing import Someone
from bascule.console.texts import LANGUAGES
from bascule.console.views import build
from bascule.console.views.executive import Executive, executive
from bascule.console.views.migrations import migrations
from bascule.console.views.promises import promises
from bascule.console.views.sla import SentReports, SlaView, sla_view
from bascule.console.views.targets import ORDERS, Targets, targets
from bascule.errors import BasculeError
from bascule.states import Cause

T = TypeVar("T")
Order = Annotated[str, Query(pattern=f"^({'|'.join(ORDERS)})$")]
Language = Annotated[str, Query(alias="lang", pattern=f"^({'|'.join(LANGUAGES)})$")]


def add_boards(app: FastAPI, console: Console) -> None:
    boards, renderer = BoardViews(console), console.renderer

    @app.get("/segments", response_class=HTMLResponse)
    def segments(viewer: Someone, by: Order = "state") -> HTMLResponse:
        return HTMLResponse(renderer.segments(*boards.targets(by), viewer))

    @app.get("/segments/now", response_class=HTMLResponse)
    def segments_now(by: Order = "state") -> HTMLResponse:
        found, problem = boards.targets(by)
        return HTMLResponse(renderer.part("_segments.html", targets=found, problem=problem))

    @app.get("/executive", response_class=HTMLResponse)
    def management(viewer: Someone, language: Language = "en") -> HTMLResponse:
        view, problem = boards.executive()
        return HTMLResponse(renderer.executive(view, language, problem, viewer))

    @app.get("/executive/now", response_class=HTMLResponse)
    def management_now(language: Language = "en") -> HTMLResponse:
        view, problem = boards.executive()
        return HTMLResponse(renderer.executive_now(view, language, problem))

    @app.get("/migrations", response_class=HTMLResponse)
    def listed(viewer: Someone) -> HTMLResponse:
        rows = migrations(console.spec)
        return HTMLResponse(renderer.whole("migrations.html", viewer, rows=rows, here="Migrations"))

    @app.get("/sla", response_class=HTMLResponse)
    def sla(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(renderer.sla(boards.sla(boards.archive()), viewer))

    @app.get("/sla/now", response_class=HTMLResponse)
    def sla_now() -> HTMLResponse:
        return HTMLResponse(renderer.part("_sla.html", view=boards.sla(SentReports())))


class BoardViews:
    """Each view, with what could not be asked in words: a part that is away hides itself alone."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spec = console.spec
        self._parts = console.parts

    def targets(self, order: str) -> tuple[Targets, str]:
        seen, problem = _tried(self._parts.measured)
        keys = [(name, quantile) for name in self._spec.signals for quantile in ("", "p50", "p95", "p99")]
        empty = MeasuredTraffic({key: {} for key in keys}, unknown=Cause.SERVER_AWAY)
        return targets(self._spec, seen or empty, order), problem

    def executive(self) -> tuple[Executive, str]:
        self._console.look()
        now = time.time()
        page = build(self._parts, now)
        seen, problem = _tried(self._parts.business)
        journal, opinion = self._parts.journal.reading.value, self._parts.judge.reading.fresh(now)
        view = executive(self._spec, page.verdict, page.plan, journal, opinion, seen, times.moment(now))
        return view, problem

    def sla(self, archive: SentReports) -> SlaView:
        self._console.look()
        seen, problem = _tried(self._parts.business)
        return sla_view(self._spec, promises(self._spec, self._parts.slas.reading, time.time()), seen, problem, archive)

    def archive(self) -> SentReports:
        """What was sent; nothing where the spec has no role that sends reports, which is no fault."""
        if "sla" not in self._spec.roles:
            return SentReports()
        client = self._parts.archive
        reports, problem = _tried(client.reports)
        deliveries, _ = _tried(lambda: client.deliveries(reports or []))
        return SentReports(reports or (), deliveries or {}, problem)


def _tried(ask: Callable[[], T]) -> tuple[T | None, str]:
    """The answer, or why there is none."""
    try:
        return ask(), ""
    except BasculeError as error:
        return None, error.what
