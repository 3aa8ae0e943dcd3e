"""`bascule check --prometheus` beside a real Prometheus: scrapes, their times, and what the signals match."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.spec import starter_text

pytestmark = pytest.mark.integration

REQUESTS = """\
# TYPE http_requests_total counter
http_requests_total{{version="{version}",status="200"}} 100
http_requests_total{{version="{version}",status="5xx"}} 3
# TYPE rating summary
rating_sum{{version="{version}"}} 400
rating_count{{version="{version}"}} 100
# TYPE value_total counter
value_total{{version="{version}"}} 400
"""
Check = Callable[..., Result]


@pytest.fixture
def check(
    tmp_path: Path,
    metrics_page: Callable[[], Any],
    start_prometheus: Callable[..., Any],
    eventually: Callable[..., object],
) -> Check:
    """Runs the command on the starter, with changes, and a Prometheus that scrapes its two services each second."""
    pages = {"shop-v1": metrics_page(), "shop-v2": metrics_page()}
    for name, page in pages.items():
        page.text = REQUESTS.format(version=name.removeprefix("shop-"))
    server = start_prometheus(scrape={name: [page.target] for name, page in pages.items()})
    eventually(lambda: len(server.client.instant("http_requests_total")) == 4, 30)

    def run(command: str = "check", pages_down: tuple[str, ...] = (), **changes: Any) -> Result:
        for name in pages_down:
            pages[name].up = False
            eventually(lambda name=name: server.client.scalar(f'up{{job="{name}"}}') == 0, 30)
        path = tmp_path / "bascule.yaml"
        stack = changes.get("stack", {}) | {"external": {"prometheus": server.url}}
        path.write_text(yaml.safe_dump(yaml.safe_load(starter_text()) | changes | {"stack": stack}))
        more = ["--prometheus", server.url] if command == "check" else []
        return CliRunner().invoke(app, [command, str(path), *more])

    return run


def signal(bad: str) -> dict[str, Any]:
    return {"errors": {"kind": "ratio", "bad": bad, "total": "http_requests_total", "better": "lower"}}


def test_a_server_that_does_what_the_spec_says_agrees(check: Check) -> None:
    result = check(signals=signal('http_requests_total{status="5xx"}'))
    assert (result.exit_code, "agrees with the spec" in result.output) == (0, True), result.output


def test_other_times_of_scrapes_are_named_with_what_to_write(check: Check) -> None:
    result = check(stack={"scrape": {"interval": "15s", "timeout": "10s"}})
    assert result.exit_code == 1
    said = "the spec says 15s, this Prometheus has 1s for shop-v1, shop-v2 (write `interval: 1s`"
    assert f"stack.scrape.interval: {said}" in result.output
    assert "stack.scrape.timeout: the spec says 10s, this Prometheus has 500ms" in result.output


def test_services_that_are_not_scraped_or_fail_are_named_with_the_reason(check: Check) -> None:
    services = yaml.safe_load(starter_text())["services"] | {"cart": {"targets": ["127.0.0.1:1"]}}
    result = check(pages_down=("shop-v2",), services=services)
    assert result.exit_code == 1
    assert "services.cart: no scrape job 'cart'" in result.output
    assert "fails: server returned HTTP status 503" in result.output


def test_a_selector_that_matches_nothing_is_answered_with_the_values_there_are(check: Check) -> None:
    """It can be right: no such request may have failed yet."""
    result = check(signals=signal('http_requests_total{status=~"5.."}'))
    assert result.exit_code == 0
    assert "signals.errors.bad of v1" not in result.output
    assert check(signals=signal('http_requests_total{status="503"}')).exit_code == 0  # it may never have come


def test_a_mean_that_will_never_be_compared_is_told_before_anybody_waits_for_it(check: Check) -> None:
    """By what its server exports; and by the spec alone where that says enough."""
    rating = {"kind": "mean", "sum": "rating_sum", "count": "rating_count", "better": "higher"}
    result = check(signals=signal('http_requests_total{status="5xx"}') | {"rating": rating})
    assert result.exit_code == 1
    assert 'signals.rating: v2 has no rating_bucket{version="v2"}: how much the values scatter' in result.output
    value = rating | {"sum": "value_total"}
    result = check(signals=signal('http_requests_total{status="5xx"}') | {"value": value})
    assert "warning: it is never compared: how much its values scatter is unknown" in result.output


CANNOT_MATCH = {
    'http_requests_total{status_code=~"5.."}': "no label 'status_code'; they have instance, job, status, version",
    'http_requests_total{status="5XX"}': "accepts no value that 'status' can have; it is 200, 5xx",
    "request_errors_total": "there are no series of request_errors_total",
    "scrape_duration_seconds": "the series of scrape_duration_seconds have no label 'version'",
}


def test_a_selector_that_cannot_match_differs_with_what_exists_instead(check: Check) -> None:
    """By `check`, and by `doctor`."""
    for bad, why in CANNOT_MATCH.items():
        result = check(signals=signal(bad))
        assert result.exit_code == 1
        assert "error: spec: signals.errors.bad of v2" in result.output
        assert why in result.output
        assert why in " ".join(check("doctor", signals=signal(bad)).output.split())


def test_doctor_compares_with_the_prometheus_that_runs_elsewhere(check: Check) -> None:
    assert "scrapes the services as the spec says" in check("doctor").output
    result = check("doctor", stack={"scrape": {"interval": "15s", "timeout": "10s"}})
    assert result.exit_code == 1
    assert "missing   stack.scrape.interval: the spec says 15s, this Prometheus has 1s" in result.output


def test_doctor_prints_the_jobs_and_the_rules_that_a_prometheus_beside_it_lacks(check: Check) -> None:
    """The lines are what its configuration takes."""
    output = check("doctor", signals=signal('http_requests_total{status="5xx"}')).output
    lines = [line.strip() for line in output.splitlines() if line.strip().startswith("- {job_name: bascule-")]
    jobs = {job["job_name"] for line in lines for job in yaml.safe_load(line)}
    assert jobs == {f"bascule-{role}" for role in ("incidents", "logs", "judge", "console", "supervisor")}
    assert "has none of Bascule's rules" in output
