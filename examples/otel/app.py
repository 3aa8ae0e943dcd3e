"""A service that is on OpenTelemetry already: it needs no Bascule library, only the spec beside this file.

    OTEL_SEMCONV_STABILITY_OPT_IN=http flask --app app run --port 8000

`spec.yaml` maps `http.server.request.duration`, which Prometheus knows as `http_server_request_duration_seconds`.
"""

from flask import Flask
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from prometheus_client import make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

# Bounds at the targets of the spec: OpenTelemetry's own have none at 30 or 200 ms.
BOUNDS = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10]
durations = View(instrument_name="http.server.request.duration", aggregation=ExplicitBucketHistogramAggregation(BOUNDS))
set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()], views=[durations]))

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})  # type: ignore[method-assign]


@app.get("/jobs/<int:job>")
def job(job: int) -> dict[str, int]:
    return {"job": job}


@app.post("/api/v2/match")
def match() -> dict[str, float]:
    return {"accuracy": 0.93}


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("as every service does now and then")
