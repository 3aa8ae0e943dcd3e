"""What `init` proposes for services that well-known libraries instrument.

The pages were recorded from the libraries themselves (tests/fixtures/expositions/record.py), before and after 300
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
from bascule.discover.presets import presets
from bascule.prometheus import Prometheus
from bascule.spec import Selector, Spec, parse

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


FAST_API = Right("http_requests_total", USERS, "http_request_duration_highr_seconds")
OPEN_TELEMETRY = "http_server_request_duration_seconds"
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
    "opentelemetry_old": Right(f"{OLD_TELEMETRY}_count", USERS, OLD_TELEMETRY, "milliseconds"),
}
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}


def page(name: str, moment: str) -> str:
    return (PAGES / f"{name}.{moment}.txt").read_text("utf-8")


@pytest.fixture
def served(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> Callable[[str], Prometheus]:
    """A Prometheus that has scraped two jobs of a library, before and after the requests."""

    def start(name: str) -> Prometheus:
        pages = {job: metrics_page(page(name, "before")) for job in ("shop-v1", "shop-v2")}
        client: Prometheus = start_prometheus(scrape={job: [each.target] for job, each in pages.items()}).client
        eventually(lambda: client.scalar("count(up == 1)") == len(pages))
        for each in pages.values():
            each.text = page(name, "after")
        counter = RIGHT[name].requests
        eventually(lambda: (client.scalar(f"sum(increase({counter}[1h]))") or 0) > USERS)
        return client

    return start


@pytest.mark.parametrize("name", RIGHT)
def test_a_library_is_found_and_what_init_proposes_counts_the_users_requests(name: str, served: Any) -> None:
    client = served(name)
    right = RIGHT[name]
    text = propose(client)
    spec: Spec = parse(text)
    assert spec.versions.both == ("v1", "v2"), text
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
    """How many of the requests a selector counts."""
    before, after = (_sum(page(name, moment), selector) for moment in ("before", "after"))
    return after - before


def _sum(exposition: str, selector: Selector) -> float:
    names = (selector.metric, f"{selector.metric}_total")  # as the reader calls counters
    families = text_string_to_metric_families(exposition)
    samples = [sample for family in families for sample in family.samples if sample.name in names]
    return sum(sample.value for sample in samples if _is_picked(sample.labels, selector))


def _is_picked(labels: dict[str, str], selector: Selector) -> bool:
    return all(MATCHES[m.operator](labels.get(m.label, ""), m.value) for m in selector.matchers)


def test_every_preset_says_what_it_is_found_by() -> None:
    """And no two are found by the same metric."""
    found_by = [preset.found_by for preset in presets()]
    assert len(set(found_by)) == len(found_by)
