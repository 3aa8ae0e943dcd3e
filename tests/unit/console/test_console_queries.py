"""The PromQL behind the page."""

from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.console import queries
from bascule.spec import Spec, load, parse

SPEC = load("supersmartmatch")
SELECTED = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: old, candidate: new, select: {old: 'job="shop-old"', new: 'job="shop-new"'}}
services: {shop-old: {targets: ["127.0.0.1:8001"], version: old}}
signals:
  heat: {kind: gauge, metric: cpu_temperature, better: lower}
  errors: {kind: ratio, bad: 'requests{code=~"5.."}', total: requests, better: lower}
phases: [{share: 100%, hold: 1d}]
"""


def expressions(spec: Spec) -> list[str]:
    found = [queries.share_by_segment(spec), queries.share_total(spec), queries.planned_by_segment(spec)]
    found += [queries.HEALTH, queries.HEALTH_TIMES, queries.COVERED, queries.down_seconds(spec, ["a", "b-c"])]
    for name in spec.signals:
        for segment in (*spec.segments.named, "all"):
            found += [queries.values(spec, name, segment, version) for version in spec.versions.both]
            found += queries.judged(name, segment).values()
    return found


@pytest.mark.parametrize("spec", [SPEC, parse(SELECTED)], ids=["label", "select"])
def test_every_query_is_promql(spec: Spec) -> None:
    for expression in expressions(spec):
        promql_parser.parse(expression)


def test_versions_told_apart_by_matchers_are_asked_for_by_them() -> None:
    spec = parse(SELECTED)
    assert 'job="shop-new"' in queries.values(spec, "errors", "gold", "new")
    assert 'rate(requests{job="shop-new"}' in queries.rate_by_segment(spec, "new")


def test_traffic_is_requests_although_accuracy_is_declared_first() -> None:
    """The first counter of the spec would make it the share of matches."""
    accuracy = "  accuracy: {kind: ratio, good: 'matches{ok=\"1\"}', total: matches, better: higher}\n"
    spec = parse(SELECTED.replace("  heat:", accuracy + "  heat:"))
    assert "rate(requests{" in queries.share_total(spec)
    assert "matches" not in queries.share_total(spec) + queries.share_by_segment(spec)


@given(st.text(min_size=1))
def test_a_segment_of_any_name_stays_inside_its_quotes(segment: str) -> None:
    tree = promql_parser.parse(queries.values(SPEC, "latency", segment, "v2"))
    assert isinstance(tree, promql_parser.BinaryExpr)
    assert isinstance(tree.lhs, promql_parser.Call)


def test_over_all_segments_a_course_is_the_judges_own_since_a_pooled_rate_would_mislead() -> None:
    assert queries.values(SPEC, "errors", "all", "v2").startswith("bascule_signal_value{")


def test_a_window_holds_several_scrapes_and_never_less_than_a_charts_step() -> None:
    assert queries.window(SPEC) == "10s"
    assert queries.window(SPEC, step=600) == "10m"


def test_a_share_is_not_taken_for_zero_when_the_version_is_down() -> None:
    assert 'sum(up{job=~"supersmartmatch-v2"}) > 0' in queries.share_by_segment(SPEC)
    assert "up{" not in queries.share_by_segment(parse(SELECTED.replace(", version: old", "")))
