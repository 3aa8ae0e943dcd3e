"""Coverage is read from what is generated: nothing is called covered because a list says so."""

from __future__ import annotations

import json

import pytest

from bascule.conventions import RuleGroup
from bascule.coverage import Place, coverage, places, share_covered
from bascule.generate.grafana.dashboards import grafana_files
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.generate.prometheus.rules import Group
from bascule.spec import built_in_text, load, parse


@pytest.fixture(scope="module")
def built_in():
    return coverage(load("supersmartmatch"))


def of(found, name):
    return next(each for each in found if each.metric.name == name)


def test_every_metric_of_the_built_in_spec_is_covered(built_in):
    assert [(each.metric.name, each.missing) for each in built_in if each.missing] == []
    assert share_covered(built_in) == 1


def test_an_alert_that_reads_a_rule_of_a_rule_watches_the_metric_below(built_in):
    """V2ErrorSpike reads the mix-adjusted difference, which rests on the errors of each version."""
    assert "V2ErrorSpike" in of(built_in, "error rate comparison").places[Place.ALERTED]
    assert "SegmentAccuracyLow" in of(built_in, "accuracy of enterprise").places[Place.ALERTED]
    assert "SegmentAccuracyLow" not in of(built_in, "errors of api_partners").places[Place.ALERTED]


def test_a_metric_whose_part_the_spec_does_not_have_is_not_applicable(built_in):
    postgres = of(built_in, "PostgreSQL connections")
    assert not postgres.applies
    assert postgres.metric.absent == "postgres"
    text = built_in_text().replace("\nprobes:", '\n  db: {kind: postgres, targets: ["127.0.0.1:9187"]}\n\nprobes:', 1)
    assert of(coverage(parse(text)), "PostgreSQL connections").is_covered


def without_panel(title):
    def files(spec):
        kept = {}
        for name, text in grafana_files(spec).items():
            board = json.loads(text) if name.endswith(".json") else {"panels": []}
            kept[name] = json.dumps({**board, "panels": [p for p in board["panels"] if p.get("title") != title]})
        return kept

    return files


def test_a_panel_that_is_taken_away_is_missing(monkeypatch):
    monkeypatch.setattr(places, "grafana_files", without_panel("Unique users"))
    assert of(coverage(load("supersmartmatch")), "unique users by version").missing == ["shown"]


def test_an_alert_that_is_taken_away_is_missing_though_missing_data_is_told(monkeypatch):
    def groups(spec):
        kept = []
        for group in rule_groups(spec):
            rules = tuple(rule for rule in group.rules if getattr(rule, "name", "") != "CacheHitRateLow")
            kept.append(Group(group.name, rules, group.interval))
        assert any(group.name == RuleGroup.NO_DATA_ALERTS for group in kept)
        return kept

    monkeypatch.setattr(places, "rule_groups", groups)
    assert of(coverage(load("supersmartmatch")), "Redis hit ratio").missing == ["alerted or judged"]


def test_the_command_exits_1_and_says_what_is_missing(bascule, tmp_path):
    spec = tmp_path / "shop.yaml"
    spec.write_text(built_in_text().replace("  availability:  {objective: 99.9%, window: 30d}\n", ""))
    done = bascule("coverage", spec)
    assert done.returncode == 1
    assert "missing: service availability: reported" in done.stdout
    assert json.loads(bascule("coverage", spec, "--json").stdout)["covered"] < 1
