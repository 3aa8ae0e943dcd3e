"""Services without metrics, and health addresses: what may be written, and what follows from it everywhere."""

from __future__ import annotations

import judge_house as house
import pytest
import yaml

from bascule.errors import SpecError
from bascule.generate import generate
from bascule.promql import watched
from bascule.spec import parse
from bascule.spec.slas import services_counted

V2 = '{targets: ["127.0.0.1:8002"], version: v2}'


def with_v2(keys: str):
    return parse(house.SPEC.replace(V2, V2.replace("version: v2", f"version: v2, {keys}")))


@pytest.mark.parametrize(
    ("keys", "page"),
    [
        ("metrics: none", None),
        ("metrics: /stats", "/stats"),
        ("metrics: {path: /stats}", "/stats"),
        ("metrics_path: /stats", "/stats"),
        ("health: /ready", "/metrics"),
    ],
)
def test_where_a_services_metrics_are(keys, page):
    assert with_v2(keys).services["shop-v2"].page == page


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("metrics: no", "services.shop-v2.metrics: False is not a path of metrics"),
        ("metrics: stats", "'stats' is not a path of metrics (write a path such as /metrics, or none)"),
        ("metrics: {page: /x}", "is not a path of metrics"),
        ("health: ready", "'ready' is not a health address"),
        ("metrics: none, metrics_path: /x", "'metrics' and 'metrics_path' mean the same"),
        ("metrics: none, kind: node", "a service of kind node has only metrics (remove metrics: none)"),
    ],
)
def test_what_is_written_wrong_is_told(keys, told):
    with pytest.raises(SpecError) as refused:
        with_v2(keys)
    assert told in str(refused.value)


def test_a_service_without_metrics_is_there_when_its_health_address_answers():
    spec = with_v2("metrics: none, health: /ready")
    assert watched(spec) == {"shop-v1": "up", "shop-v2": "probe_success"}
    assert services_counted(spec) == ("shop-v1", "shop-v2")
    jobs = jobs_of(spec)
    assert jobs["shop-v2"]["metrics_path"] == "/probe"
    assert jobs["shop-v2"]["static_configs"] == [
        {"targets": ["http://127.0.0.1:8002/ready"], "labels": {"instance": "127.0.0.1:8002"}}
    ]


def test_a_service_with_metrics_and_health_is_looked_at_twice_and_counted_once():
    spec = with_v2("health: /ready")
    assert watched(spec) == {"shop-v1": "up", "shop-v2": "up", "health-shop-v2": "probe_success"}
    assert services_counted(spec) == ("shop-v1", "shop-v2")
    assert {"shop-v2", "health-shop-v2"} <= set(jobs_of(spec))


def test_a_service_with_neither_is_not_watched():
    spec = with_v2("metrics: none")
    assert watched(spec) == {"shop-v1": "up"}
    assert services_counted(spec) == ("shop-v1",)
    assert "shop-v2" not in jobs_of(spec)


def jobs_of(spec):
    return {
        job["job_name"]: job for job in yaml.safe_load(generate(spec)["prometheus/prometheus.yml"])["scrape_configs"]
    }


def test_alerts_about_a_version_are_about_its_services_where_these_are_all_of_them():
    second = "  second-v2: {targets: ['127.0.0.1:8012'], version: v2}\n"
    spec = parse(house.SPEC.replace("services:\n", f"services:\n{second}", 1))
    assert spec.labels_about(["shop-v2"]) == {"job": ["shop-v2", "health-shop-v2"]}
    assert spec.labels_about(["shop-v2", "second-v2"])["version"] == ["v2"]
    assert spec.labels_about([]) == {}
