"""Services as a new user has them: no line of Bascule in them. V2 fails while a file `fault` is in its folder, and is
slow while `slow` is there.

uvicorn first_hour_apps:fastapi_app     prometheus-fastapi-instrumentator
gunicorn first_hour_apps:flask_app      OpenTelemetry, with its Prometheus exporter
python first_hour_apps.py PORT          no metrics at all
"""

from __future__ import annotations

import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FAULT = Path("fault")
SLOW = Path("slow")
FAILING = 0.3
SLOWER_SECONDS = 0.03
ANSWER_SECONDS = (0.01, 0.03)


def status() -> int:
    """Takes a moment; what to answer."""
    time.sleep(random.uniform(*ANSWER_SECONDS) + (SLOWER_SECONDS if SLOW.exists() else 0.0))
    return 500 if FAULT.exists() and random.random() < FAILING else 200


def fastapi_app() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from prometheus_fastapi_instrumentator import Instrumentator

    app = FastAPI()

    @app.get("/orders/{number}")
    def order(number: int) -> JSONResponse:
        return JSONResponse({"order": number}, status())

    @app.get("/health")
    def health() -> dict[str, str]:
        return {}

    Instrumentator().instrument(app).expose(app)
    return app


def flask_app() -> Any:
    from flask import Flask
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import make_wsgi_app
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    app = Flask("shop")
    FlaskInstrumentor().instrument_app(app)

    @app.get("/orders/<int:number>")
    def order(number: int) -> Any:
        return {"order": number}, status()

    @app.get("/health")
    def health() -> Any:
        return {}

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})  # type: ignore[method-assign]
    return app


class _Plain(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        code = 200 if self.path == "/health" else 404 if self.path == "/metrics" else status()
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Plain).serve_forever()
