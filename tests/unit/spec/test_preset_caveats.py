"""Each caveat of a preset, seen in what the real library or proxy exposed (tests/fixtures/expositions).

300 requests of users between both pages, of which 30 fail and 10 ask for an unknown path, and 40 health checks; of a
proxy with a dead server, all 340 fail.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bascule.spec.presets import presets

PAGES = Path(__file__).parents[2] / "fixtures" / "expositions"
ALL, UNKNOWN = 340, 10
Labels = dict[str, str]


def samples(page: str, moment: str) -> list[tuple[str, Labels, float]]:
    text = (PAGES / f"{page}.{moment}.txt").read_text("utf-8")
    return [(each.name, each.labels, each.value) for f in text_string_to_metric_families(text) for each in f.samples]


def grown(page: str, name: str, **labels: str) -> float:
    """How much a counter grew, of all series with these labels."""

    def total(moment: str) -> float:
        there = samples(page, moment)
        names = (name, f"{name}_total")  # as the reader calls a counter of another ending
        return sum(value for each, own, value in there if each in names and labels.items() <= own.items())

    return total("after") - total("before")


def values(page: str, name: str, label: str) -> set[str]:
    return {labels.get(label, "") for each, labels, _ in samples(page, "after") if each == name}


def metrics(page: str) -> set[str]:
    return {name for name, _, _ in samples(page, "after")}


V2 = {"envoy_cluster_name": "shop_v2"}
REQUEST, OLD, NEW = "http_request_duration_seconds", "http_server_duration_milliseconds", "http_server_request_duration"
BODIES = "http_server_request_body_size_bytes_count"
DEAD = {"proxy": "shop_v2", "code": "5xx"}
CAVEATS: dict[tuple[str, str], Callable[[], bool]] = {
    ("aioprometheus", "no time"): lambda: not any("_bucket" in name for name in metrics("aioprometheus")),
    ("caddy", "admin"): lambda: values("caddy", "caddy_admin_http_requests_total", "path") == {"/metrics"},
    ("caddy", "does not answer"): lambda: (
        grown("caddy_dead", "caddy_http_request_duration_seconds_count"),
        grown("caddy_dead", "caddy_http_response_duration_seconds_count"),
    ) == (ALL, 0),
    ("django-prometheus", "scrapes"): lambda: "prometheus-django-metrics" in values(
        "django_prometheus", "django_http_responses_total_by_status_view_method_total", "view"
    ),
    ("envoy", "no failed connection"): lambda: (
        grown("envoy_dead", "envoy_cluster_upstream_rq_completed", **V2),
        grown("envoy_dead", "envoy_cluster_upstream_rq_total", **V2),
    ) == (ALL, 0),
    ("express-prom-bundle", "`up`"): lambda: "up" in metrics("express_prom_bundle"),
    ("express-prom-bundle", "includePath"): lambda: "/health" in values(
        "express_prom_bundle", f"{REQUEST}_count", "path"
    ),
    ("fastapi-instrumentator", "too few buckets"): lambda: values(
        "fastapi_instrumentator", f"{REQUEST}_bucket", "le"
    ) == {"0.1", "0.5", "1.0", "+Inf"},
    ("fastify-metrics", "no route answers"): lambda: grown("fastify_metrics", f"{REQUEST}_count") >= ALL - UNKNOWN
    and grown("fastify_metrics", f"{REQUEST}_count", status_code="404") == 0,
    ("flask-exporter", "by path"): lambda: values("flask_exporter", "flask_http_request_total", "path") == {""},
    ("gunicorn-statsd", "no path"): lambda: values("gunicorn_statsd", "gunicorn_request_status_total", "path") == {""},
    ("haproxy", "no histogram"): lambda: not any(name.endswith("_bucket") for name in metrics("haproxy")),
    ("haproxy", "503s"): lambda: (
        grown("haproxy_dead", "haproxy_backend_http_responses_total", **DEAD),
        grown("haproxy_dead", "haproxy_server_http_responses_total", **DEAD),
    ) == (ALL, 0),
    ("litestar", "as they are asked"): lambda: "/match/1" in values("litestar", "litestar_requests_total", "path"),
    ("micrometer", "actuator"): lambda: "/actuator/prometheus" in values(
        "micrometer", "http_server_requests_seconds_count", "uri"
    ),
    ("opentelemetry-http-old", "http_flavor"): lambda: values(
        "opentelemetry_old", f"{OLD}_count", "http_flavor"
    ) == {"1.1"},
    ("opentelemetry-http", "body"): lambda: grown("opentelemetry_new", BODIES) == 0
    and grown("opentelemetry_new", f"{NEW}_seconds_count") >= ALL,
    ("prometheus-api-metrics", "N/A"): lambda: grown(
        "prometheus_api_metrics", f"{REQUEST}_count", route="N/A"
    ) == UNKNOWN,
    ("starlette-exporter", "no route answers"): lambda: grown(
        "starlette_exporter", "starlette_requests_total", status_code="404"
    ) == 0,
}  # fmt: skip
# Of how the record was made: it waits for Envoy's histograms, which have nothing before.
SEEN_WHILE_RECORDING = {("envoy", "every 5 s")}
FINDINGS = Path(__file__).parents[3] / "findings"
# What no page tells by itself: a script of findings/ shows it.
SEEN_IN_A_FINDING = {
    ("gunicorn-statsd", "-k asgi"): "gunicorn-asgi-statsd-needs-the-access-log",
    ("haproxy", "retry-on"): "haproxy-retries-hide-a-failing-server",
    ("opentelemetry-http", "a view that raises"): "otel-python-exceptions-have-no-status",
    ("opentelemetry-http-old", "a view that raises"): "otel-python-exceptions-have-no-status",
    ("opentelemetry-http-unitless", "gave up"): "otel-node-hung-request-is-200",
}


@pytest.mark.parametrize("caveat", CAVEATS, ids=lambda caveat: "-".join(caveat))
def test_a_caveat_is_true_of_the_real_thing(caveat: tuple[str, str]) -> None:
    assert CAVEATS[caveat]()


def test_every_caveat_is_seen() -> None:
    known = {*CAVEATS, *SEEN_WHILE_RECORDING, *SEEN_IN_A_FINDING}
    told = [(preset.name, caveat) for preset in presets() for caveat in preset.caveats]
    unseen = [each for each in told if not any(each[0] == name and words in each[1] for name, words in known)]
    assert unseen == []
    assert all(any(name == each[0] and words in each[1] for each in told) for name, words in known)
    assert all((FINDINGS / f"{script}.sh").is_file() for script in SEEN_IN_A_FINDING.values())
