"""OpenSLO v1 documents as the beginning of a spec: those of other tools, and Bascule's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.discover import propose_from_slos
from bascule.errors import UsageError
from bascule.generate import generate
from bascule.slo import all_of, resolve
from bascule.spec import parse, starter_text


def metric(query: str, type: str = "Prometheus") -> str:
    return f"{{metricSource: {{type: {type}, spec: {{query: '{query}'}}}}}}"


def slo(name: str, indicator: str, objective: str, window: str = "28d") -> str:
    return f"""---
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: shop
  indicator: {{metadata: {{name: {name}}}, spec: {indicator}}}
  timeWindow: [{{duration: {window}, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{objective}]
"""


GOOD = metric('sum(rate(http_requests_total{code!~"5.."}[5m]))')
BAD = metric('sum(rate(http_requests_total{code=~"5.."}[5m]))')
ALL = metric("sum(rate(http_requests_total[5m]))")
QUANTILE = metric('histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket{job="shop"}[5m])))')


def proposed(tmp_path: Path, *documents: str) -> str:
    (tmp_path / "slos.yaml").write_text("".join(documents))
    return propose_from_slos([tmp_path / "slos.yaml"])


def test_ratios_and_quantiles_become_signals_with_the_same_objectives(tmp_path: Path) -> None:
    text = proposed(
        tmp_path,
        slo("served", f"{{ratioMetric: {{counter: true, good: {GOOD}, total: {ALL}}}}}", "{target: 0.999}"),
        slo("failed", f"{{ratioMetric: {{counter: true, bad: {BAD}, total: {ALL}}}}}", "{target: 0.99}", "7d"),
        slo("fast", f"{{thresholdMetric: {QUANTILE}}}", "{op: lte, value: 0.3, target: 0.99}"),
    )
    spec = parse(text)
    assert "not taken over" not in text
    assert [str(spec.signals["served"].numerator), str(spec.signals["served"].all_events)] == [
        'http_requests_total{code!~"5.."}',
        "http_requests_total",
    ]
    declared = {name: (sla.objective, sla.window / 86400) for name, sla in spec.slas.named.items()}
    assert declared == {"served": ("99.9%", 28), "failed": ("< 1%", 7), "fast": ("95% < 300ms", 28)}
    assert [round(each.budget, 9) for each in all_of(spec)] == [0.001, 0.01, 0.05]
    assert str(spec.signals["fast"].metric) == 'http_seconds{job="shop"}'


@pytest.mark.parametrize(
    ("indicator", "objective", "why"),
    [
        (f"{{ratioMetric: {{good: {GOOD}}}}}", "{target: 0.9}", "no counts of all events"),
        (f"{{ratioMetric: {{good: {metric('a_total / b_total')}, total: {ALL}}}}}", "{target: 0.9}", "reads 2 metrics"),
        (f"{{ratioMetric: {{good: {metric('sum(')}, total: {ALL}}}}}", "{target: 0.9}", "no PromQL"),
        (f"{{ratioMetric: {{good: {metric('x', 'Datadog')}, total: {ALL}}}}}", "{target: 0.9}", "in Datadog"),
        (f"{{thresholdMetric: {metric('avg(seconds)')}}}", "{op: lte, value: 1}", "only a quantile"),
        (f"{{thresholdMetric: {QUANTILE}}}", "{op: gt, value: 1}", "only a quantile"),
        (f"{{ratioMetric: {{good: {GOOD}, total: {ALL}}}}}", "{target: 0.9}, {target: 0.99}", "2 objectives"),
        ("{}", "{target: 0.9}", "neither a ratio nor a threshold"),
        (f"{{ratioMetric: {{good: {GOOD}, total: {ALL}}}}}", "{}", "not written as OpenSLO v1 has it"),
    ],
)
def test_what_cannot_be_counted_is_left_out_with_the_reason(
    indicator: str, objective: str, why: str, tmp_path: Path
) -> None:
    text = proposed(tmp_path, slo("odd", indicator, objective))
    assert f"# not taken over: odd: {why}" in text or why in next(line for line in text.splitlines() if "odd" in line)
    assert parse(text).signals == {}


@pytest.mark.parametrize("text", ["", "a: b\n", "apiVersion: openslo/v1\nkind: Service\n", "x: [\n"])
def test_a_file_without_slos_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        proposed(tmp_path, text)


def test_what_bascule_writes_itself_can_be_read_again(tmp_path: Path) -> None:
    own = starter_text() + "slas: {error_rate: {objective: '< 1%', window: 24h}}\n"
    spec = parse(proposed(tmp_path, generate(parse(own))["openslo/slos.yml"]))
    (name,) = spec.slas.named
    assert round(resolve(spec, name).budget, 9) == 0.01
