#!/usr/bin/env bash
# opentelemetry-instrumentation-starlette and -aiohttp-server 0.66b1 (PyPI), beside -fastapi 0.66b1
#
# Expected: a view that raises is a request with http.response.status_code 500, because the client is sent a 500; so it
#   is with FastAPI's, Flask's and Django's instrumentation of the same release.
# Seen: Starlette and aiohttp.server count the request without any status (Starlette without error.type too). A ratio of
#   http_response_status_code=~"5.." over all requests is 0 while every request fails.
# Hurts: people who have such a ratio in alerts, SLOs or a canary's analysis, and people who compare a FastAPI V1 with another V2.
. "$(dirname "$0")/lib.bash"
install_python opentelemetry-instrumentation-{starlette,fastapi,aiohttp-server}==0.66b1 opentelemetry-sdk==1.45.1 \
    starlette==1.10.0 fastapi==0.165.0 aiohttp==3.14.5 uvicorn==0.54.0

cat >"$work/raise.py" <<'PY'
import asyncio, http.client, logging, os, socket, sys, threading

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
logging.disable(logging.CRITICAL)
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))


async def view(request):
    raise ValueError


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    return status


async def serve(app):
    import uvicorn

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    running = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.05)
    status = await asyncio.to_thread(ask, listener.getsockname()[1])
    server.should_exit = True
    await running
    return status


async def starlette():
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor
    from starlette.applications import Starlette
    from starlette.routing import Route

    app = Starlette(routes=[Route("/", view)])
    StarletteInstrumentor.instrument_app(app)
    return await serve(app)


async def fastapi():
    from fastapi import FastAPI
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = FastAPI()
    app.add_route("/", view)
    FastAPIInstrumentor.instrument_app(app)
    return await serve(app)


async def aiohttp():
    from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

    AioHttpServerInstrumentor().instrument()
    from aiohttp import web

    app = web.Application()
    app.router.add_get("/", view)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    status = await asyncio.to_thread(ask, runner.addresses[0][1])
    await runner.cleanup()
    return status


sent = asyncio.run(globals()[sys.argv[1]]())
found = [m for r in reader.get_metrics_data().resource_metrics for s in r.scope_metrics for m in s.metrics]
(duration,) = (metric for metric in found if metric.name == "http.server.request.duration")
(point,) = duration.data.data_points
print(f"{sys.argv[1]}: sent {sent}, counted as {point.attributes.get('http.response.status_code')}")
PY
echo "expected: each is sent 500 and counted as 500"
as_stated "$(for each in starlette aiohttp fastapi; do timeout 30 "$python" "$work/raise.py" $each; done)" \
    'starlette: sent 500, counted as None
aiohttp: sent 500, counted as None
fastapi: sent 500, counted as 500'
