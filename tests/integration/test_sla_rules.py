"""A day read from recording rules that the real promtool backfilled: the figures of the raw series, at a minute."""

from __future__ import annotations

import json

import pytest
import sla_truth
import sla_world

from bascule.sla import evaluate
from bascule.spec import parse
from bascule.spec.growth import growth_rules

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world():
    return sla_world.build(seed=2, start=1767222000.0, days=1, interval=60)


@pytest.fixture(scope="module")
def prometheus(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    world.write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        sla_truth.backfill_rules(client, parse(sla_world.SPEC), world, folder, folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


@pytest.fixture(scope="module")
def report(world, prometheus):
    start, end = world.times[0] - world.interval, world.times[-1]
    return evaluate(parse(sla_world.SPEC), prometheus, start, end, journal=sla_truth.journal_of(world))


def test_the_report_says_that_it_was_read_from_rules(report):
    assert {objective.name: objective.source for objective in report.objectives} == {
        "availability": "raw",
        "response_time": "mixed",
        "accuracy": "mixed",
        "error_rate": "mixed",
    }


def test_figures_from_rules_equal_the_truth_within_one_scrape(world, report):
    """A failure that is new within the minute of a restart may be missed: backfilled series are not marked stale."""
    for objective in report.objectives[1:]:
        judged = {"version": "v2"} if objective.gain else {}
        parts = [(objective.promise, judged, objective.whole.current)]
        for row in objective.rows:
            narrowed = sla_truth.where(row) | (judged if row.dimension != "version" else {})
            parts.append((row.promise, narrowed, row.assessment.current))
        for promise, where, ours in parts:
            truth = sla_truth.Truth(world, promise, where).over(ours.start, ours.end)
            scrape = truth.total / len(world.times)
            assert ours.total == pytest.approx(truth.total, abs=scrape)
            assert ours.good == pytest.approx(truth.good, abs=scrape)
            assert ours.value == pytest.approx(truth.value, abs=1 / len(world.times))


def test_nearly_every_figure_is_exact_even_so(world, report):
    check = sla_truth.differences(report, world)
    assert len(check.wrong) < 0.1 * check.figures


def test_every_rule_is_one_that_prometheus_takes(tmp_path):
    rules = [{"record": rule.record, "expr": rule.expr} for rule in growth_rules(parse(sla_world.SPEC))]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "sla-growth.rules", "rules": rules}]}))
    assert f"{len(rules)} rules found" in sla_truth.promtool("check", "rules", str(tmp_path / "rules.yml"))
