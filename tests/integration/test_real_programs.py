"""The fixtures that other integration tests stand on."""

from __future__ import annotations

import pytest
import redis

pytestmark = pytest.mark.integration

RULES = """
groups:
  - name: test
    interval: 1s
    rules: [{alert: Low, expr: "level < 1", labels: {severity: critical}}]
"""


def test_an_alert_travels_from_a_page_through_prometheus_and_alertmanager_to_a_webhook(
    start_prometheus, start_alertmanager, webhook, metrics_page, eventually
):
    page = metrics_page("level 0\n")
    alertmanager = start_alertmanager(webhook=webhook.url)
    start_prometheus(scrape={"page": [page.target]}, rules={"rules.yml": RULES}, alertmanager=alertmanager.url)
    eventually(lambda: webhook.posts, 15)
    assert webhook.posts[0]["alerts"][0]["labels"]["alertname"] == "Low"


def test_history_is_loaded_before_prometheus_starts(start_prometheus):
    history = '# TYPE level gauge\nlevel{a="b"} 3 1700000000\nlevel{a="b"} 4 1700000060\n# EOF\n'
    prometheus = start_prometheus(openmetrics=history)
    assert prometheus.client.scalar('level{a="b"}', at=1700000061) == 4


def test_shared_servers_answer(prometheus_server, alertmanager_server, redis_server, eventually):
    eventually(lambda: prometheus_server.client.scalar("up") == 1)
    assert alertmanager_server.client.alerts() == []
    assert redis.Redis.from_url(redis_server.url).ping()


def test_a_killed_prometheus_comes_back_with_its_data(start_prometheus, eventually):
    prometheus = start_prometheus()
    eventually(lambda: prometheus.client.scalar("up") == 1)
    prometheus.kill()
    assert not prometheus.client.is_ready()
    prometheus.start()
    assert prometheus.client.is_ready()
