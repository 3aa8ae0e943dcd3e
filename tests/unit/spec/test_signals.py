"""What signals mean: their counters, units and targets, and which role each has."""

from __future__ import annotations

import pytest

from bascule.errors import SpecError
from bascule.spec import Role, Spec, load, parse
from bascule.spec.counters import quantile_of
from bascule.spec.growth import growth_rules

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


def spec(signals: str) -> Spec:
    return parse(HEAD + signals)


def test_each_kind_says_what_it_counts() -> None:
    """Nobody who works with signals asks for a kind."""
    errors, latency, revenue = (BUILT_IN.signals[name] for name in ("errors", "latency", "revenue"))
    assert (str(errors.all_events), str(errors.numerator)) == (
        "http_requests_total",
        'http_requests_total{status=~"5.."}',
    )
    assert str(latency.all_events) == "http_request_duration_seconds_count"
    assert (latency.numerator, str(latency.buckets)) == (None, "http_request_duration_seconds_bucket")
    assert str(revenue.numerator) == "supersmartmatch_match_value_total"
    gauge = "  load: {kind: gauge, metric: load, better: lower, target: 3}\n"
    load_level = spec(f"{gauge}  waits: {{kind: histogram, metric: wait}}\n").signals["load"]
    assert (load_level.all_events, str(load_level.level), load_level.level_target) == (None, "load", 3.0)
    assert not load_level.has_statistic("")


def test_the_counters_of_a_signal_begin_with_the_one_that_any_event_moves() -> None:
    """Its growth tells that rules were evaluated: a counter of failures may have no series yet."""
    parts = {name: list(signal.growing) for name, signal in BUILT_IN.signals.items()}
    assert parts["errors"] == ["total", "events"]
    assert parts["latency"] == ["bucket"]
    assert parts["satisfaction"] == ["count", "sum"]


def test_every_heartbeat_of_growth_is_recorded() -> None:
    """Of signals that share a counter too: without its heartbeat a report would read all of it raw, for ever."""
    rules = growth_rules(BUILT_IN)
    assert {rule.heartbeat for rule in rules} <= {rule.record for rule in rules}


@pytest.mark.parametrize(
    ("unit", "seconds"), [("seconds", 1.0), ("milliseconds", 1e-3), ("nanoseconds", 1e-9), ("stars", 1.0)]
)
def test_units_have_a_scale_to_seconds(unit: str, seconds: float) -> None:
    """What is no time has none."""
    signal = spec(f"  waits: {{kind: histogram, metric: wait, unit: {unit}}}\n").signals["waits"]
    assert signal.measured_in.to_base(1.0) == seconds
    assert signal.is_time is (unit != "stars")


@pytest.mark.parametrize(("name", "value"), [("p50", 0.5), ("p95", 0.95), ("p999", 0.999)])
def test_quantiles_are_read_from_their_names(name: str, value: float) -> None:
    assert quantile_of(name) == value
    assert BUILT_IN.signals["latency"].has_statistic(name)


@pytest.mark.parametrize("name", ["p5", "p0", "p00", "p000", "p100", "p990", "p1000", "p", "95", "p95x", "p-5"])
def test_what_would_be_read_as_another_quantile_than_it_says_is_none(name: str) -> None:
    assert not BUILT_IN.signals["latency"].has_statistic(name)
    with pytest.raises(SpecError, match=name if name == "p100" else None):
        spec(f"  waits: {{kind: histogram, metric: wait, targets: {{{name}: 1s}}}}\n")


def test_roles_are_inferred_by_name_and_by_kind_once_each() -> None:
    """The role's own name comes first, then a usual name, then the kind."""
    found = spec(
        "  slow: {kind: histogram, metric: a}\n"
        "  response_time: {kind: histogram, metric: b}\n"
        "  broken: {kind: ratio, bad: c_total, total: d_total, better: lower}\n"
        "  odd: {kind: ratio, bad: e_total, total: d_total, better: lower}\n"
        "  accuracy: {kind: gauge, metric: f, better: higher}\n"
    )
    assert found.signal_roles == {
        "slow": Role.OTHER,
        "response_time": Role.LATENCY,
        "broken": Role.ERRORS,
        "odd": Role.OTHER,
        "accuracy": Role.OTHER,  # of a kind that accuracy cannot be
    }
    assert found.errors is not None
    assert (found.errors.name, found.accuracy) == ("broken", None)


def test_a_declared_role_is_taken_from_nobody() -> None:
    """Whatever another signal is called."""
    found = spec(
        "  errors: {kind: ratio, bad: a_total, total: b_total, better: lower}\n"
        "  refusals: {kind: ratio, bad: c_total, total: b_total, better: lower, role: errors}\n"
    )
    assert found.errors is not None
    assert found.errors.name == "refusals"
    assert found.signal_roles["errors"] is Role.OTHER


@pytest.mark.parametrize("kind", ["kind: histogram", "kind: share_below, bound: 300ms"])
@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("request_seconds_bucket", "write request_seconds, without"),
        ("'request_seconds_bucket{route=\"/\"}'", "write request_seconds, without"),
        ("'request_seconds{le=\"0.5\"}'", "le selects some buckets of request_seconds, and all are needed"),
    ],
)
def test_a_histogram_is_named_without_the_suffix_of_its_series(kind: str, metric: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as refused:
        spec(f"  quick: {{{kind}, metric: {metric}}}\n")
    assert "signals.quick.metric" in str(refused.value)
