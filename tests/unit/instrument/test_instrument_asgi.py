"""ASGI, Starlette, FastAPI and Django: each request counted once, by its route and by what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from bascule.instrument import Instrument

from .conftest import Reading


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


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


async def _drop(message: Any) -> None:
    pass


async def _start_only(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})


def test_an_answer_without_its_end_counts_as_a_client_that_left(instrument: Instrument, value: Reading) -> None:
    asyncio.run(instrument.asgi(_start_only)(_scope(), _nothing, _drop))
    assert value.sum("http_requests_total", status="499", endpoint="/api/v2/match") == 1


def test_a_server_that_refuses_to_send_to_who_left_counts_as_499(instrument: Instrument, value: Reading) -> None:
    async def gone(message: Any) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(instrument.asgi(_start_only)(_scope(), _nothing, gone))
    assert value.sum("http_requests_total", status="499") == 1


def test_a_cancelled_request_counts_as_a_client_that_left(instrument: Instrument, value: Reading) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(instrument.asgi(slow)(_scope(), _nothing, _drop))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert value.sum("http_requests_total", status="499") == 1


def test_an_app_that_never_answers_counts_as_500(instrument: Instrument, value: Reading) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    asyncio.run(instrument.asgi(silent)(_scope(), _nothing, _drop))
    assert value.sum("http_requests_total", status="500") == 1


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

    urls = (path("jobs/<int:job>/", job), path("broken/", broken), path("stream/", stream), path("later/", later))
    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=urls,
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
