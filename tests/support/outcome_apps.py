"""One application, written in each framework, with a route for each thing that can become of a request.

`APPLICATION=flask python -m waitress outcome_apps:application` serves it; APPLICATION is the name of a function below.
Its metrics are in PROMETHEUS_MULTIPROC_DIR, because they must outlive a worker that is killed.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

from bascule.instrument import Instrument

SLOW_SECONDS = 0.5
SLOWER_SECONDS = 2.0
CHUNK_SECONDS = 0.02
CHUNKS = 100
FILE = Path(__file__)

instrument = Instrument(version="v2")


class Broken(Exception):
    """What the application raises."""


class Stopped(BaseException):
    """As `gevent.Timeout` and a worker's SystemExit: no Exception."""


def chunks() -> Iterator[bytes]:
    yield b"a" * 1000
    yield b"b" * 1000


def breaking() -> Iterator[bytes]:
    yield b"a" * 1000
    raise Broken


def stopping() -> Iterator[bytes]:
    yield b"a" * 1000
    raise Stopped


def endless() -> Iterator[bytes]:
    for _ in range(CHUNKS):
        yield b"a" * 1000
        time.sleep(CHUNK_SECONDS)  # it takes its time to be made


def hanging() -> Iterator[bytes]:
    yield b"a" * 1000
    threading.Event().wait()


async def later(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def endless_later() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield b"a" * 1000
        await asyncio.sleep(CHUNK_SECONDS)


async def hanging_later() -> AsyncIterator[bytes]:
    yield b"a" * 1000
    await asyncio.Event().wait()


def fail() -> None:
    raise Broken


# ---------------------------------------------------------------- WSGI


def wsgi() -> Any:
    """Without a framework; what is read of the upload is what there is."""

    class Closing(list[bytes]):
        def close(self) -> None:
            raise Broken

    def body(environ: dict[str, Any]) -> Any:
        match environ["PATH_INFO"]:
            case "/raising":
                raise Broken
            case "/slow":
                time.sleep(SLOW_SECONDS)  # the work that a client does not wait for
            case "/slower":
                time.sleep(SLOWER_SECONDS)
            case "/upload":
                return [str(len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))).encode()]
            case "/stream":
                return chunks()
            case "/breaking":
                return breaking()
            case "/stopping":
                return stopping()
            case "/endless":
                return endless()
            case "/hanging":
                return hanging()
            case "/file":
                wrap = environ.get("wsgi.file_wrapper") or (lambda file: iter(lambda: file.read(1000), b""))
                return wrap(FILE.open("rb"))
            case "/background":
                return Closing([b"ok"])
        return [b"ok"]

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = body(environ)
        status = {"/missing": "404 Not Found", "/failing": "500 Failed"}.get(environ["PATH_INFO"], "200 OK")
        start_response(status, [("Content-Type", "text/plain")])
        return answer

    return instrument.wsgi(app, endpoint=lambda environ: environ["PATH_INFO"])


def flask() -> Any:
    from flask import Flask, Response, request, send_file

    app = Flask("outcomes")
    instrument.init_flask(app)
    app.add_url_rule("/ok", "ok", lambda: "ok")
    app.add_url_rule("/missing", "missing", lambda: ("missing", 404))
    app.add_url_rule("/failing", "failing", lambda: ("failing", 500))
    app.add_url_rule("/raising", "raising", fail)
    app.add_url_rule("/stream", "stream", lambda: Response(chunks()))
    app.add_url_rule("/breaking", "breaking", lambda: Response(breaking()))
    app.add_url_rule("/stopping", "stopping", lambda: Response(stopping()))
    app.add_url_rule("/endless", "endless", lambda: Response(endless()))
    app.add_url_rule("/hanging", "hanging", lambda: Response(hanging()))
    app.add_url_rule("/slow", "slow", lambda: time.sleep(SLOW_SECONDS) or "ok")
    app.add_url_rule("/slower", "slower", lambda: time.sleep(SLOWER_SECONDS) or "ok")
    app.add_url_rule("/upload", "upload", lambda: str(len(request.get_data())), methods=["POST"])
    app.add_url_rule("/file", "file", lambda: send_file(FILE))

    @app.get("/background")
    def background() -> Response:
        answer = Response("ok")
        answer.call_on_close(fail)
        return answer

    return app


# ---------------------------------------------------------------- Django


def _configure_django(asynchronous: bool) -> None:
    import django
    from django.conf import settings
    from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import path

    def raising(request: HttpRequest) -> HttpResponse:
        raise Broken

    def slow(seconds: float) -> Any:
        """The work that a client does not wait for."""

        def view(request: HttpRequest) -> HttpResponse:
            time.sleep(seconds)
            return HttpResponse("ok")

        async def view_later(request: HttpRequest) -> HttpResponse:
            await asyncio.sleep(seconds)
            return HttpResponse("ok")

        return view_later if asynchronous else view

    def upload(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(len(request.body)))

    def background(request: HttpRequest) -> HttpResponse:
        answer = HttpResponse("ok")
        answer._resource_closers.append(fail)
        return answer

    def streamed(make: Any) -> Any:
        return lambda request: StreamingHttpResponse(make())

    urls = (
        path("ok", lambda request: HttpResponse("ok")),
        path("missing", lambda request: HttpResponse("missing", status=404)),
        path("failing", lambda request: HttpResponse("failing", status=500)),
        path("raising", raising),
        path("stream", streamed((lambda: later(chunks())) if asynchronous else chunks)),
        path("breaking", streamed((lambda: later(breaking())) if asynchronous else breaking)),
        path("stopping", streamed((lambda: later(stopping())) if asynchronous else stopping)),
        path("endless", streamed(endless_later if asynchronous else endless)),
        path("hanging", streamed(hanging_later if asynchronous else hanging)),
        path("slow", slow(SLOW_SECONDS)),
        path("slower", slow(SLOWER_SECONDS)),
        path("upload", upload),
        path("file", lambda request: FileResponse(FILE.open("rb"))),
        path("background", background),
    )
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urls,
        MIDDLEWARE=["bascule.instrument.django.route_middleware"],
        LOGGING_CONFIG=None,
    )
    django.setup()


def django_wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    _configure_django(asynchronous=False)
    return instrument.wsgi(get_wsgi_application())


def django_asgi() -> Any:
    from django.core.asgi import get_asgi_application

    _configure_django(asynchronous=True)
    return instrument.asgi(get_asgi_application())


def channels() -> Any:
    """Django behind a middleware that hands on a copy of the scope."""
    from channels.routing import ProtocolTypeRouter
    from channels.sessions import CookieMiddleware
    from django.core.asgi import get_asgi_application

    _configure_django(asynchronous=True)
    return instrument.asgi(ProtocolTypeRouter({"http": CookieMiddleware(get_asgi_application())}))


# ---------------------------------------------------------------- ASGI


def asgi() -> Any:
    """Without a framework: nobody listens to `http.disconnect`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        elif scope["type"] == "http":
            await answer(scope["path"], receive, send)
        elif scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})

    async def answer(path: str, receive: Any, send: Any) -> None:
        match path:
            case "/raising":
                raise Broken
            case "/slow":
                await asyncio.sleep(SLOW_SECONDS)
            case "/slower":
                await asyncio.sleep(SLOWER_SECONDS)
            case "/upload":
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Broken
                    if not message.get("more_body"):
                        break
        status = {"/missing": 404, "/failing": 500}.get(path, 200)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        async for chunk in parts(path):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        if path == "/background":
            raise Broken

    def parts(path: str) -> AsyncIterator[bytes]:
        match path:
            case "/stream":
                return later(chunks())
            case "/breaking":
                return later(breaking())
            case "/stopping":
                return later(stopping())
            case "/endless":
                return endless_later()
            case "/hanging":
                return hanging_later()
            case "/file":
                return later([FILE.read_bytes()])
        return later([b"ok"])

    return instrument.asgi(app, endpoint=lambda scope: scope["path"])


def _answers() -> dict[str, Any]:
    """What Starlette and FastAPI answer at each path, made again for each request."""
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse

    return {
        "/ok": lambda: PlainTextResponse("ok"),
        "/missing": lambda: PlainTextResponse("missing", 404),
        "/failing": lambda: PlainTextResponse("failing", 500),
        "/raising": fail,
        "/stream": lambda: StreamingResponse(later(chunks())),
        "/breaking": lambda: StreamingResponse(later(breaking())),
        "/stopping": lambda: StreamingResponse(later(stopping())),
        "/endless": lambda: StreamingResponse(endless_later()),
        "/hanging": lambda: StreamingResponse(hanging_later()),
        "/file": lambda: FileResponse(FILE),
        "/background": lambda: PlainTextResponse("ok", background=BackgroundTask(fail)),
    }


async def _live(socket: Any) -> None:
    await socket.accept()
    await socket.receive_text()


def _starlette_routes() -> list[Any]:
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route, WebSocketRoute

    def answering(make: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            return make()

        return endpoint

    async def slow(request: Request) -> Response:
        await asyncio.sleep(SLOW_SECONDS if request.url.path == "/slow" else SLOWER_SECONDS)
        return PlainTextResponse("ok")

    async def upload(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    return [
        *(Route(path, answering(make)) for path, make in _answers().items()),
        Route("/slow", slow),
        Route("/slower", slow),
        Route("/upload", upload, methods=["POST"]),
        WebSocketRoute("/live", _live),
    ]


def starlette() -> Any:
    from starlette.applications import Starlette

    return instrument.asgi(Starlette(routes=_starlette_routes()))


def starlette_stack() -> Any:
    """Below a BaseHTTPMiddleware, and one that hands on a copy of the scope."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware

    class Unchanged(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            return await call_next(request)

    def copying(app: Any) -> Any:
        async def copied(scope: Any, receive: Any, send: Any) -> None:
            await app(dict(scope), receive, send)

        return copied

    app = Starlette(routes=_starlette_routes(), middleware=[Middleware(Unchanged)])
    return instrument.asgi(copying(app))


def fastapi() -> Any:
    from fastapi import APIRouter, FastAPI, WebSocket

    def answering(make: Any) -> Any:
        async def endpoint() -> Any:
            return make()

        return endpoint

    async def slow() -> str:
        await asyncio.sleep(SLOW_SECONDS)
        return "ok"

    async def slower() -> str:
        await asyncio.sleep(SLOWER_SECONDS)
        return "ok"

    async def upload(body: dict[str, str]) -> int:
        return len(body)

    async def live(socket: WebSocket) -> None:
        await _live(socket)

    app, router = FastAPI(), APIRouter()
    for path, make in _answers().items():
        router.add_api_route(path, answering(make), methods=["GET", "HEAD"])
    router.add_api_route("/slow", slow)
    router.add_api_route("/slower", slower)
    router.add_api_route("/upload", upload, methods=["POST"])
    live.__annotations__["socket"] = WebSocket
    router.add_api_websocket_route("/live", live)
    app.include_router(router)
    return instrument.asgi(app)


if name := os.environ.get("APPLICATION"):
    application = globals()[name]()
