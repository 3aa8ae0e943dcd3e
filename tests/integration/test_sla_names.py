"""Versions that stand in the metrics' names: two series that differ in nothing else are two series."""

from __future__ import annotations

import pytest

from bascule.sla import JournalSpan, evaluate
from bascule.spec import parse

pytestmark = pytest.mark.integration
SPEC = r"""
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: old, candidate: new, select: {old: '__name__=~"shop_v1_.+"', new: '__name__=~"shop_v2_.+"'}}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  errors: {kind: ratio, bad: '{__name__=~"shop_(v1|v2)_requests_total",status="500"}',
           total: '{__name__=~"shop_(v1|v2)_requests_total"}', better: lower}
  latency: {kind: histogram, metric: '{__name__=~"shop_(v1|v2)_seconds"}', better: lower}
phases: [{share: 50%, hold: 1h}]
slas:
  error_rate: {objective: "< 1%", window: 1h}
  latency: {objective: "95% < 100ms", window: 1h}
"""


def exposition(served: int, failed: int) -> str:
    lines = []
    for version, errors in (("v1", 0), ("v2", failed)):
        lines.append(f'shop_{version}_requests_total{{status="200"}} {served - errors}')
        lines.append(f'shop_{version}_requests_total{{status="500"}} {errors}')
        lines.append(f'shop_{version}_seconds_bucket{{le="0.1"}} {served - errors}')
        lines.append(f'shop_{version}_seconds_bucket{{le="+Inf"}} {served}')
    return "\n".join(lines) + "\n"


def test_versions_are_told_apart_by_the_names_of_their_metrics(start_prometheus, metrics_page, eventually):
    page = metrics_page()
    page.text = exposition(100, 0)
    server = start_prometheus(scrape={"shop": [page.target]}, interval="1s")
    eventually(lambda: server.client.scalar('shop_v2_requests_total{status="200"}') == 100)
    started = server.client.instant("time()")[0].value
    page.text = exposition(600, 50)
    eventually(lambda: server.client.scalar('shop_v2_requests_total{status="500"}') == 50)
    ended = server.client.instant("time()")[0].value + 1
    report = evaluate(parse(SPEC), server.client, started, ended, journal=JournalSpan(True))
    by_name = {objective.name: objective for objective in report.objectives}
    assert (by_name["error_rate"].whole.current.total, by_name["error_rate"].whole.current.bad) == (1000, 50)
    versions = {row.name: row.assessment.current for row in by_name["error_rate"].rows if row.dimension == "version"}
    assert {name: (figure.total, figure.bad) for name, figure in versions.items()} == {
        "old": (500, 0),
        "new": (500, 50),
    }
    assert by_name["latency"].whole.current.total == 1000
