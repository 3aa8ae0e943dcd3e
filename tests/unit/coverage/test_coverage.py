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


def test_a_rule_of_another_signal_or_meaning_watches_nothing(built_in):
    """Each signal's events are recorded under one name; AccuracyDegraded asks for those of the accuracy."""
    fallback = of(built_in, "fallback answers")
    assert fallback.places[Place.ALERTED] == []
    assert fallback.places[Place.JUDGED] == ["compared"]
    shown = of(built_in, "Redis up").places[Place.SHOWN]
    assert "sla: availability: bad events" in shown
    assert "sla: accuracy: bad events" not in shown


def test_what_is_only_a_condition_of_an_alert_is_not_watched_by_it(built_in):
    """UnsuccessfulAnswersHigher needs enough requests; how many there are does not make it fire."""
    watching = of(built_in, "request rate").places[Place.ALERTED]
    assert "RequestRateHigh" in watching
    assert "UnsuccessfulAnswersHigher" not in watching


def with_panels(**narrowed):
    """Every panel's expression, with one text in the place of another."""

    def files(spec):
        old, new = narrowed["old"], narrowed["new"]
        return {
            name: text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
            for name, text in grafana_files(spec).items()
        }

    return files


def test_a_panel_of_one_version_or_of_another_service_does_not_show_the_metric(monkeypatch):
    one = with_panels(old='{version=~"$version"}', new='{version="v1"}')
    monkeypatch.setattr(places, "grafana_files", one)
    assert of(coverage(load("supersmartmatch")), "requests in flight").missing == ["shown"]
    other = with_panels(old="bascule:service_up", new='bascule:service_up{job="nginx"}')
    monkeypatch.setattr(places, "grafana_files", other)
    found = coverage(load("supersmartmatch"))
    assert "technical: Services" in of(found, "service nginx").places[Place.SHOWN]
    assert "technical: Services" not in of(found, "service redis").places[Place.SHOWN]


def test_a_metric_whose_name_is_a_part_of_anothers_is_not_shown_by_it(monkeypatch):
    longer = with_panels(old="redis_connected_clients", new="redis_connected_clients_max")
    monkeypatch.setattr(places, "grafana_files", longer)
    assert of(coverage(load("supersmartmatch")), "Redis connections").missing == ["shown"]


def test_no_metric_at_all_is_no_coverage():
    assert share_covered([]) == 0


def test_the_command_exits_1_and_says_what_is_missing(bascule, tmp_path):
    spec = tmp_path / "shop.yaml"
    spec.write_text(built_in_text().replace("  availability:  {objective: 99.9%, window: 30d}\n", ""))
    done = bascule("coverage", spec)
    assert done.returncode == 1
    assert "missing: service availability: reported" in done.stdout
    assert json.loads(bascule("coverage", spec, "--json").stdout)["covered"] < 1
