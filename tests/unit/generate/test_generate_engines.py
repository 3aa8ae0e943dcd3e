"""What is generated for other engines than one Prometheus: VictoriaMetrics' vmalert, and several replicas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from bascule.conventions import Engine
from bascule.generate import generate
from bascule.promql import vector_selectors
from bascule.spec import BUILT_IN, Spec, load
from bascule.spec.model import PrometheusPart

FOLDER, ONCE = "victoriametrics/", "max without (replica) ("


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load(BUILT_IN)


def groups(files: Mapping[str, str], folder: str) -> Iterator[dict[str, Any]]:
    for name, text in files.items():
        if name.startswith(f"{folder}rules/"):
            yield from yaml.load(text, yaml.CSafeLoader)["groups"]


def alerts(files: Mapping[str, str], folder: str) -> list[dict[str, Any]]:
    return [rule for group in groups(files, folder) for rule in group["rules"] if "alert" in rule]


def test_vmalert_gets_every_alert_without_what_it_does_not_know(spec: Spec) -> None:
    files = generate(spec, Engine.VICTORIAMETRICS)
    ours, theirs = alerts(files, FOLDER), alerts(files, "prometheus/")
    assert [each["alert"] for each in ours] == [each["alert"] for each in theirs]
    assert any("keep_firing_for" in each for each in theirs)
    assert not any("keep_firing_for" in each for each in ours)
    for own, other in zip(ours, theirs, strict=True):
        kept = other.pop("keep_firing_for", None)
        assert (own["expr"] == other["expr"]) == (kept is None)
        assert {**own, "expr": ""} == {**other, "expr": ""}
        assert kept is None or f"[{kept}]" in own["expr"]


def test_every_group_says_how_often_it_is_evaluated(spec: Spec) -> None:
    """vmalert takes a minute otherwise."""
    assert all("interval" in group for group in groups(generate(spec, Engine.VICTORIAMETRICS), FOLDER))


def test_what_holds_an_alert_has_a_name_of_its_own(spec: Spec) -> None:
    files = generate(spec, Engine.VICTORIAMETRICS)
    recorded = [rule["record"] for group in groups(files, FOLDER) for rule in group["rules"] if "record" in rule]
    conditions = [name for name in recorded if name.endswith(":condition")]
    assert len(conditions) == len(set(conditions)) > 3


def test_its_scraper_gets_the_jobs_alone(spec: Spec) -> None:
    files = generate(spec, Engine.VICTORIAMETRICS)
    ours, theirs = (yaml.safe_load(files[name]) for name in (f"{FOLDER}scrape.yml", "prometheus/prometheus.yml"))
    assert set(ours) == {"global", "scrape_configs"}
    assert ours["scrape_configs"] == theirs["scrape_configs"]


def test_for_prometheus_nothing_of_it_is_written(spec: Spec) -> None:
    assert not any(name.startswith(FOLDER) for name in generate(spec))


def test_with_replicas_every_rule_and_panel_reads_a_series_once(spec: Spec) -> None:
    files = generate(spec.model_copy(update={"prometheus": PrometheusPart(replica_label="replica")}))
    rules = [rule["expr"] for group in groups(files, "prometheus/") for rule in group["rules"]]
    assert [each for each in (*rules, *drawn(files)) if ONCE not in each and has_series(each)] == []
    config = yaml.safe_load(files["prometheus/prometheus.yml"])
    assert config["alerting"]["alert_relabel_configs"] == [{"action": "labeldrop", "regex": "replica"}]


def has_series(expression: str) -> bool:
    return any(vector_selectors(re.sub(r"\$\w+", "5m", expression)))


def drawn(files: Mapping[str, str]) -> list[str]:
    """The queries of all panels."""
    boards = (
        json.loads(text) for name, text in files.items() if name.startswith("grafana/") and name.endswith(".json")
    )
    panels = [panel for board in boards for panel in board["panels"]]
    return [target["expr"] for panel in panels for target in panel.get("targets", []) if target.get("expr")]


def test_without_them_no_label_is_taken_away(spec: Spec) -> None:
    files = generate(spec)
    assert len(drawn(files)) > 20
    assert not [each for each in drawn(files) if ONCE in each]
    assert "alert_relabel_configs" not in files["prometheus/prometheus.yml"]
