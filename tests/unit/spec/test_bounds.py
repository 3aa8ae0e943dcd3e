"""Bounds that can never, or always, hold and names that clash are refused, each with its line."""

from __future__ import annotations

import pytest

from bascule.errors import Problem, SpecError
from bascule.spec import built_in_text, parse

BUILT_IN = built_in_text()


def refused(old: str, new: str) -> Problem:
    """The one problem of the built-in spec with `old` replaced once."""
    assert old in BUILT_IN
    with pytest.raises(SpecError) as caught:
        parse(BUILT_IN.replace(old, new, 1), "spec.yaml")
    (problem,) = caught.value.problems
    return problem


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(BUILT_IN.splitlines(), 1) if text in line)


GATES, ROLLBACK, SLAS = line_of("share: 10%"), line_of("errors > 5%"), line_of("availability:  {objective")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "what"),
    [
        ('errors: "<1%"', 'errors: "<150%"', GATES, "phases.0.gates.errors", "always holds"),
        ('errors: "<1%"', 'errors: "<0%"', GATES, "phases.0.gates.errors", "never holds"),
        ('errors: "<1%"', 'errors: "<1ms"', GATES, "phases.0.gates.errors", "a time"),
        ('errors: "<1%"', 'errors: ">1%"', GATES, "phases.0.gates.errors", "passes when errors is too high"),
        ('latency.p95: "<100ms"', 'latency.p95: "<100%"', GATES, "phases.0.gates.latency.p95", "is a time"),
        ('latency.p95: "<100ms"', 'latency.p95: "<0ms"', GATES, "phases.0.gates.latency.p95", "never holds"),
        ('accuracy.gain: ">10pt"', 'accuracy.gain: ">130pt"', GATES, "phases.0.gates.accuracy.gain", "never holds"),
        ('accuracy.gain: ">10pt"', 'accuracy.gain: ">130%"', GATES, "phases.0.gates.accuracy.gain", "never holds"),
        ('accuracy.gain: ">10pt"', 'errors.gain: "<1pt"', GATES, "phases.0.gates.errors.gain", "gain is too low"),
        ("errors > 5%", "errors.gain > 2pt", ROLLBACK, "rollback.0.when", "fires when errors.gain is high"),
        ("errors > 5%", "errors > 500%", ROLLBACK, "rollback.0.when", "never holds"),
        ("errors > 5%", "errors < 5%", ROLLBACK, "rollback.0.when", "fires when errors is low, which is good"),
        ("availability < 99%", "availability < 120%", ROLLBACK + 3, "rollback.3.when", "always holds"),
        ("latency.p95 > 150ms", "errors > 5%", ROLLBACK + 1, "rollback.1.when", "is declared twice"),
        ("99.9%, window", "100%, window", SLAS, "slas.availability.objective", "no room for a single bad event"),
        ('"< 1%"', '"< 100%"', SLAS + 3, "slas.error_rate.objective", "nothing to keep"),
        ("  error_rate: ", "  eror_rate: ", SLAS + 3, "slas.eror_rate", "not a declared signal"),
        ('"95% < 100ms"', "95%", SLAS + 1, "slas.response_time.objective", "the objective has no limit for it"),
        ("p50: 30ms", "p50: 80ms", line_of("p50: 30ms"), "signals.latency.targets.p95", "is below p50"),
        ("target_gain: 13pt", "target_gain: 130pt", line_of("13pt  "), "signals.accuracy.target_gain", "cannot gain"),
        ("10000/h", "-1/h", line_of("10000/h"), "segments.api_partners.quotas.default", "must be greater than zero"),
        ("  redis: ", "  prometheus: ", line_of("  redis: "), "services.prometheus", "Bascule's own"),
        ("  redis: ", "  probe-front-door: ", line_of("  redis: "), "services.probe-front-door", "job of a probe"),
        ("  enterprise: ", "  all: ", line_of("  enterprise: "), "segments.all", "Bascule's own"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(old: str, new: str, line: int, key: str, what: str) -> None:
    """Such a bound would make a gate, a trigger or an SLA that says nothing."""
    problem = refused(old, new)
    assert (problem.line, problem.key) == (line, key)
    assert what in problem.what
    assert problem.fix


@pytest.mark.parametrize(
    ("threshold", "key"),
    [
        ("cache_hit_ratio: 150%", "thresholds.cache_hit_ratio"),
        ("error_rate_increase: -2%", "thresholds.error_rate_increase"),
        ("response_time_p95: 0ms", "thresholds.response_time_p95"),
        ("min_requests: -1", "thresholds.min_requests"),
    ],
)
def test_impossible_thresholds_are_refused(threshold: str, key: str) -> None:
    """An alert that always, or never, fires."""
    with pytest.raises(SpecError) as caught:
        parse(f"{BUILT_IN}\nthresholds: {{{threshold}}}\n")
    assert [(problem.key, problem.line) for problem in caught.value.problems] == [(key, len(BUILT_IN.splitlines()) + 2)]


def test_two_parts_of_the_stack_do_not_share_a_port() -> None:
    """Told before anything is started."""
    with pytest.raises(SpecError, match="9090 is already the port of prometheus"):
        parse(f"{BUILT_IN}\nstack: {{ports: {{judge: 9090}}}}\n")


def test_a_relative_gain_may_be_more_than_all() -> None:
    """Three times the revenue is +200%; a share's own gain is in points, and has an end."""
    assert parse(BUILT_IN.replace('accuracy.gain: ">10pt"', 'revenue.gain: ">200%"', 1))


def test_a_selector_that_is_no_promql_is_told_with_line_column_and_the_parsers_reason() -> None:
    """An editor jumps to it."""
    text = BUILT_IN.replace('bad: http_requests_total{status=~"5.."}', 'bad: http_requests_total{status=~"5(."}')
    with pytest.raises(SpecError) as caught:
        parse(text, "spec.yaml")
    line = line_of("bad: http_requests_total")
    assert str(caught.value).startswith(f"spec.yaml:{line}:10: signals.errors.bad: ")
    assert "illegal regex for 5(." in str(caught.value)
