"""What proves a selector: labels that exist, and values that they can have, as each library writes them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bascule.prometheus import Sample
from bascule.promql import unproven
from bascule.spec import parse

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{label: version, baseline: v1, candidate: v2}}
services: {{shop: {{targets: ["127.0.0.1:1"]}}}}
signals: {{errors: {{kind: ratio, bad: 'handled_total{{{matcher}}}', total: handled_total, better: lower}}}}
phases: [{{share: 50%, hold: 1h}}, {{share: 100%, hold: 1h}}]
"""


class Exports:
    """A Prometheus with one series, which never was an error."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        return [Sample({"version": "v2", **self._labels}, 1.0, 0.0)]


@pytest.mark.parametrize(
    ("matcher", "label", "good"),
    [
        ('grpc_code="Internal"', "grpc_code", "OK"),  # go-grpc-middleware
        ('grpc_code=~"INTERNAL|DEADLINE_EXCEEDED"', "grpc_code", "OK"),  # py-grpc-prometheus
        ('grpc_status!~"0"', "grpc_status", "0"),
        ('response_code="0"', "response_code", "200"),  # Envoy: nothing was answered
        ('code=~"5.."', "code", "2xx"),
        ('success!="true"', "success", "true"),
    ],
)
def test_a_value_that_may_come_later_is_a_proven_zero(matcher: str, label: str, good: str) -> None:
    assert unproven(parse(SPEC.format(matcher=matcher)), "errors", "v2", Exports(**{label: good})) == ()


@pytest.mark.parametrize(
    ("matcher", "label", "good"),
    [
        ('grpc_code="internal"', "grpc_code", "OK"),
        ('status="5xx"', "status", "200"),
        ('status=~"5.."', "code", "200"),
        ('success="false"', "success", "True"),
    ],
)
def test_a_value_that_never_comes_proves_nothing(matcher: str, label: str, good: str) -> None:
    (found,) = unproven(parse(SPEC.format(matcher=matcher)), "errors", "v2", Exports(**{label: good}))
    assert found.key == "bad"


SPLIT = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{label: version, baseline: v1, candidate: v2}}
segments: {{label: plan, named: {{free: {{}}, paid: {{}}}}}}
services: {{shop: {{targets: ["127.0.0.1:1"]}}}}
signals: {{errors: {{kind: ratio, bad: exceptions_total, total: handled_total, better: lower{strata}}}}}
phases: [{{share: 50%, hold: 1h}}, {{share: 100%, hold: 1h}}]
"""


class ByMetric:
    """A Prometheus with one series of each of these metrics."""

    def __init__(self, **labels: Mapping[str, str]) -> None:
        self._labels = labels

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        return [Sample(own, 1.0, 0.0) for name, own in self._labels.items() if name in expression]


def test_failures_that_name_no_segment_prove_nothing_where_the_requests_do() -> None:
    there = ByMetric(exceptions_total={"version": "v2"}, handled_total={"version": "v2", "plan": "free"})
    (found,) = unproven(parse(SPLIT.format(strata="")), "errors", "v2", there)
    assert found.key == "bad"
    assert "exceptions_total have no label 'plan', and those of handled_total have it" in found.why
    assert unproven(parse(SPLIT.format(strata=", strata: []")), "errors", "v2", there) == ()


def test_a_service_that_knows_no_segments_at_all_needs_none_on_its_failures() -> None:
    there = ByMetric(exceptions_total={"version": "v2"}, handled_total={"version": "v2"})
    assert unproven(parse(SPLIT.format(strata="")), "errors", "v2", there) == ()
