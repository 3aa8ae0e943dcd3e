"""What `init` proposes for services that well-known libraries instrument.

The pages were recorded from the libraries and proxies themselves (record.py and record_peers.py of
tests/fixtures/expositions), before and after 300
requests of users, of which 30 fail with a 500 and 10 ask for an unknown path, and 40 health checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bascule.discover import propose, verify
from bascule.prometheus import Prometheus
from bascule.spec import Selector, Spec, parse
from bascule.spec.presets import presets

pytestmark = pytest.mark.integration

PAGES = Path(__file__).parents[1] / "fixtures" / "expositions"
FAILED, USERS, HEALTH, UNKNOWN = 30, 300, 40, 10


@dataclass(frozen=True)
class Right:
    """The counter of requests, how many of those that were sent it counts, and the histogram of their times."""

    requests: str
    counted: int
    latency: str = ""
    unit: str = "seconds"
    jobs: tuple[str, ...] = ("v1", "v2")
    versions: tuple[str, str] = ("v1", "v2")


FAST_API = Right("http_requests_total", USERS, "http_request_duration_highr_seconds")
OPEN_TELEMETRY = "http_server_request_duration_seconds"
NODE = "http_request_duration_seconds"
OLD_TELEMETRY = "http_server_duration_milliseconds"
RIGHT = {
    "fastapi_instrumentator": FAST_API,
    "fastapi_instrumentator_codes": FAST_API,
    "starlette_exporter": Right("starlette_requests_total", USERS - UNKNOWN, "starlette_request_duration_seconds"),
    "aioprometheus": Right("status_codes_counter", USERS),
    "litestar": Right("litestar_requests_total", USERS - UNKNOWN, "litestar_request_duration_seconds"),
    "flask_exporter": Right("flask_http_request_total", USERS + HEALTH, "flask_http_request_duration_seconds"),
    "django_prometheus": Right(
        "django_http_responses_total_by_status_view_method_total",
        USERS,
        "django_http_requests_latency_seconds_by_view_method",
    ),
    "opentelemetry_new": Right(f"{OPEN_TELEMETRY}_count", USERS, OPEN_TELEMETRY),
    "express_prom_bundle": Right(f"{NODE}_count", USERS, NODE),
    "fastify_metrics": Right(f"{NODE}_count", USERS - UNKNOWN, NODE),
    "prometheus_api_metrics": Right(f"{NODE}_count", USERS, NODE),
    "caddy": Right("caddy_http_request_duration_seconds_count", USERS + HEALTH, "caddy_http_request_duration_seconds"),
    "haproxy": Right("haproxy_backend_http_responses_total", USERS + HEALTH, jobs=("proxy",)),
    "envoy": Right(
        "envoy_cluster_upstream_rq_completed",
        USERS + HEALTH,
        "envoy_cluster_upstream_rq_time",
        "milliseconds",
        ("proxy",),
        ("shop_v1", "shop_v2"),
    ),
    "gunicorn_statsd": Right("gunicorn_request_status", USERS + HEALTH, "gunicorn_request_duration_seconds"),
    "micrometer": Right("http_server_requests_seconds_count", USERS),
    "traefik": Right(
        "traefik_service_requests_total",
        USERS + HEALTH,
        "traefik_service_request_duration_seconds",
        jobs=("proxy",),
        versions=("shop-v1", "shop-v2"),
    ),
    "node_defaults": Right("", 0),
    "opentelemetry_old": Right(f"{OLD_TELEMETRY}_count", USERS, OLD_TELEMETRY, "milliseconds"),
}
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}


def page(name: str, moment: str) -> str:
    return (PAGES / f"{name}.{moment}.txt").read_text("utf-8")


def jobs_of(name: str) -> list[str]:
    return [f"{name}-{job}" for job in RIGHT[name].jobs]


@pytest.fixture(scope="module")
def client(module_programs: Any, module_metrics_page: Callable[..., Any], eventually: Callable[..., Any]) -> Prometheus:
    """A Prometheus that has scraped the jobs of every library, before and after the requests."""
    pages = {job: (name, module_metrics_page(page(name, "before"))) for name in RIGHT for job in jobs_of(name)}
    server = module_programs.start_prometheus(scrape={job: [each.target] for job, (_, each) in pages.items()})
    found: Prometheus = server.client
    eventually(lambda: found.scalar("count(up == 1)") == len(pages), 30)
    for name, each in pages.values():
        each.text = page(name, "after")

    def has_grown(name: str) -> bool:
        return bool(found.scalar(f'sum({RIGHT[name].requests}{{job=~"{name}-.*"}}) > {USERS}'))

    eventually(lambda: all(has_grown(name) for name in RIGHT if RIGHT[name].requests), 30)
    return found


@pytest.mark.parametrize("name", [name for name, right in RIGHT.items() if right.requests])
def test_a_library_is_found_and_what_init_proposes_counts_the_users_requests(name: str, client: Prometheus) -> None:
    right = RIGHT[name]
    text = propose(client, jobs_of(name))
    spec: Spec = parse(text)
    assert spec.versions.both == right.versions, text
    errors = spec.signals["errors"]
    assert errors.all_events.metric == right.requests, text
    assert [grown(name, each) for each in (errors.numerator, errors.all_events)] == [FAILED, right.counted], text
    latency = spec.signals.get("latency")
    found = (latency.metric.metric, latency.unit) if latency is not None else ("", "seconds")
    assert found == (right.latency, right.unit), text
    assert " events in the last hour" in text
    states = {finding.state for finding in verify(spec, {}, client) if finding.where.startswith("spec:")}
    assert states == {"ok"}, text


def grown(name: str, selector: Selector) -> float:
    """How many of a version's requests a selector counts: a proxy's page is of both, a library's of one."""
    before, after = (_sum(page(name, moment), selector) for moment in ("before", "after"))
    versions_on_it = 2 if len(RIGHT[name].jobs) == 1 else 1
    return (after - before) / versions_on_it


def _sum(exposition: str, selector: Selector) -> float:
    names = (selector.metric, f"{selector.metric}_total")  # as the reader calls counters
    families = text_string_to_metric_families(exposition)
    samples = [sample for family in families for sample in family.samples if sample.name in names]
    return sum(sample.value for sample in samples if _is_picked(sample.labels, selector))


def _is_picked(labels: dict[str, str], selector: Selector) -> bool:
    return all(MATCHES[m.operator](labels.get(m.label, ""), m.value) for m in selector.matchers)


def test_of_the_defaults_of_node_nothing_is_proposed(client: Prometheus) -> None:
    """Its histogram of garbage collections is none of requests."""
    text = propose(client, jobs_of("node_defaults"))
    assert parse(text).signals == {}, text
    assert "no counter of requests by their status was found" in text


def test_no_two_presets_are_found_by_the_same_metric() -> None:
    found_by = [preset.found_by for preset in presets() if preset.found_by]
    assert len(set(found_by)) == len(found_by)
