"""What instrumentation adds to a request, beside its peers; an event, beside bare counters; and a scrape.

Each framework and mode runs in a process of its own, because prometheus_client chooses its mode at import. Within it,
all candidates take turns in every round, and the figure is the median over rounds of candidate minus bare application,
in CPU time, so that a busy machine measures the same.
Every candidate does its usual work, and its page must hold every request that was sent.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

from bench.harness import Bar, Result

ROUNDS, REQUESTS = 15, 1_000
EVENTS, EVENT_ROUNDS = 50_000, 9
PATH, ROUTE = "/api/v2/match/7", "/api/v2/match/"
SERIES = 10_000
SERIES_A_ROUTE = 96  # of three segments: durations, response times, and the requests' statuses
DECLARED: dict[str, Any] = {
    "versions": ["v1", "v2"],
    "segments": ["enterprise", "api_partners", "freemium"],
    "partners": {"api_partners": ["acme"]},
    "algorithms": ["nexten"],
    "label_limit": 1_000,
}
PEERS = {
    "flask": ["prometheus-flask-exporter", "opentelemetry"],
    "starlette": ["starlette-exporter", "prometheus-fastapi-instrumentator", "opentelemetry"],
}
ONE_PROCESS_ONLY = {"opentelemetry"}  # its Prometheus exporter has no multiprocess mode

# ---------------------------------------------------------------- the benchmark


def run() -> Result:
    """Added microseconds per request and per event, and the cost of a scrape."""
    added = {
        f"{framework}, {mode}": _in_process(mode, "requests", framework)
        for framework, mode in product(PEERS, ("one process", "multiprocess"))
    }
    events = {mode: _in_process(mode, "events") for mode in ("one process", "multiprocess")}
    scrapes = {mode: _in_process(mode, "scrape") for mode in ("one process", "multiprocess")}
    bars = [*_request_bars(added), *_event_bars(events), *_scrape_bars(scrapes)]
    return Result(bars, {"requests": added, "events": events, "scrapes": scrapes})


def _request_bars(added: dict[str, dict[str, float]]) -> Iterable[Bar]:
    for where, figures in added.items():
        best = min(value for name, value in figures.items() if name != "bascule")
        for name, value in figures.items():
            yield Bar(f"{where}: {name}", value, "us CPU added per request", None)
        yield Bar(f"{where}: bascule / best peer", figures["bascule"] / best, "ratio", 0.5)


def _event_bars(events: dict[str, dict[str, float]]) -> Iterable[Bar]:
    for mode, figures in events.items():
        for name, value in figures.items():
            yield Bar(f"{mode}: {name}", value, "us CPU per event", None)
        ratio = figures["bascule: record_match_result"] / figures["bare: one counter, one histogram"]
        yield Bar(f"{mode}: record_match_result / bare counters", ratio, "ratio", 2.5)


def _scrape_bars(scrapes: dict[str, dict[str, float]]) -> Iterable[Bar]:
    for mode, figures in scrapes.items():
        series = f"{mode}, {figures['series']:.0f} series"
        yield Bar(f"{series}: page", figures["kilobytes"], "kB", None)
        yield Bar(f"{series}: page, compressed", figures["kilobytes compressed"], "kB", None)
        yield Bar(f"{series}: prometheus_client's own page", figures["prometheus_client milliseconds"], "ms CPU", None)
        yield Bar(f"{series}: scrape", figures["milliseconds"], "ms CPU", 500)  # the scrape timeout


def _in_process(mode: str, *arguments: str) -> dict[str, float]:
    """Run a part of this module in a process of its own; its figures."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "instrument.json").write_text(json.dumps(DECLARED))
        environment = os.environ | {"BASCULE_INSTRUMENT": f"{folder}/instrument.json"}
        environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
        if mode == "multiprocess":
            environment["PROMETHEUS_MULTIPROC_DIR"] = folder
        argv = [sys.executable, "-m", "bench.instrument", *arguments]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _multiprocess() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


# ---------------------------------------------------------------- requests


@dataclass(frozen=True)
class Candidate:
    """An application, and the counter on its page that must hold every request."""

    app: Any
    counter: str = ""
    labels: tuple[tuple[str, str], ...] = ()


def _requests(framework: str) -> dict[str, float]:
    make, ask = (_flask, _ask_wsgi) if framework == "flask" else (_starlette, _ask_asgi)
    names = [name for name in PEERS[framework] if not (_multiprocess() and name in ONE_PROCESS_ONLY)]
    candidates = {name: make(name) for name in ("bare", "bascule", *names)}
    rounds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(ROUNDS + 1):  # the first warms up
        for name, candidate in candidates.items():
            gc.collect()
            seconds = ask(candidate.app, REQUESTS)
            if number:
                rounds[name].append(seconds / REQUESTS * 1e6)
    for name, candidate in candidates.items():
        _check(name, candidate)
    return {name: _added(rounds[name], rounds["bare"]) for name in candidates if name != "bare"}


def _added(values: list[float], bare: list[float]) -> float:
    return statistics.median(value - base for value, base in zip(values, bare, strict=True))


def _check(name: str, candidate: Candidate) -> None:
    """Cheap is easy for what does not count."""
    if not candidate.counter:
        return
    counted = sum(
        sample.value
        for family in _everything().collect()
        for sample in family.samples
        if sample.name == candidate.counter and set(candidate.labels) <= set(sample.labels.items())
    )
    expected = (ROUNDS + 1) * REQUESTS
    if counted != expected:
        raise RuntimeError(f"{name} counted {counted:g} of {expected} requests")


def _everything() -> Any:
    from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

    if not _multiprocess():
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry


def _flask(name: str) -> Candidate:
    from flask import Flask

    app = Flask(name)

    @app.get(ROUTE + "<int:job>")
    def match(job: int) -> str:
        return "ok"

    if name == "bascule":
        from bascule.instrument import Instrument

        Instrument(version="v2").init_flask(app)
        return Candidate(app, "http_requests_total", (("version", "v2"), ("endpoint", ROUTE + "<int:job>")))
    if name == "prometheus-flask-exporter":
        from prometheus_flask_exporter import PrometheusMetrics

        PrometheusMetrics(app)
        return Candidate(app, "flask_http_request_duration_seconds_count")
    if name == "opentelemetry":
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app, meter_provider=_meter_provider())
        return Candidate(app, "http_server_duration_milliseconds_count")
    return Candidate(app)


def _starlette(name: str) -> Candidate:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def match(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route(ROUTE + "{job:int}", match)])
    if name == "bascule":
        from bascule.instrument import Instrument

        endpoint = ("endpoint", ROUTE + "{job:int}")
        return Candidate(Instrument(version="v2").asgi(app), "http_requests_total", (("version", "v2"), endpoint))
    if name == "starlette-exporter":
        from starlette_exporter import PrometheusMiddleware

        app.add_middleware(PrometheusMiddleware)
        return Candidate(app, "starlette_requests_total")
    if name == "prometheus-fastapi-instrumentator":
        from prometheus_fastapi_instrumentator import Instrumentator

        Instrumentator().instrument(app, metric_namespace="peer")
        return Candidate(app, "peer_http_requests_total")
    if name == "opentelemetry":
        from opentelemetry.instrumentation.starlette import StarletteInstrumentor

        StarletteInstrumentor.instrument_app(app, meter_provider=_meter_provider())
        return Candidate(app, "http_server_duration_milliseconds_count")
    return Candidate(app)


def _meter_provider() -> Any:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider

    return MeterProvider(metric_readers=[PrometheusMetricReader()])


def _ask_wsgi(app: Any, requests: int) -> float:
    """Seconds for `requests` requests, as a WSGI server makes them."""
    from werkzeug.test import create_environ

    environ = create_environ(PATH, headers={"X-User-Segment": "api_partners", "X-Partner": "acme"})

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        pass

    started = process_time()
    for _ in range(requests):
        body = app(dict(environ), start_response)
        for _chunk in body:
            pass
        body.close()
    return process_time() - started


def _ask_asgi(app: Any, requests: int) -> float:
    """Seconds for `requests` requests, as an ASGI server makes them."""
    return asyncio.run(_ask_asgi_one_by_one(app, requests))


async def _ask_asgi_one_by_one(app: Callable[..., Awaitable[None]], requests: int) -> float:
    headers = [(b"host", b"shop"), (b"accept", b"*/*"), (b"x-user-segment", b"api_partners"), (b"x-partner", b"acme")]
    scope = {"type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
    scope |= {"headers": headers, "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("shop", 80)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    started = process_time()
    for _ in range(requests):
        await app(dict(scope), receive, send)
    return process_time() - started


# ---------------------------------------------------------------- events


def _events() -> dict[str, float]:
    from prometheus_client import Counter, Histogram

    from bascule.conventions import MATCH_ACCURACY
    from bascule.instrument import Instrument

    instrument = Instrument(version="v2")
    labels = ["version", "algorithm", "user_segment"]
    counter = Counter("bare_events_total", "", [*labels, "success"])
    histogram = Histogram("bare_scores", "", labels, buckets=MATCH_ACCURACY.buckets)
    match = ("v2", "nexten", "freemium")
    one, other = counter.labels(*match, "True"), histogram.labels(*match)

    def bare() -> None:
        one.inc()
        other.observe(0.93)

    def with_labels() -> None:
        counter.labels(*match, "True").inc()
        histogram.labels(*match).observe(0.93)

    return {
        "bare: one counter, one histogram": _microseconds(bare),
        "prometheus_client with labels(), as the source document writes it": _microseconds(with_labels),
        "bascule: record_match_result": _microseconds(lambda: instrument.record_match_result(*match, 0.93, True)),
        "bascule: with a value and its square": _microseconds(
            lambda: instrument.record_match_result(*match, 0.93, True, 12.5)
        ),
    }


def _microseconds(call: Callable[[], None]) -> float:
    def once() -> float:
        started = process_time()
        for _ in range(EVENTS):
            call()
        return (process_time() - started) / EVENTS * 1e6

    return statistics.median(once() for _ in range(EVENT_ROUNDS))


# ---------------------------------------------------------------- scrapes


def _scrape() -> dict[str, float]:
    from prometheus_client import generate_latest

    from bascule.instrument import Instrument

    instrument = Instrument(version="v2")
    _fill(instrument)
    page = instrument.metrics_app()

    def scrape(**headers: str) -> bytes:
        return b"".join(page({"REQUEST_METHOD": "GET", **headers}, lambda *arguments: None))

    return {
        "series": sum(1 for line in scrape().splitlines() if not line.startswith(b"#")),
        "kilobytes": len(scrape()) / 1000,
        "kilobytes compressed": len(scrape(HTTP_ACCEPT_ENCODING="gzip")) / 1000,
        "milliseconds": _milliseconds(scrape),
        "prometheus_client milliseconds": _milliseconds(lambda: generate_latest(_everything())),
    }


def _fill(instrument: Any) -> None:
    """Requests to as many routes as make about `SERIES` series."""
    app = instrument.wsgi(_answer_ok, endpoint=lambda environ: environ["PATH_INFO"])
    for route, segment in product(range(SERIES // SERIES_A_ROUTE), DECLARED["segments"]):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/routes/{route}", "HTTP_X_USER_SEGMENT": segment}
        body = app(environ, lambda *arguments: None)
        list(body)
        body.close()


def _answer_ok(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


def _milliseconds(call: Callable[[], object]) -> float:
    def once() -> float:
        started = process_time()
        call()
        return (process_time() - started) * 1000

    return statistics.median(once() for _ in range(9))


PARTS: dict[str, Callable[..., dict[str, float]]] = {"requests": _requests, "events": _events, "scrape": _scrape}

if __name__ == "__main__":
    part, *rest = sys.argv[1:]
    print(json.dumps(PARTS[part](*rest)))
