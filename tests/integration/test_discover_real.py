"""Specs proposed from, and verified against, a real Prometheus that scrapes services unlike the lab's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bascule.conventions import PLANNED_SHARE
from bascule.discover import propose, verify
from bascule.generate import generate
from bascule.prometheus import Prometheus
from bascule.spec import parse

pytestmark = pytest.mark.integration


def in_names(version: str, factor: int) -> str:
    """An exporter that writes the version into its metrics' names."""
    name = f"shop_{version}"
    return f"""
# TYPE {name}_http_requests_total counter
{name}_http_requests_total{{method="GET",status_code="200"}} {100 * factor}
{name}_http_requests_total{{method="GET",status_code="503"}} {factor}
# TYPE {name}_http_request_duration_seconds histogram
{name}_http_request_duration_seconds_bucket{{le="0.1"}} {90 * factor}
{name}_http_request_duration_seconds_bucket{{le="+Inf"}} {101 * factor}
{name}_http_request_duration_seconds_sum {9 * factor}
{name}_http_request_duration_seconds_count {101 * factor}
"""


OPEN_TELEMETRY = """
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_route="/a",http_response_status_code="200",le="0.1"} 9
http_server_request_duration_seconds_bucket{http_route="/a",http_response_status_code="200",le="+Inf"} 10
http_server_request_duration_seconds_sum{http_route="/a",http_response_status_code="200"} 1
http_server_request_duration_seconds_count{http_route="/a",http_response_status_code="200"} 10
http_server_request_duration_seconds_bucket{http_route="/b",http_response_status_code="500",le="0.1"} 1
http_server_request_duration_seconds_bucket{http_route="/b",http_response_status_code="500",le="+Inf"} 1
http_server_request_duration_seconds_sum{http_route="/b",http_response_status_code="500"} 1
http_server_request_duration_seconds_count{http_route="/b",http_response_status_code="500"} 1
http_client_request_duration_seconds_count{http_response_status_code="200"} 1
"""
NUMBERED = """
# TYPE requests_total counter
requests_total{app_version="1.9.0",code="2xx",tier="gold"} 5
requests_total{app_version="1.9.0",code="5xx",tier="free"} 5
requests_total{app_version="1.10.0",code="2xx",tier="gold"} 5
requests_total{app_version="1.10.0",code="5xx",tier="free"} 5
"""


@pytest.fixture
def scraped(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> Callable[..., Prometheus]:
    """A Prometheus that has scraped every page."""

    def start(**pages: str) -> Prometheus:
        targets = {job.replace("_", "-"): [metrics_page(text).target] for job, text in pages.items()}
        client: Prometheus = start_prometheus(scrape=targets).client
        eventually(lambda: client.scalar("count(up == 1)") == len(pages))
        return client

    return start


def states(text: str, client: Prometheus) -> set[str]:
    """What verify says of the proposal's own selectors."""
    return {f"{f.state} {f.why}".strip() for f in verify(parse(text), {}, client) if f.where.startswith("spec:")}


def test_versions_in_metric_names_become_a_selection_by_name(scraped: Callable[..., Prometheus]) -> None:
    """Its rules are generated, and its selectors find each version's series."""
    client = scraped(shop=in_names("v1", 1) + in_names("v2", 2))
    text = propose(client)
    spec = parse(text)
    assert spec.versions.both == ("v1", "v2")
    assert spec.versions.select is not None
    assert str(spec.signals["errors"].total) == '{__name__=~"shop_(v1|v2)_http_requests_total"}'
    assert set(spec.signals) == {"errors", "latency"}
    assert states(text, client) == {"ok"}
    assert "error" not in {finding.state for finding in verify(spec, generate(spec), client)}


def test_open_telemetry_names_are_found_with_a_version_for_each_job(scraped: Callable[..., Prometheus]) -> None:
    """What the service asks of others (http_client) is not taken for its own requests."""
    client = scraped(shop_v1=OPEN_TELEMETRY, shop_v2=OPEN_TELEMETRY)
    text = propose(client)
    spec = parse(text)
    assert spec.versions.select == parse(text).versions.select
    assert [str(m[0]) for m in spec.versions.select.values()] == ['job="shop-v1"', 'job="shop-v2"']
    assert {name: service.version for name, service in spec.services.items()} == {"shop-v1": "v1", "shop-v2": "v2"}
    errors = spec.signals["errors"]
    assert str(errors.bad) == 'http_server_request_duration_seconds_count{http_response_status_code=~"5.."}'
    assert errors.strata == ["http_route"]
    assert spec.signals["latency"].metric.metric == "http_server_request_duration_seconds"
    assert states(text, client) == {"ok"}
    assert generate(spec)


def test_a_scrape_that_failed_just_now_takes_nothing_from_the_proposal(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """Its series end with it, and those of the other version go on: no version, signal or service is lost."""
    pages = {"shop-v1": metrics_page(OPEN_TELEMETRY), "shop-v2": metrics_page(OPEN_TELEMETRY)}
    client = start_prometheus(scrape={job: [page.target] for job, page in pages.items()}).client
    eventually(lambda: client.scalar("count(up == 1)") == 2)
    before = parse(propose(client))
    pages["shop-v1"].up = False
    eventually(lambda: client.scalar("count(up == 0)") == 1)
    text = propose(client)
    assert parse(text) == before
    assert f"not scraped: shop-v1 {pages['shop-v1'].target}" in text


def test_numbers_of_releases_are_put_in_their_order_and_named(scraped: Callable[..., Prometheus]) -> None:
    """1.10.0 follows 1.9.0; a name in a spec starts with a letter."""
    client = scraped(shop=NUMBERED)
    text = propose(client)
    spec = parse(text)
    assert spec.versions.both == ("v1.9.0", "v1.10.0")
    assert str(spec.signals["errors"].bad) == 'requests_total{code="5xx"}'
    assert spec.segments.label == "tier"
    assert list(spec.segments.named) == ["free", "gold"]
    assert states(text, client) == {"ok"}


def test_an_empty_prometheus_gives_a_spec_that_says_what_is_missing(scraped: Callable[..., Prometheus]) -> None:
    """It passes the check all the same, and proposes no signal that nothing measures."""
    client = scraped(shop="nothing_of_interest 1\n")
    text = propose(client)
    assert "guessed: no label, job or metric name tells two apart" in text
    assert "# warning: no counter of requests by their status was found" in text
    assert parse(text).signals == {}


NO_PROMETHEUS_TEXT = '{"status": "ok"}'


def test_one_of_several_services_can_be_named_and_only_its_series_count(scraped: Callable[..., Prometheus]) -> None:
    """What the other service writes for a status is nothing to this one."""
    shop = '# TYPE http_requests_total counter\nhttp_requests_total{version="%s",status="%s"} 9\n'
    other = '# TYPE http_requests_total counter\nhttp_requests_total{version="%s",status="5xx"} 90\n'
    client = scraped(
        shop=shop % ("v1", "200") + (shop % ("v2", "500")).partition("\n")[2],
        other=other % "v7" + (other % "v8").partition("\n")[2],
    )
    assert parse(propose(client)).versions.both == ("v1", "v2")  # four are too many
    spec = parse(propose(client, ["shop"]))
    assert spec.versions.both == ("v1", "v2")
    assert str(spec.signals["errors"].numerator) == 'http_requests_total{status=~"5.."}'


def test_how_often_it_scrapes_and_what_it_cannot_scrape_are_found(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    pages = {"shop": metrics_page(NUMBERED).target, "json": metrics_page(NO_PROMETHEUS_TEXT).target}
    client: Prometheus = start_prometheus(scrape={job: [target] for job, target in pages.items()}).client
    eventually(lambda: client.scalar("count(up)") == 2 and {t.health for t in client.targets()} == {"up", "down"})
    text = propose(client)
    assert parse(text).stack.scrape.interval == 1.0
    assert f"# warning: not scraped: json {pages['json']}: " in text


SELECTS = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2, select: {{v1: '{old}', v2: '{new}'}}}}
services: {{shop: {{targets: ["127.0.0.1:8001"]}}}}
signals: {{errors: {{kind: ratio, bad: 'requests_total{{code="{code}"}}', total: requests_total, better: lower}}}}
phases: [{{share: 100%, hold: 1d}}]
"""


def test_a_series_that_counts_for_both_versions_is_an_error(scraped: Callable[..., Prometheus]) -> None:
    """Matchers that overlap would compare a version with itself."""
    client = scraped(shop=NUMBERED)
    text = SELECTS.format(old='app_version=~"1.+"', new='app_version="1.10.0"', code="5xx")
    assert states(text, client) == {
        "error 1 series are counted for both versions: fix versions.select",
        "error 2 series are counted for both versions: fix versions.select",
    }


def test_a_selector_that_matches_nothing_is_told_with_what_is_wrong(scraped: Callable[..., Prometheus]) -> None:
    """A label value that is not there, and a version that is not."""
    client = scraped(shop=NUMBERED)
    text = SELECTS.format(old='app_version="1.9.0"', new='app_version="2.0.0"', code="5..")
    assert states(text, client) == {
        "error code=\"5..\" accepts no value that 'code' can have; it is 2xx, 5xx",
        'empty requests_total{code="5.."} matches series, but none of v2: see versions in the spec',
        "empty requests_total matches series, but none of v2: see versions in the spec",
        "ok",
    }


def test_a_metric_that_stopped_is_told_from_one_that_never_was(
    start_prometheus: Callable[..., Any], metrics_page: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    """A failed scrape in the middle of a check makes no name of the spec a wrong one."""
    page = metrics_page(NUMBERED)
    client = start_prometheus(scrape={"shop": [page.target]}).client
    eventually(lambda: client.scalar("count(requests_total)") == 4)
    page.up = False
    eventually(lambda: not client.instant("requests_total"))
    text = SELECTS.format(old='app_version="1.9.0"', new='app_version="1.10.0"', code="5xx")
    told = "requests_total had series, and has none now: its scrapes fail, or it is exposed no more"
    assert states(text, client) == {f"empty {told}"}


OF_V2 = """
groups:
- name: g
  rules:
  - {record: "a:b:c", expr: 'requests_total{version="v2"}'}
"""


@pytest.mark.parametrize(("share", "state"), [(0, "not_applicable"), (0.1, "empty")])
def test_what_the_plan_gives_no_traffic_is_not_applicable_and_lacks_nothing(
    scraped: Callable[..., Prometheus], share: float, state: str
) -> None:
    client = scraped(shop=f'requests_total{{version="v1"}} 5\n{PLANNED_SHARE.name} {share}\n')
    spec = parse(SELECTS.format(old='version="v1"', new='version="v2"', code="5.."))
    found = verify(spec, {"prometheus/rules/r.yml": OF_V2}, client)
    assert [f.state for f in found if f.where.endswith("record a:b:c")] == [state]


BELOW = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2, select: {v1: 'job="shop-v1"', v2: 'job="shop-v2"'}}
services: {shop-v1: {targets: ["127.0.0.1:8001"]}, shop-v2: {targets: ["127.0.0.1:8002"]}}
signals: {quick: {kind: share_below, metric: http_server_request_duration_seconds, bound: BOUND}}
phases: [{share: 100%, hold: 1d}]
"""


def test_a_bound_that_is_no_bucket_counts_nothing_and_is_an_error(scraped: Callable[..., Prometheus]) -> None:
    """A share below it would be 0 % for ever, whatever the service does."""
    client = scraped(shop_v1=OPEN_TELEMETRY, shop_v2=OPEN_TELEMETRY)
    assert states(BELOW.replace("BOUND", "100ms"), client) == {"ok"}
    (state,) = states(BELOW.replace("BOUND", "300ms"), client) - {"ok"}
    assert state.startswith("error ")
    assert "accepts no value that 'le' can have; it is +Inf, 0.1" in state
