"""ASGI, Starlette, FastAPI and Django: each request counted once, by its route and by what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from bascule.instrument import Instrument

from .conftest import DECLARED, Reading


async def _hello(request: Request) -> Response:
    return PlainTextResponse("hello")


def _get(app: Any, *paths: str, method: str = "GET", **headers: str) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
            return [await client.request(method, path) for path in paths]

    return asyncio.run(ask())


def test_starlettes_routes_are_the_endpoints_through_mounts(instrument: Instrument, value: Reading) -> None:
    tenant = Starlette(routes=[Route("/jobs/{job:int}", _hello)])
    routes = [
        Route("/match/{a}", _hello),
        Mount("/tenants/{tenant}", tenant),
        Mount("/deep", routes=[Mount("/er", tenant)]),
    ]
    app = instrument.asgi(Starlette(routes=routes))
    _get(app, "/match/1", "/match/2", "/tenants/acme/jobs/7", "/tenants/match/jobs/8", "/deep/er/jobs/9")
    _get(app, "/nowhere", "/tenants/acme/nowhere")
    assert value.sum("http_requests_total", endpoint="/match/{a}", status="200") == 2
    assert value.sum("http_requests_total", endpoint="/tenants/{tenant}/jobs/{job:int}", status="200") == 2
    assert value.sum("http_requests_total", endpoint="/deep/er/jobs/{job:int}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="unknown", status="404") == 2


def test_fastapis_routes_are_the_endpoints_through_routers_and_mounts(instrument: Instrument, value: Reading) -> None:
    inner, outer, app, mounted = APIRouter(prefix="/jobs"), APIRouter(prefix="/v2"), FastAPI(), FastAPI()

    @inner.get("/{job}")
    def job(job: int) -> int:
        return job

    @inner.websocket("/{job}/live")
    async def live(socket: WebSocket, job: int) -> None:
        await socket.accept()
        await socket.close()

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    app.include_router(inner)
    mounted.include_router(inner)
    app.mount("/mounted", mounted)
    counted = instrument.asgi(app)
    _get(counted, "/api/v2/jobs/1", "/jobs/2", "/mounted/jobs/3", "/jobs/not-a-number", "/docs")
    with TestClient(counted).websocket_connect("/api/v2/jobs/4/live"):
        pass
    assert value.sum("http_requests_total", endpoint="/api/v2/jobs/{job}/live", status="101") == 1
    assert value.sum("http_requests_total", endpoint="/api/v2/jobs/{job}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/jobs/{job}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/mounted/jobs/{job}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/jobs/{job}", status="422") == 1
    assert value.sum("http_requests_total", endpoint="/docs", status="200") == 1


def test_the_routes_of_starlette_and_fastapi_exist_at_zero_from_the_first_scrape(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared={"segments": ["freemium"]})
    router, app = APIRouter(prefix="/jobs"), FastAPI()
    router.add_api_route("/{job}", lambda job: job, methods=["GET"])
    app.include_router(router, prefix="/v2")
    app.mount("/mounted", Starlette(routes=[Route("/match/{a}", _hello, methods=["POST"])]))
    _get(instrument.asgi(app), "/metrics")
    found = {
        (sample.labels["endpoint"], sample.labels["method"])
        for family in instrument.registry.collect()
        for sample in family.samples
        if sample.name == "http_requests_total"
    }
    assert found == {("/v2/jobs/{job}", "GET"), ("/mounted/match/{a}", "POST")}


def test_a_middleware_inside_the_app_counts_alike(instrument: Instrument, value: Reading) -> None:
    app = Starlette(routes=[Route("/match/{a}", _hello)])
    app.add_middleware(instrument.asgi)  # type: ignore[arg-type]
    _get(app, "/match/1")
    assert value.sum("http_requests_total", endpoint="/match/{a}", status="200") == 1


def test_headers_give_segment_and_partner(instrument: Instrument, value: Reading) -> None:
    app = instrument.asgi(Starlette(routes=[Route("/", _hello)]))
    _get(app, "/", **{"X-User-Segment": "api_partners", "X-Partner": "acme"})
    _get(app, "/", method="HEAD")
    assert value.sum("http_requests_total", user_segment="api_partners", partner="acme", status="200") == 1
    assert value.sum("http_requests_total", user_segment="unknown", partner="none", method="HEAD") == 1


def test_an_exception_counts_as_500_once(instrument: Instrument, value: Reading) -> None:
    async def broken(request: Request) -> Response:
        raise ZeroDivisionError

    assert _get(instrument.asgi(Starlette(routes=[Route("/broken", broken)])), "/broken")[0].status_code == 500
    assert value.sum("http_requests_total", endpoint="/broken", status="500") == 1
    assert value.sum("http_requests_total", endpoint="/broken") == 1


def test_background_tasks_are_no_part_of_the_duration(instrument: Instrument, value: Reading) -> None:
    seen: list[float] = []

    async def task() -> None:
        seen.append(value.sum("http_requests_total", endpoint="/", status="200"))

    async def answer(request: Request) -> Response:
        return PlainTextResponse("x", background=BackgroundTask(task))

    _get(instrument.asgi(Starlette(routes=[Route("/", answer)])), "/")
    assert seen == [1]


def test_a_stream_counts_when_its_last_byte_is_sent(instrument: Instrument, value: Reading) -> None:
    seen: list[float] = []

    async def answer(request: Request) -> Response:
        async def chunks() -> Any:
            yield b"a"
            seen.append(value.sum("http_requests_total", endpoint="/"))
            yield b"b"

        return StreamingResponse(chunks())

    assert _get(instrument.asgi(Starlette(routes=[Route("/", answer)])), "/")[0].text == "ab"
    assert seen == [0]
    assert value.sum("http_requests_total", endpoint="/", status="200") == 1


def _scope(kind: str = "http", **more: Any) -> dict[str, Any]:
    return {"type": kind, "path": "/api/v2/match", "method": "POST", "headers": [], "root_path": "", **more}


LEFT = {"type": "http.disconnect"}
BODY = {"type": "http.request", "body": b"", "more_body": False}
CUT = {"type": "http.request", "body": b"{", "more_body": True}


class Server:
    """Says what it was told to say, then waits; keeps what it is sent."""

    def __init__(self, *says: dict[str, Any]) -> None:
        self._says = list(says)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        if not self._says:
            await asyncio.Event().wait()
        return self._says.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def ask(self, app: Any, scope: dict[str, Any]) -> None:
        """What the application raises is the server's to swallow."""

        async def run() -> None:
            with contextlib.suppress(BaseExceptionGroup, Exception):
                await app(scope, self.receive, self.send)

        asyncio.run(run())


async def _nothing() -> dict[str, Any]:
    return BODY


async def _drop(message: Any) -> None:
    pass


async def _start_only(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})


def test_an_answer_without_its_end_is_a_failure_while_its_client_is_there(
    instrument: Instrument, value: Reading
) -> None:
    asyncio.run(instrument.asgi(_start_only)(_scope(), _nothing, _drop))
    assert value.sum("http_requests_total", status="500", endpoint="/api/v2/match") == 1


def test_a_server_that_refuses_to_send_to_who_left_counts_as_499(instrument: Instrument, value: Reading) -> None:
    async def gone(message: Any) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(instrument.asgi(_start_only)(_scope(), _nothing, gone))
    assert value.sum("http_requests_left_total") == 1


async def _endless(request: Request) -> Response:
    async def chunks() -> Any:
        while True:
            yield b"a"
            await asyncio.sleep(0)

    return StreamingResponse(chunks())


async def _upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


class Unchanged(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        return answer


ROUTES = [Route("/match/{a}", _hello), Route("/endless/{a}", _endless), Route("/upload/{a}", _upload, methods=["POST"])]


@pytest.mark.parametrize("middleware", [[], [Middleware(Unchanged)]], ids=["plain", "below BaseHTTPMiddleware"])
@pytest.mark.parametrize(
    ("route", "method", "says"), [("/endless", "GET", [BODY, LEFT]), ("/upload", "POST", [CUT, LEFT])]
)
def test_starlettes_client_that_leaves_counts_as_499_with_its_route(
    instrument: Instrument, value: Reading, middleware: Any, route: str, method: str, says: list[Any]
) -> None:
    app = instrument.asgi(Starlette(routes=ROUTES, middleware=middleware))
    Server(*says).ask(app, _scope(path=f"{route}/1", method=method))
    assert value.outcomes(endpoint=f"{route}/{{a}}") == value.outcomes() == {"499": 1}


def test_fastapis_declared_body_that_is_cut_counts_as_499_with_its_route(
    instrument: Instrument, value: Reading
) -> None:
    app, router = FastAPI(), APIRouter(prefix="/v2")

    @router.post("/jobs/{job}")
    async def create(job: int, body: dict[str, str]) -> int:
        return job

    app.include_router(router)
    json_body = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    Server(CUT, LEFT).ask(instrument.asgi(app), _scope(path="/v2/jobs/1", headers=json_body))
    assert value.outcomes(endpoint="/v2/jobs/{job}") == value.outcomes() == {"499": 1}


def test_a_client_that_leaves_after_patience_is_an_error(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared=DECLARED | {"patience": 1e-9})
    value = reading(instrument.registry)
    Server(CUT, LEFT).ask(instrument.asgi(Starlette(routes=ROUTES)), _scope(path="/upload/1"))
    assert value.sum("http_requests_total", endpoint="/upload/{a}", status="599") == 1
    assert value.sum("http_requests_left_total") == 0


def test_a_client_that_leaves_a_long_stream_is_no_error_while_chunks_come(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    patience = 0.1
    instrument = make_instrument(declared=DECLARED | {"patience": patience})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        streaming_until = time.monotonic() + 2 * patience
        while time.monotonic() < streaming_until:
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    Server(LEFT).ask(instrument.asgi(app), _scope())
    assert reading(instrument.registry).sum("http_requests_left_total") == 1


def test_errors_of_clients_without_patience_exist_at_zero(instrument: Instrument, value: Reading) -> None:
    assert [label for label, seen in value.all("http_requests_total", "status") if seen == 0].count("599") > 0


def test_what_is_received_while_the_last_bytes_are_sent_is_no_client_that_left(
    instrument: Instrument, value: Reading
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        listening = asyncio.create_task(listen())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a"})
        await listening

    ended = asyncio.Event()

    async def receive() -> Any:
        await ended.wait()
        return LEFT

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            ended.set()
            await asyncio.sleep(0.01)  # the bytes are on their way

    asyncio.run(instrument.asgi(app)(_scope(), receive, send))
    assert value.sum("http_requests_total", status="200") == 1


@pytest.mark.parametrize(
    "last",
    [
        {"type": "http.response.pathsend", "path": "/etc/hostname"},
        {"type": "http.response.zerocopysend", "file": 3, "more_body": False},
        {"type": "http.response.body"},
    ],
)
def test_an_answer_may_end_with_a_file(instrument: Instrument, value: Reading, last: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 206, "headers": []})
        if last["type"] != "http.response.pathsend":
            await send({**last, "more_body": True})
        assert value.sum("http_requests_total") == 0
        await send(last)

    asyncio.run(instrument.asgi(app)(_scope(), _nothing, _drop))
    assert value.sum("http_requests_total", status="206") == 1
    assert value.sum("http_requests_total") == 1


@pytest.mark.parametrize(
    ("says", "status"), [([BODY], "500"), ([], "500"), ([LEFT], "499"), ([CUT, BODY, LEFT], "499")]
)
def test_a_cancelled_request_is_a_failure_unless_the_server_says_that_its_client_left(
    instrument: Instrument, value: Reading, says: list[Any], status: str
) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        server = Server(*says)
        task = asyncio.create_task(instrument.asgi(slow)(_scope(), server.receive, server.send))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert value.outcomes() == {status: 1}


class Stopped(BaseException):
    """As `gevent.Timeout`: no Exception."""


@pytest.mark.parametrize("error", [ZeroDivisionError, Stopped])
def test_a_stream_that_breaks_counts_as_500_also_where_a_middleware_ends_it(
    instrument: Instrument, value: Reading, error: type[BaseException]
) -> None:
    async def breaking(request: Request) -> Response:
        async def chunks() -> Any:
            yield b"a"
            raise error

        return StreamingResponse(chunks())

    for middleware in ([], [Middleware(Unchanged)]):
        app = instrument.asgi(Starlette(routes=[Route("/breaking", breaking)], middleware=middleware))
        with pytest.raises(error):
            asyncio.run(app(_scope(path="/breaking", method="GET"), Server(BODY).receive, _drop))
    assert value.sum("http_requests_total", endpoint="/breaking", status="500") == 2


def test_an_app_that_never_answers_counts_as_500(instrument: Instrument, value: Reading) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    asyncio.run(instrument.asgi(silent)(_scope(), _nothing, _drop))
    assert value.sum("http_requests_total", status="500") == 1


# ---------------------------------------------------------------- scopes that are copied


class Copying:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


def _copying(app: Any) -> Any:
    async def copied(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope}, receive, send)

    return copied


def _inside(app: Starlette) -> Starlette:
    app.add_middleware(Copying)
    return app


@pytest.mark.parametrize("copy", [Copying, _copying, _inside, lambda app: _copying(Copying(_inside(app)))])
@pytest.mark.parametrize("make", [Starlette, FastAPI])
def test_a_middleware_that_copies_the_scope_costs_no_endpoint(
    instrument: Instrument, value: Reading, copy: Callable[[Any], Any], make: type[Starlette]
) -> None:
    app = make(routes=[Mount("/tenants/{tenant}", routes=ROUTES), *ROUTES])
    if isinstance(app, FastAPI):
        router = APIRouter(prefix="/jobs")
        router.add_api_route("/{job}", lambda job: job)
        app.include_router(router, prefix="/v2")
    counted = instrument.asgi(copy(app))
    _get(counted, "/match/1", "/tenants/acme/match/2", "/v2/jobs/3", "/nowhere")
    _get(counted, "/upload/1")
    assert value.sum("http_requests_total", endpoint="/match/{a}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/tenants/{tenant}/match/{a}", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/v2/jobs/{job}") == (1 if make is FastAPI else 0)
    assert value.sum("http_requests_total", endpoint="/upload/{a}", status="405") == 1
    assert value.sum("http_requests_total", endpoint="unknown", status="404") == (1 if make is FastAPI else 2)


def test_the_routes_behind_a_middleware_exist_at_zero_from_the_first_scrape(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared={"segments": ["freemium"]})
    _get(instrument.asgi(_copying(Starlette(routes=ROUTES))), "/metrics")
    assert reading(instrument.registry).sum("http_requests_total", endpoint="/match/{a}", status="500") == 0
    assert ("/match/{a}", 0.0) in reading(instrument.registry).all("http_requests_total", "endpoint")


# ---------------------------------------------------------------- scrapes and probes


@pytest.mark.parametrize("agent", ["Prometheus/2.42.0", "Blackbox Exporter/0.24.0", "Bascule/1.0"])
def test_scrapes_and_probes_are_served_and_not_counted(instrument: Instrument, value: Reading, agent: str) -> None:
    assert _get(instrument.asgi(Starlette(routes=ROUTES)), "/match/1", **{"User-Agent": agent})[0].text == "hello"
    assert value.sum("http_requests_total") == 0


def test_scrapes_and_probes_may_be_counted(make_instrument: Callable[..., Instrument], reading: type[Reading]) -> None:
    instrument = make_instrument(uncounted=())
    _get(instrument.asgi(Starlette(routes=ROUTES)), "/match/1", **{"User-Agent": "Prometheus/2.42.0"})
    assert reading(instrument.registry).sum("http_requests_total", endpoint="/match/{a}") == 1


# ---------------------------------------------------------------- websockets


@pytest.mark.parametrize(
    ("does", "counted"),
    [
        (["accept", "receive", "raise"], {"101": 1}),  # its client left, and it was not caught
        (["accept", "raise"], {"101": 1, "500": 1}),
        (["accept"], {"101": 1}),
        (["close"], {"403": 1}),
        (["close", "raise"], {"403": 1}),
        (["receive", "raise"], {"499": 1}),  # its client left before the handshake
        (["receive"], {"499": 1}),
        (["raise"], {"500": 1}),
        ([], {"500": 1}),
    ],
)
def test_a_websocket_counts_by_its_handshake_and_by_what_its_application_breaks(
    instrument: Instrument, value: Reading, does: list[str], counted: dict[str, float]
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for act in does:
            if act == "raise":
                raise ZeroDivisionError
            if act == "receive":
                assert (await receive())["type"] == "websocket.disconnect"
            else:
                await send({"type": f"websocket.{act}"})

    Server({"type": "websocket.disconnect"}).ask(instrument.asgi(app), _scope("websocket"))
    assert value.outcomes(method="WEBSOCKET") == counted


def test_websockets_count_at_their_handshake(instrument: Instrument, value: Reading) -> None:
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        assert value.sum("http_requests_total", method="WEBSOCKET", status="101") == 1
        await socket.send_text(await socket.receive_text())
        await socket.close()

    async def refuse(socket: WebSocket) -> None:
        await socket.close()

    async def crash(socket: WebSocket) -> None:
        await socket.accept()
        raise ZeroDivisionError

    routes = [WebSocketRoute("/echo/{a}", echo), WebSocketRoute("/refuse", refuse), WebSocketRoute("/crash", crash)]
    client = TestClient(instrument.asgi(Starlette(routes=routes)))
    with client.websocket_connect("/echo/1") as socket:
        socket.send_text("x")
        assert socket.receive_text() == "x"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/refuse"):
        pass
    with pytest.raises(ZeroDivisionError), client.websocket_connect("/crash") as socket:
        socket.receive_text()
    assert value.sum("http_requests_total", endpoint="/echo/{a}", method="WEBSOCKET", status="101") == 1
    assert value.sum("http_requests_total", endpoint="/refuse", method="WEBSOCKET", status="403") == 1
    assert value.sum("http_requests_total", endpoint="/crash", status="101") == 1
    assert value.sum("http_requests_total", endpoint="/crash", status="500") == 1


def test_lifespan_passes_through(instrument: Instrument) -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.append(scope["type"])

    asyncio.run(instrument.asgi(app)({"type": "lifespan"}, _nothing, _drop))
    assert events == ["lifespan"]


def test_a_broken_callable_never_fails_a_request(instrument: Instrument, value: Reading) -> None:
    def broken(scope: Any) -> str:
        raise KeyError("user")

    app = instrument.asgi(Starlette(routes=[Route("/", _hello)]), endpoint=broken, segment=broken, partner=broken)
    assert _get(app, "/")[0].text == "hello"
    assert value.sum("http_requests_total", user_segment="unknown", partner="unknown", endpoint="unknown") == 1
    assert value.problems("broken_user_segment") == 1


def test_metrics_are_served_in_both_formats_also_compressed(instrument: Instrument) -> None:
    app = instrument.asgi(Starlette(), segment="X-User-Segment")
    (text,) = _get(app, "/metrics", accept="text/plain", **{"accept-encoding": "gzip"})
    assert text.headers["content-encoding"] == "gzip"
    assert "# TYPE http_requests_total counter" in text.text
    (openmetrics,) = _get(app, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")
    assert _get(app, "/metrics", method="HEAD")[0].content == b""


# ---------------------------------------------------------------- Django


@pytest.fixture(scope="module")
def django() -> Iterator[None]:
    import django as package
    from django.conf import settings
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import path

    def job(request: HttpRequest, job: int) -> HttpResponse:
        return HttpResponse(f"job {job}")

    def broken(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"a", b"b"]))

    async def later(request: HttpRequest) -> HttpResponse:
        return HttpResponse("later")

    async def never(request: HttpRequest, job: int) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    views = {"jobs/<int:job>/": job, "broken/": broken, "stream/": stream, "later/": later, "never/<int:job>/": never}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=tuple(path(route, view) for route, view in views.items()),
        MIDDLEWARE=["bascule.instrument.django.route_middleware", "django.middleware.common.CommonMiddleware"],
        LOGGING_CONFIG=None,
    )
    package.setup()
    return


@pytest.fixture(params=["wsgi", "asgi"])
def django_app(request: pytest.FixtureRequest, django: None, instrument: Instrument) -> Callable[[str], None]:
    """Asks the application, under WSGI or ASGI, for a path."""
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    if request.param == "asgi":
        asgi = instrument.asgi(get_asgi_application())
        return lambda path: [None for _ in _get(asgi, path)].clear()
    wsgi = instrument.wsgi(get_wsgi_application())

    def ask(path: str) -> None:
        with httpx.Client(transport=httpx.WSGITransport(wsgi), base_url="http://shop") as client:
            client.get(path)

    return ask


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_djangos_routes_are_the_endpoints(django_app: Callable[[str], None], value: Reading) -> None:
    for path in ("/jobs/1/", "/jobs/2/", "/broken/", "/stream/", "/later/", "/nowhere/"):
        django_app(path)
    assert value.sum("http_requests_total", endpoint="/jobs/<int:job>/", status="200") == 2
    assert value.sum("http_requests_total", endpoint="/broken/", status="500") == 1
    assert value.sum("http_requests_total", endpoint="/stream/", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/later/", status="200") == 1
    assert value.sum("http_requests_total", endpoint="unknown", status="404") == 1
    assert value.sum("http_requests_total") == 6


@pytest.mark.parametrize(
    ("path", "says", "route"),
    [("/never/1/", [BODY, LEFT], "/never/<int:job>/"), ("/jobs/1/", [CUT, LEFT], "/jobs/<int:job>/")],
    ids=["before the answer", "while it uploads"],
)
@pytest.mark.parametrize("copy", [lambda app: app, _copying])
def test_djangos_client_that_leaves_counts_as_499_with_its_route(
    django: None, instrument: Instrument, value: Reading, path: str, says: list[Any], route: str, copy: Any
) -> None:
    from django.core.asgi import get_asgi_application

    Server(*says).ask(instrument.asgi(copy(get_asgi_application())), _scope(path=path))
    assert value.outcomes(endpoint=route) == value.outcomes() == {"499": 1}


def test_djangos_routes_are_known_behind_a_middleware_that_copies(
    django: None, instrument: Instrument, value: Reading
) -> None:
    from channels.sessions import CookieMiddleware
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    _get(instrument.asgi(CookieMiddleware(get_asgi_application())), "/jobs/1/", "/nowhere/")
    application = get_wsgi_application()
    copied = instrument.wsgi(lambda environ, start_response: application({**environ}, start_response))
    with httpx.Client(transport=httpx.WSGITransport(copied), base_url="http://shop") as client:
        client.get("/jobs/2/")
    assert value.sum("http_requests_total", endpoint="/jobs/<int:job>/", status="200") == 2
    assert value.sum("http_requests_total", endpoint="unknown", status="404") == 1
