"""The page, its stream of news, its charts; read-only, and without state of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Gauge
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bascule.api.guard import COOKIE
from bascule.api.rights import Right, needs
from bascule.api.server import application
from bascule.api.tokens import SESSION_SECONDS, Tokens
from bascule.console import queries
from bascule.console.charts import DEFAULT_WINDOW, WINDOWS, Chart, Charts, known_signals
from bascule.console.parts import Parts
from bascule.console.render import Renderer
from bascule.console.sources import Watch
from bascule.console.stream import Stream, TooManyViewers
from bascule.console.views import build, history
from bascule.console.views.search import FoundLines, LogSearch, found
from bascule.console.views.signals import signal_row
from bascule.conventions import CONSOLE_VIEWERS
from bascule.errors import BasculeError
from bascule.spec import Spec

ROLE = "console"
FIRST_LOOK = 2.5  # seconds a page waits for its figures when nobody had been looking
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


WindowName = Annotated[str, Query(pattern=f"^({'|'.join(WINDOWS)})$")]


class Console:
    """What the routes share: the sources, the renderer and the stream of frames."""

    def __init__(self, spec: Spec, stop: threading.Event, parts: Parts) -> None:
        self.spec = spec
        self.parts = parts
        self.watch = Watch(self.parts.all_sources)
        self.charts = Charts(self.parts)
        self.renderer = Renderer(spec)
        self.stream = Stream(self.frame, stop)
        self.incident_stream = Stream(self.incident_frame, stop)

    def frame(self) -> dict[str, str]:
        self.watch.look()
        return self.renderer.fragments(build(self.parts, time.time()))

    def incident_frame(self) -> dict[str, str]:
        self.watch.look()
        return self.renderer.incident_fragments(history(self.parts.journal.reading, time.time()))

    def page(self) -> str:
        self._look()
        return self.renderer.page(build(self.parts, time.time()))

    def incidents(self) -> str:
        self._look()
        return self.renderer.incidents(history(self.parts.journal.reading, time.time()))

    def logs(self, asked: LogSearch) -> str:
        return self.renderer.logs(asked, self._found(asked))

    def found(self, asked: LogSearch) -> str:
        return self.renderer.found(self._found(asked))

    def _found(self, asked: LogSearch) -> FoundLines:
        self._look()
        return found(self.parts, asked, time.time())

    def _look(self) -> None:
        if self.watch.look():
            self.watch.settle(FIRST_LOOK)

    def detail(self, signal: str, segment: str) -> str:
        told = known_signals(self.parts).get((signal, segment))
        if told is None:
            raise HTTPException(404, "the judge does not know this signal and segment")
        row = signal_row(self.spec, told, self.parts.judge.reading.is_fresh(time.time()))
        courses = {v: queries.values(self.spec, signal, segment, v) for v in self.spec.versions.both}
        return self.renderer.detail(row, courses)


def create_app(spec: Spec, stop: threading.Event | None = None, parts: Parts | None = None) -> FastAPI:
    """The console of a migration; its streams end when `stop` is set. `parts`: by default those of the spec."""
    console = Console(spec, stop or threading.Event(), parts or Parts(spec))
    app = application(spec, ROLE, _registry(console), work=(console.watch.workers,), lifespan=_lifespan(console))
    app.add_middleware(Guarded)
    _add_entrance(app, spec)
    app.mount("/static", StaticFiles(directory=_static()), name="static")
    _add_pages(app, console)
    _add_logs(app, console)
    _add_runbooks(app, console.renderer)
    return app


def _add_entrance(app: FastAPI, spec: Spec) -> None:
    tokens = Tokens(spec.stack.state)

    @app.get("/enter", response_class=RedirectResponse, **needs(Right.OPEN))
    def enter(token: Annotated[str, Query(max_length=200)]) -> RedirectResponse:
        """The address that `up` prints: its token, good once, is exchanged for a cookie that may read."""
        answer = RedirectResponse("/", 303)
        if tokens.redeem(token):
            age = int(SESSION_SECONDS)
            answer.set_cookie(COOKIE, tokens.session(), max_age=age, httponly=True, samesite="strict")
        return answer


def _add_pages(app: FastAPI, console: Console) -> None:
    @app.get("/", response_class=HTMLResponse)
    def page() -> HTMLResponse:
        return HTMLResponse(console.page())

    @app.get("/incidents", response_class=HTMLResponse)
    def incidents() -> HTMLResponse:
        return HTMLResponse(console.incidents())

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return _events(console.stream)

    @app.get("/stream/incidents")
    async def incident_stream() -> StreamingResponse:
        return _events(console.incident_stream)

    @app.get("/detail", response_class=HTMLResponse)
    def detail(signal: str, segment: str) -> HTMLResponse:
        return HTMLResponse(console.detail(signal, segment))

    @app.get("/charts/share")
    def share_chart(window: WindowName = DEFAULT_WINDOW) -> Response:
        return _chart(lambda: console.charts.share(window))

    @app.get("/charts/signal")
    def signal_chart(signal: str, segment: str, window: WindowName = DEFAULT_WINDOW) -> Response:
        if (signal, segment) not in known_signals(console.parts):
            raise HTTPException(404, "the judge does not know this signal and segment")
        return _chart(lambda: console.charts.signal(signal, segment, window))


def _add_logs(app: FastAPI, console: Console) -> None:
    @app.get("/logs", response_class=HTMLResponse)
    def logs(asked: Annotated[LogSearch, Depends()]) -> HTMLResponse:
        return HTMLResponse(console.logs(asked))

    @app.get("/logs/found", response_class=HTMLResponse)
    def found(asked: Annotated[LogSearch, Depends()]) -> HTMLResponse:
        return HTMLResponse(console.found(asked))


def _add_runbooks(app: FastAPI, renderer: Renderer) -> None:
    @app.get("/runbooks/", response_class=HTMLResponse)
    def index() -> HTMLResponse:
        return HTMLResponse(renderer.runbook_index())

    @app.get("/runbooks/{page}", response_class=HTMLResponse)
    def runbook(page: str) -> HTMLResponse:
        book = renderer.runbooks.pages.get(page.removesuffix(".md"))
        if book is None:
            return HTMLResponse(renderer.runbook_index(missing=page[:80]), 404)
        return HTMLResponse(renderer.runbook(book))


def _events(stream: Stream) -> StreamingResponse:
    try:
        return StreamingResponse(stream.events(), media_type="text/event-stream")
    except TooManyViewers as error:
        raise HTTPException(503, str(error)) from error


def _chart(make: Callable[[], Chart]) -> Response:
    """A chart, or in words why there is none: never an empty chart that looks like a quiet one."""
    try:
        return JSONResponse(make().as_json())
    except BasculeError as error:
        return JSONResponse({"error": error.what}, status_code=502)


def _lifespan(console: Console) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        console.watch.start()
        yield
        console.watch.stop()
        console.parts.close()

    return lifespan


def _registry(console: Console) -> CollectorRegistry:
    registry = CollectorRegistry()
    viewers = Gauge(CONSOLE_VIEWERS.name, CONSOLE_VIEWERS.help, registry=registry)
    viewers.set_function(lambda: console.stream.viewers + console.incident_stream.viewers)
    return registry


def _static() -> Path:
    with resources.as_file(resources.files("bascule.console").joinpath("static")) as folder:
        return folder
