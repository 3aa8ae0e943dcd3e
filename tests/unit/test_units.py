"""What is declared in one unit is compared in the unit of the series, whichever that is."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule import slo
from bascule.errors import SpecError
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.judge import difference_text, value_text
from bascule.spec import Spec, parse
from bascule.spec.bucket_bounds import from_up, up_to
from bascule.spec.wanted_bounds import bounds_wanted
from bascule.units import Dimension, unit_of

SPEC = """\
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  took: {kind: histogram, metric: took, unit: UNIT, targets: {p95: LIMIT}}
  load: {kind: mean, sum: load_sum, count: load_count, better: lower, unit: UNIT, target: LIMIT}
phases:
  - {share: 50%, hold: 1h, gates: {took.p95: "<LIMIT"}}
  - {share: 100%, hold: 1h}
rollback: [{when: took.p95 > LIMIT, for: 30s}]
slas: {took: {objective: "95% < LIMIT", window: 1d}}
"""
WRITTEN = {
    "seconds": ("100ms", 0.1),
    "ms": ("100ms", 100.0),
    "milliseconds": ("0.1s", 100.0),
    "us": ("100ms", 1e5),
    "microseconds": ("123456us", 123456.0),
    "nanoseconds": ("100ms", 1e8),
    "ns": ("123456789ns", 123456789.0),
    "bytes": ("64MiB", 67108864.0),
    "KiB": ("64MiB", 65536.0),
    "megabytes": ("1500kB", 1.5),
    "percent": ("80%", 80.0),
    "stars": ("4.5", 4.5),
}


def spec_in(unit: str, limit: str) -> Spec:
    return parse(SPEC.replace("UNIT", f'"{unit}"').replace("LIMIT", limit))


@pytest.mark.parametrize(("unit", "limit", "own"), [(unit, *found) for unit, found in WRITTEN.items()])
def test_every_bound_on_a_signal_is_in_its_unit(unit: str, limit: str, own: float) -> None:
    """Gate, trigger, targets, SLA, rules: a limit of 100 ms is 100 where milliseconds are counted, never 0.1."""
    spec = spec_in(unit, limit)
    took, load = spec.signals["took"], spec.signals["load"]
    assert spec.phases[0].gates["took.p95"].value == own
    assert spec.rollback[0].when.threshold.value == own
    assert took.quantile_targets["p95"] == load.level_target == own
    found = slo.resolve(spec, "took")
    assert isinstance(found, slo.EventSlo)
    assert found.bound == own
    assert own in bounds_wanted(spec, "took")
    for alert in ("RollbackTriggered", "TargetUnmet"):
        compared = [float(number) for number in re.findall(r"[<>] ([\d.e+-]+)", expressions(spec, alert))]
        assert own in compared


def expressions(spec: Spec, alert: str) -> str:
    return "\n".join(a.expr for group in rule_groups(spec) for a in group.alerts if a.name == alert)


@pytest.mark.parametrize(
    ("unit", "limit", "what"),
    [
        ("milliseconds", "5%", "is a time"),
        ("bytes", "100ms", "is a size"),
        ("percent", "100ms", "is a share"),
        ("stars", "100ms", "its unit is 'stars'"),
        ("", "100ms", "it has no unit"),
        ("millisecs", "100ms", "its unit is 'millisecs'"),
    ],
)
def test_a_bound_of_another_dimension_is_refused(unit: str, limit: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_in(unit, limit)
    assert {problem.key.partition(".")[0] for problem in caught.value.problems} == {
        "signals",
        "phases",
        "rollback",
        "slas",
    }
    assert all(what in problem.what for problem in caught.value.problems)


@pytest.mark.parametrize("metric", ["http_server_duration_milliseconds", "took_us", "took_nanoseconds"])
def test_a_unit_that_the_metrics_name_denies_is_refused(metric: str) -> None:
    with pytest.raises(SpecError, match="by its name"):
        parse(SPEC.replace("metric: took", f"metric: {metric}").replace("UNIT", "seconds").replace("LIMIT", "100ms"))


def test_a_ratio_has_no_unit_but_its_own() -> None:
    ratio = "  errors: {kind: ratio, bad: bad, total: all, better: lower, unit: percent}\n"
    text = SPEC.replace("signals:\n", f"signals:\n{ratio}").replace("UNIT", "seconds").replace("LIMIT", "100ms")
    with pytest.raises(SpecError, match="has no unit"):
        parse(text)


@given(st.floats(1e-9, 1e5), st.sampled_from(["seconds", "milliseconds", "microseconds", "nanoseconds"]))
def test_a_time_reads_the_same_whatever_unit_it_is_counted_in(seconds: float, unit: str) -> None:
    own = unit_of(unit).of_base(seconds)
    assert unit_of(unit).to_base(own) == pytest.approx(seconds, rel=1e-9)
    assert number(value_text(own, unit)) == pytest.approx(number(value_text(seconds, "seconds")), rel=0.02)
    assert number(difference_text(-own, unit)) == pytest.approx(-number(value_text(seconds, "seconds")), rel=0.02)


def number(text: str) -> float:
    value, unit = text.split()
    return float(value.replace(",", "")) * unit_of(unit).scale


bounds = st.builds(lambda digits, power: float(f"{digits}e{power}"), st.integers(1, 99_999), st.integers(-9, 6))


def forms(bound: float) -> set[str]:
    """As Python, Go and Java write it: with and without `.0`, with an exponent that is signed, padded or neither."""
    plain = f"{Decimal(repr(bound)).normalize():f}"
    mantissa, _, exponent = f"{bound:.9e}".partition("e")
    short, power = mantissa.rstrip("0").rstrip("."), int(exponent)
    scientific = {f"{short}e{power:+03d}", f"{short if '.' in short else short + '.0'}E{power}"}
    return {plain, plain if "." in plain else f"{plain}.0"} | (set() if 1e-3 <= bound < 1e6 else scientific)


@given(bounds, bounds)
def test_buckets_are_found_on_their_side_of_a_bound_however_it_is_written(limit: float, bound: float) -> None:
    """PromQL compares labels as text: the pattern does what `<=` would."""
    for form in forms(bound):
        assert bool(re.fullmatch(up_to(limit).value, form)) is (bound <= limit)
        assert re.fullmatch(from_up(limit).value, form) is not (bound >= limit)
    assert not re.fullmatch(up_to(limit).value, "+Inf")
    assert not re.fullmatch(from_up(limit).value, "+Inf")


def test_units_have_one_name_whatever_they_are_called() -> None:
    for name, own in {
        "ms": "milliseconds",
        "MS": "milliseconds",
        "Seconds": "seconds",
        "%": "percent",
        "B": "bytes",
    }.items():
        assert unit_of(name).name == own
    assert (unit_of("MB").scale, unit_of("MiB").scale) == (1e6, 1048576.0)
    assert unit_of("stars").dimension is None
    assert unit_of("us").base == Dimension.TIME
