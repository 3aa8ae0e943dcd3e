"""Expressions over a spec's signals: what each asks, and that a second parser reads it."""

from __future__ import annotations

import promql_parser
import pytest

from bascule import promql
from bascule.spec import Matcher, Spec, built_in_text, load, parse

BUILT_IN = load("supersmartmatch")
HEAD = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
phases: [{share: 10%, hold: 1h}]
signals:
"""
ACCURACY = "  accuracy: {kind: ratio, good: 'matches_total{ok=\"1\"}', total: matches_total, better: higher}\n"
LATENCY = "  waits: {kind: histogram, metric: wait_milliseconds, unit: milliseconds}\n"
ERRORS = "  failures: {kind: ratio, bad: 'hits_total{code=~\"5..\"}', total: hits_total, better: lower}\n"
LOAD = "  load: {kind: gauge, metric: load, better: lower}\n"


def spec(*signals: str) -> Spec:
    return parse(HEAD + "".join(signals))


def rate(selector: object) -> str:
    return f"rate({selector}[1m])"


def test_public_names_are_declared_and_there() -> None:
    """Other rooms import from the room's door alone."""
    assert all(hasattr(promql, name) for name in promql.__all__)
    assert sorted(promql.__all__) == sorted(set(promql.__all__))


@pytest.mark.parametrize(
    ("signals", "counter"),
    [
        ((ACCURACY, LATENCY, ERRORS), "hits_total"),
        ((ACCURACY, LATENCY), "wait_milliseconds_count"),
        ((LOAD, ACCURACY), "matches_total"),
    ],
    ids=["errors, though declared last", "else latency", "else the first that counts"],
)
def test_traffic_is_what_errors_are_counted_among(signals: tuple[str, ...], counter: str) -> None:
    """A share of matches is not the share of requests."""
    assert str(promql.traffic(spec(*signals))) == counter
    assert f"rate({counter}" in promql.requests(spec(*signals))


@pytest.mark.parametrize("name", BUILT_IN.signals)
def test_the_value_of_any_signal_is_one_expression(name: str) -> None:
    """Of one version in one segment, by whatever labels, in PromQL that parses."""
    where = (Matcher("version", "=", "v1"), Matcher("user_segment", "=", "freemium"))
    expr = promql.value(BUILT_IN.signals[name], where, "30s", by="version")
    promql_parser.parse(expr)
    assert 'version="v1",user_segment="freemium"}[30s]' in expr
    assert "> 0" in expr or ">= 0" in expr, "absent without events"


def test_times_are_recorded_in_seconds_whatever_their_unit() -> None:
    """What alerts and panels compare with a limit of the spec."""
    waits = spec(LATENCY).latency
    assert waits is not None
    assert promql.p95_seconds(waits).startswith("0.001 * max without (signal)")
    assert promql.seconds(rate, waits.signal, 0.95, "endpoint").startswith("0.001 * histogram_quantile(0.95")
    assert BUILT_IN.latency is not None
    assert promql.p95_seconds(BUILT_IN.latency).startswith("max without")


def test_a_mix_holds_only_strata_that_both_versions_serve() -> None:
    """Each weighs the events of both; what one alone serves has no weight, not a small one."""
    assert promql.mix(BUILT_IN, ["errors", "latency"]).count("> 0)") == 2
    assert "*" not in promql.mix(BUILT_IN, ["errors"])


def test_a_metric_that_a_version_does_not_export_is_no_zero() -> None:
    """Zero is filled in for another metric only where that version exports it at all."""
    fallback = promql.counted(BUILT_IN, BUILT_IN.signals["fallback"])
    assert "count by (version)" in fallback["stratum:signal_sum:rate5m"]  # type: ignore[index]
    errors = promql.counted(BUILT_IN, BUILT_IN.signals["errors"])
    assert "count by" not in errors["stratum:signal_sum:rate5m"]  # type: ignore[index]
    assert promql.counted(BUILT_IN, spec(LOAD, ERRORS).signals["load"]) == {}


def test_instrumentation_is_known_by_its_metrics_names() -> None:
    """Not by a word in a selector: a shop's own metric may begin like ours."""
    from bascule.spec.uses import uses_instrument

    assert uses_instrument(BUILT_IN)
    for total in ("supersmartmatch_orders_total", 'hits_total{job="supersmartmatch_v1"}'):
        text = f"  failures: {{kind: ratio, bad: '{total}', total: hits_total, better: lower}}\n"
        assert not uses_instrument(spec(text)), total
    renamed = built_in_text().replace("supersmartmatch_matches_total", "matches_total")
    assert uses_instrument(parse(renamed)), "its ratings are still ours"


def failures(side: str, total: str = "hits_total") -> Spec:
    return spec(f"  failures: {{kind: ratio, {side}, total: '{total}', better: lower, role: errors}}\n")


@pytest.mark.parametrize(
    ("side", "wanted"),
    [
        ("bad: 'hits_total{code=~\"5..\"}'", 'code=~"4.."'),
        ("bad: 'hits_total{code=~\"5..|429\"}'", 'code=~"4.."'),
        ("bad: 'hits_total{code=~\"500|502|503\"}'", 'code=~"4.."'),
        ("bad: 'hits_total{code=\"503\"}'", 'code=~"4.."'),
        ("bad: 'hits_total{code=\"5xx\"}'", 'code=~"4.."'),
        ("bad: 'hits_total{code=\"5\"}'", 'code=~"4"'),
        ("bad: 'hits_total{rc=~\"5..\"}'", 'rc=~"4.."'),
        ("good: 'hits_total{code!~\"5..\"}'", 'code=~"4.."'),
        ("good: 'hits_total{code!=\"5xx\"}'", 'code=~"4.."'),
        ('good: \'hits_total{code!~"5..",code!~"4.."}\'', 'code=~"4.."'),
        ("good: 'hits_total{code=~\"2..|3..\"}'", 'code=~"4.."'),
        ("good: 'hits_total{code=~\"[23]..\"}'", 'code=~"4.."'),
    ],
)
def test_4xx_is_4xx_whichever_side_the_errors_declare(side: str, wanted: str) -> None:
    """Never the rest of it, and never what errors name beside a status."""
    share = promql.client_errors(failures(side))
    assert share is not None
    part, _, whole = share.partition("\n/\n")
    assert f"hits_total{{{wanted}}}" in part.replace(',version=~"v1|v2"', "")
    assert 'hits_total{version=~"v1|v2"}' in whole, "of all answers"
    rest = promql.unsuccessful(failures(side))
    assert '!~"[23].*"' in str(rest)


@pytest.mark.parametrize(
    ("side", "total"),
    [
        ('good: \'hits_total{code!~"5..",code!~"4.."}\'', 'hits_total{code!~"4.."}'),
        ("good: 'served_total{code=~\"2..\"}'", "hits_total"),
        ("bad: 'hits_total{ok=\"0\"}'", "hits_total"),
        ("bad: 'hits_total{le=\"500\"}'", "hits_total"),
    ],
    ids=["all requests are without them", "another metric has the successes", "no status", "a bound is no status"],
)
def test_where_4xx_are_not_counted_there_is_no_share_of_them(side: str, total: str) -> None:
    """A selector that matches nothing would say 0 %."""
    assert promql.client_errors(failures(side, total)) is None


def test_statuses_that_are_left_out_of_all_requests_are_in_no_class() -> None:
    share = promql.client_errors(failures("bad: 'hits_total{code=~\"5..\"}'", 'hits_total{code!="499"}'))
    assert 'hits_total{code!="499",code=~"4.."' in str(share)
