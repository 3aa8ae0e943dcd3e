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


RATIO = f"{{ratioMetric: {{good: {GOOD}, total: {ALL}}}}}"


@pytest.mark.parametrize("target", ["1", "2", ".nan", "1" + "0" * 310, "-1"])
def test_an_objective_that_no_spec_can_hold_is_left_out_with_the_reason(target: str, tmp_path: Path) -> None:
    text = proposed(tmp_path, slo("odd", RATIO, f"{{target: {target}}}"), slo("served", RATIO, "{target: 0.9}"))
    assert "# not taken over: odd: " in text
    assert list(parse(text).signals) == ["served"]


def test_a_document_without_a_name_is_left_out_and_stops_no_other(tmp_path: Path) -> None:
    odd = "apiVersion: openslo/v1\nkind: {}\nmetadata: [x]\n"
    documents = [f"---\n{odd.format(kind)}" for kind in ("SLO", "SLI")]
    text = proposed(tmp_path, *documents, slo("served", RATIO, "{target: 0.9}"))
    assert "# not taken over: slo-: it is not written as OpenSLO v1 has it" in text
    assert list(parse(text).signals) == ["served"]


def test_a_name_that_is_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too many digits"):
        proposed(tmp_path, slo("0x" + "f" * 5000, RATIO, "{target: 0.9}"))


@pytest.mark.parametrize("character", ["\\e", "\\x7f", "\\u2028", "\\u202e"])
def test_a_query_with_characters_that_nobody_sees_leaves_a_spec_that_can_be_read(
    character: str, tmp_path: Path
) -> None:
    counts = [f'sum(rate(a_total{{x="{character}"}}[5m]))', f'a_total{{x="{character}"}} / b_total']
    queries = [query.replace('"', '\\"') for query in counts]
    good = [f'{{metricSource: {{type: Prometheus, spec: {{query: "{query}"}}}}}}' for query in queries]
    ratios = [f"{{ratioMetric: {{good: {each}, total: {ALL}}}}}" for each in good]
    text = proposed(tmp_path, *(slo(f"s{n}", ratio, "{target: 0.9}") for n, ratio in enumerate(ratios)))
    assert "# not taken over: s1: its query reads 2 metrics" in text
    assert text.isascii()
    assert set(parse(text).signals) <= {"s0"}


def test_of_two_slos_of_one_name_the_second_is_left_out_with_the_reason(tmp_path: Path) -> None:
    text = proposed(tmp_path, slo("a b", RATIO, "{target: 0.9}"), slo("a-b", RATIO, "{target: 0.99}"))
    assert "# not taken over: a-b: another SLO before it has this name" in text
    assert parse(text).slas.named["a-b"].objective == "90%"


@pytest.mark.parametrize("text", ["", "a: b\n", "apiVersion: openslo/v1\nkind: Service\n", "x: [\n"])
def test_a_file_without_slos_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        proposed(tmp_path, text)


def test_what_bascule_writes_itself_can_be_read_again(tmp_path: Path) -> None:
    own = starter_text() + "slas: {error_rate: {objective: '< 1%', window: 24h}}\n"
    spec = parse(proposed(tmp_path, generate(parse(own))["openslo/slos.yml"]))
    (name,) = spec.slas.named
    assert round(resolve(spec, name).budget, 9) == 0.01
