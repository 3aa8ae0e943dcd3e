"""What `verify` asks, and how it explains an empty answer."""

from __future__ import annotations

import json

import pytest

from bascule.discover.verify import Asked, expressions, producer, selectors_of

BOARD = {
    "templating": {
        "list": [
            {"name": "version", "query": {"query": "label_values(http_requests_total, version)"}},
            {"name": "datasource", "query": "prometheus"},
        ]
    },
    "panels": [
        {
            "type": "row",
            "panels": [
                {
                    "title": "Errors",
                    "targets": [{"refId": "A", "expr": 'sum(rate(x{version=~"$version"}[$__rate_interval]))'}],
                }
            ],
        },
        {"title": "Text"},
        {
            "title": "Range",
            "targets": [{"refId": "B", "expr": 'avg_over_time(y{version="${version:regex}"}[$__range])'}],
        },
    ],
}
RULES = """
groups:
- name: g
  rules:
  - {record: "a:b:c", expr: sum(x)}
  - {alert: Bad, expr: "a:b:c > 1"}
"""


def test_every_expression_is_found_with_grafanas_variables_filled_in():
    """Rules, alerts, variables, panels and those of folded rows."""
    files = {"prometheus/rules/r.yml": RULES, "grafana/dashboards/d.json": json.dumps(BOARD), "logstash/p.conf": "x"}
    assert list(expressions(files)) == [
        Asked("prometheus/rules/r.yml: record a:b:c", "sum(x)"),
        Asked("prometheus/rules/r.yml: alert Bad", "a:b:c > 1", is_alert=True),
        Asked("grafana/dashboards/d.json: variable version", "http_requests_total"),
        Asked("grafana/dashboards/d.json: panel 'Errors' A", 'sum(rate(x{version=~".*"}[5m]))'),
        Asked("grafana/dashboards/d.json: panel 'Range' B", 'avg_over_time(y{version=~".*"}[1h])'),
    ]


@pytest.mark.parametrize(
    ("expression", "selectors"),
    [
        ('rate(x{a="}"}[5m] offset 1m) / on (b) -y > 3', ['x{a="}"}', "y{}"]),
        ("max_over_time((x + 1)[5m:1m]) or x", ["x{}"]),
        ('topk(3, {__name__=~"a.*"})', ['{__name__=~"a.*"}']),
        ("label_replace(vector(1), 'a', 'b', '', '')", []),
    ],
)
def test_the_selectors_of_an_expression_are_found_wherever_they_stand(expression, selectors):
    """Inside calls, subqueries and operands."""
    assert [each if each.endswith("}") else each + "{}" for each in selectors_of(expression)] == selectors


@pytest.mark.parametrize(
    ("metric", "who"),
    [
        ("bascule_verdict", "the role judge"),
        ("bascule_log_response_time_seconds_bucket", "the role logs"),
        ("http_requests_total", "the services, through bascule.instrument"),
        ("redis_memory_used_bytes", "the redis exporter"),
        ("shop_orders_total", "a service"),
    ],
)
def test_a_missing_series_is_told_with_what_makes_it(metric, who):
    """So that the reader knows what to start."""
    assert producer(metric) == who
