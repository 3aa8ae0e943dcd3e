"""A span of seconds on a Prometheus that scrapes, as at the end of a demo."""

from __future__ import annotations

import time

import pytest

from bascule.sla import JournalSpan, evaluate, render_html, render_json
from bascule.spec import load

pytestmark = pytest.mark.integration


def exposition(requests: int, errors: int) -> str:
    labels = 'version="v1",endpoint="/match",method="POST",user_segment="freemium",partner="none"'
    place = 'version="v1",endpoint="/match",method="POST",user_segment="freemium"'
    return (
        f'http_requests_total{{{labels},status="200"}} {requests - errors}\n'
        f'http_requests_total{{{labels},status="503"}} {errors}\n'
        f'http_request_duration_seconds_bucket{{{place},le="0.05"}} {requests * 9 // 10}\n'
        f'http_request_duration_seconds_bucket{{{place},le="0.1"}} {requests}\n'
        f'http_request_duration_seconds_bucket{{{place},le="+Inf"}} {requests}\n'
    )


def test_a_few_seconds_are_reported_with_what_they_cover_of_their_window(start_prometheus, metrics_page, eventually):
    page = metrics_page()
    page.text = exposition(1000, 0)
    server = start_prometheus(scrape={"supersmartmatch-v1": [page.target]}, interval="1s")
    eventually(lambda: server.client.scalar("http_requests_total{status='200'}") == 1000)
    started = time.time()
    page.text = exposition(3000, 60)
    eventually(lambda: server.client.scalar("http_requests_total{status='503'}") == 60)
    eventually(lambda: time.time() > started + 3)
    report = evaluate(load("supersmartmatch"), server.client, started, time.time(), journal=JournalSpan(True))
    by_name = {objective.name: objective for objective in report.objectives}
    errors = by_name["error_rate"].whole.current
    assert (errors.total, errors.bad) == (2000, 60)
    assert by_name["error_rate"].outcome == "FAIL"
    assert by_name["response_time"].whole.current.value == pytest.approx(0.075)
    availability = by_name["availability"]
    (service,) = [row for row in availability.rows if row.name == "supersmartmatch-v1"]
    assert service.assessment.outcome == "PASS"
    assert availability.outcome == "NO DATA"  # the other services were never scraped
    assert availability.covered < 60 < availability.wanted
    assert "never_scraped" in [note.key for note in report.notes]
    assert "of 30\u202fd" in render_html(report)
    assert render_json(report)
