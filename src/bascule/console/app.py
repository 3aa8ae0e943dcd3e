"""The pages, their stream of news, their charts; without state of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Gauge
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bascule.api.guard import Door
from bascule.api.rights import Lane, Right, needs
from bascule.api.server import application
from bascule.console.acting import Identity, add_acts
from bascule.console.boards import add_boards
from bascule.console.charts import DEFAULT_WINDOW, Chart
from bascule.console.dashboards.pages import Pages, add_dashboards
from bascule.console.parts import Parts
from bascule.console.problems import ProblemPages
from bascule.console.proving.pages import Proving, add_proving
from bascule.console.render import Renderer, for_acting, for_reading
from bascule.console.shared import UNKNOWN_ROW, Console
from bascule.console.signing import Reception, Someone, Staying, add_signing
from bascule.console.spans import AskedSpan, Window
from bascule.console.stream import GoesOn, Stream, TooManyViewers, View
from bascule.console.views.search import FoundLines, LogSearch
from bascule.conventions import CONSOLE_VIEWERS
from bascule.errors import BasculeError
from bascule.spec import Spec

ROLE = "console"
TURN_SECONDS = 20  # that a slide of the wall is shown
UNBUFFERED = {"X-Accel-Buffering": "no"}  # nginx passes each event on at once, with no setting of its own
FREE = needs(Right.READ, lane=Lane.FREE)  # what the sources said last, from memory; a stream, without a thread
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types bascule"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guarded:
    """Sends the security headers with every answer, streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        await self.app(scope, receive, guarded)


def create_app(spec: Spec, stop: threading.Event | None = None, parts: Parts | None = None) -> FastAPI:
    """The console of a migration; its streams end when `stop` is set. `parts`: by default those of the spec."""
    console = Console(spec, stop or threading.Event(), parts or Parts(spec))
    dashboards, proving = Pages(console), Proving(spec)
    lifespan = _lifespan(console.watch.start, (console.close, dashboards.boards.close, proving.drills.stop))
    app = application(spec, ROLE, _registry(console), work=(console.watch.workers,), lifespan=lifespan)
    reception = Reception(Door(spec, ROLE))
    app.add_middleware(ProblemPages, renderer=console.renderer, reception=reception)
    app.add_middleware(Guarded)
    add_signing(app, reception, console.renderer)
    add_acts(app, console.parts.acting, console.parts.archive)
    _add_static(app)
    _add_pages(app, console)
    add_boards(app, console)
    _add_streams(app, console)
    _add_charts(app, console)
    add_dashboards(app, dashboards, console.renderer)
    add_proving(app, proving, console.renderer)
    _add_logs(app, console)
    _add_runbooks(app, console.renderer)
    return app


def _add_static(app: FastAPI) -> None:
    """The package's own files, which the page that signs in needs before anybody has."""
    route = Mount("/static", StaticFiles(directory=_static()), name="static")
    route.openapi_extra = needs(Right.OPEN)["openapi_extra"]  # type: ignore[attr-defined]
    app.router.routes.append(route)


def _add_pages(app: FastAPI, console: Console) -> None:
    @app.get("/", response_class=HTMLResponse, **FREE)
    def page(viewer: Someone, window: Window = DEFAULT_WINDOW) -> HTMLResponse:
        """`window`: what the charts show, which the browser reads from the address."""
        return HTMLResponse(console.page(viewer))

    @app.get("/wall", response_class=HTMLResponse, **FREE)
    def wall(viewer: Someone, every: Annotated[int, Query(ge=0, le=3600)] = TURN_SECONDS) -> HTMLResponse:
        """`every`: seconds until the next slide; 0 turns by hand."""
        return HTMLResponse(console.wall(viewer, every))

    @app.get("/incidents", response_class=HTMLResponse)
    def incidents(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(console.incidents(viewer))

    @app.get("/incidents/{identity}", response_class=HTMLResponse)
    def incident(identity: Identity, viewer: Someone) -> HTMLResponse:
        return HTMLResponse(console.renderer.incident(console.incident(identity), viewer))

    @app.get("/incidents/{identity}/now", response_class=HTMLResponse)
    def incident_now(identity: Identity) -> HTMLResponse:
        return HTMLResponse(console.renderer.part("_incident.html", view=console.incident(identity)))

    @app.get("/incidents/{identity}/review.md", response_class=PlainTextResponse)
    def review(identity: Identity) -> PlainTextResponse:
        text = console.parts.acting.summary(identity)
        return PlainTextResponse(text, media_type="text/markdown; charset=utf-8")

    @app.get("/detail", response_class=HTMLResponse)
    def detail(signal: str, segment: str) -> HTMLResponse:
        return HTMLResponse(console.detail(signal, segment))


def _add_streams(app: FastAPI, console: Console) -> None:
    @app.get("/stream", **FREE)
    async def stream(viewer: Someone, goes_on: Staying) -> StreamingResponse:
        return _events(console.stream, goes_on, for_acting if viewer.may_act else for_reading)

    @app.get("/stream/incidents", **FREE)
    async def incident_stream(goes_on: Staying) -> StreamingResponse:
        return _events(console.incident_stream, goes_on, dict)


def _add_charts(app: FastAPI, console: Console) -> None:
    @app.get("/charts/share")
    def share_chart(span: AskedSpan) -> Response:
        return _chart(lambda: console.charts.share(span))

    @app.get("/charts/signal")
    def signal_chart(signal: str, segment: str, span: AskedSpan) -> Response:
        if not console.charts.knows(signal, segment):
            raise HTTPException(404, UNKNOWN_ROW)
        return _chart(lambda: console.charts.signal(signal, segment, span))


def _add_logs(app: FastAPI, console: Console) -> None:
    @app.get("/logs", response_class=HTMLResponse)
    def logs(asked: Annotated[LogSearch, Depends()], viewer: Someone) -> HTMLResponse:
        found = console.found(asked)
        return HTMLResponse(console.renderer.logs(found, viewer), _status(found))

    @app.get("/logs/found", response_class=HTMLResponse)
    def found(asked: Annotated[LogSearch, Depends()]) -> HTMLResponse:
        found = console.found(asked)
        return HTMLResponse(console.renderer.found(found), _status(found))


def _status(found: FoundLines) -> int:
    """400 for a question that cannot be answered: the page shows it with its form, to be put right."""
    return 400 if found.is_refused else 200


def _add_runbooks(app: FastAPI, renderer: Renderer) -> None:
    @app.get("/runbooks/", response_class=HTMLResponse)
    def index(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(renderer.runbook_index(viewer))

    @app.get("/runbooks/{page}", response_class=HTMLResponse)
    def runbook(page: str, viewer: Someone) -> HTMLResponse:
        book = renderer.runbooks.pages.get(page.removesuffix(".md"))
        if book is None:
            return HTMLResponse(renderer.runbook_index(viewer, missing=page[:80]), 404)
        return HTMLResponse(renderer.runbook(book, viewer))


def _events(stream: Stream, goes_on: GoesOn, view: View) -> StreamingResponse:
    try:
        return StreamingResponse(stream.events(goes_on, view), headers=UNBUFFERED, media_type="text/event-stream")
    except TooManyViewers as error:
        raise HTTPException(503, str(error)) from error


def _chart(make: Callable[[], Chart]) -> Response:
    """A chart, or in words why there is none: never an empty chart that looks like a quiet one."""
    try:
        return JSONResponse(make().as_json())
    except BasculeError as error:
        return JSONResponse({"error": error.what, "fix": error.fix}, status_code=502)


def _lifespan(begin: Callable[[], None], ends: Iterable[Callable[[], None]]) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        begin()
        yield
        for end in ends:
            end()

    return lifespan


def _registry(console: Console) -> CollectorRegistry:
    registry = CollectorRegistry()
    viewers = Gauge(CONSOLE_VIEWERS.name, CONSOLE_VIEWERS.help, registry=registry)
    viewers.set_function(lambda: console.stream.viewers + console.incident_stream.viewers)
    return registry


def _static() -> Path:
    with resources.as_file(resources.files("bascule.console").joinpath("static")) as folder:
        return folder
