"""Several Prometheus with the same targets are read as one: expressions and raw samples."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import promql_parser
import pytest
import yaml

from bascule.prometheus import Matrix, Prometheus, labels_of, merged_expression
from bascule.prometheus.replicas import merged

GENERATED = Path(__file__).parents[3] / "examples" / "supersmartmatch" / "generated"


@pytest.mark.parametrize(
    ("expression", "read_once"),
    [
        ("up", "«up»"),
        ('sum by (job) (rate(x{a="b{["}[5m] offset 1m))', 'sum by (job) («rate(x{a="b{["}[5m] offset 1m)»)'),
        ("a / on (job) group_left (b) c > bool 1", "«a» / on (job) group_left (b) «c» > bool 1"),
        ("a - a offset 1m >= 0", "«a» - «a offset 1m» >= 0"),
        ("a unless ignoring (b) d @ 5 offset -2m", "«a» unless ignoring (b) «d @ 5 offset -2m»"),
        ("max_over_time(y[5m:1m] @ end())", "max_over_time(«y»[5m:1m] @ end())"),
        ("max_over_time(rate(x[1m])[5m:1m])", "max_over_time(«rate(x[1m])»[5m:1m])"),
        ("timestamp(up{a='b'}) - timestamp(sum(up))", "«timestamp(up{a='b'})» - timestamp(sum(«up»))"),
        ("quantile_over_time(0.5, x[5m])", "«quantile_over_time(0.5, x[5m])»"),
        ('label_replace(x, "a", "$1", "b", "(.+)")', 'label_replace(«x», "a", "$1", "b", "(.+)")'),
        ("sum(x) by (job) + Inf", "sum(«x») by (job) + Inf"),
        ("count by (__name__) ({job=~'a|b'})", "count by (__name__) («{job=~'a|b'}»)"),
        ("rate(x[$__rate_interval])", "«rate(x[$__rate_interval])»"),
        ("time() - vector(1) * scalar(x)", "time() - vector(1) * scalar(«x»)"),
    ],
)
def test_series_are_read_without_the_label_before_anything_is_added_up(expression: str, read_once: str) -> None:
    written = read_once.replace("«", "max without (replica) (").replace("»", ")")
    assert merged_expression(expression, "replica") == written


def test_every_generated_rule_can_be_read_so() -> None:
    rules = [
        rule
        for file in (GENERATED / "prometheus" / "rules").glob("*.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert len(rules) > 100
    for rule in rules:
        promql_parser.parse(merged_expression(rule["expr"], "replica"))


def read(*replicas: tuple[str, list[float], list[float]]) -> tuple[list[float], list[float]]:
    """Times and values of one series, of what each replica has."""
    rows = [({"job": "a", "replica": name}, np.array(times), np.array(values)) for name, times, values in replicas]
    one = merged(Matrix.of(rows), "replica")
    assert [labels_of(each) for each in one.labels] == [{"job": "a"}]
    return one.times.tolist(), one.values.tolist()


def test_of_two_replicas_that_both_scrape_one_is_read() -> None:
    times, values = read(("a", [1, 3, 5], [10, 12, 14]), ("b", [0.4, 2.4, 4.4], [9, 11, 13]))
    assert (times, values) == ([1, 3, 5], [10, 12, 14])


def test_where_one_is_silent_the_other_is_read() -> None:
    a = [0, 2, 4, 16, 18], [0, 2, 4, 16, 18]
    b = [float(t) + 0.4 for t in range(0, 20, 2)]
    assert read(("a", *a), ("b", b, b))[0] == [0, 2, 4, 6.4, 8.4, 10.4, 12.4, 14.4, 16, 18]


@pytest.mark.parametrize("silent", ["a", "b"])
def test_when_one_is_lost_the_other_goes_on_at_once(silent: str) -> None:
    lives, lost = [0.0, 2, 4, 6, 8, 10], [0.0, 2]
    parts = {silent: lost, ("b" if silent == "a" else "a"): lives}
    assert read(*((name, times, times) for name, times in parts.items()))[0] == [0, 2, 4, 6, 8, 10]


def test_clocks_that_differ_are_no_restart() -> None:
    """The other's clock is a second behind: what it has at 4.9 was counted at 3.9."""
    times, values = read(("a", [0, 2, 4], [100, 120, 140]), ("b", [0.5, 2.5, 4.9, 6.9, 8.9], [90, 110, 139, 159, 179]))
    assert (times, values) == ([0, 2, 4, 6.9, 8.9], [100, 120, 140, 159, 179])


def test_a_restart_stays_one() -> None:
    assert read(("a", [0, 2, 4, 6], [10, 12, 1, 3]), ("b", [1, 3, 5, 7], [11, 0, 2, 4]))[1] == [10, 12, 1, 3]


def test_the_client_merges_samples_and_expressions() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(httpx.QueryParams(request.content.decode()))["query"])
        metric = {"__name__": "up", "job": "a"}
        result = [{"metric": {**metric, "replica": each}, "values": [[1, "1"], [2, "1"]]} for each in ("x", "y")]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": result}})

    client = Prometheus("http://p", transport=httpx.MockTransport(answer), replica_label="replica")
    (series,) = client.raw("up", 10.0)
    assert (dict(series.labels), series.times.tolist()) == ({"__name__": "up", "job": "a"}, [1, 2])
    client.range("sum(up)", 0, 1, 1)
    assert asked == ["up[10000ms]", "sum(max without (replica) (up))"]
