"""Rules about gains and quantiles: one for each that the spec names, in the better direction, as the judge means it."""

from __future__ import annotations

import pytest

from bascule.alerts import Alerting
from bascule.alerts.figures import PERCENT, POINTS
from bascule.conventions import Alert
from bascule.generate.alerting.alerts_targets import triggers_without_rule
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import parse

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]VERSION}}
signals:
  errors: {kind: ratio, bad: 'hits_total{code=~"5.."}', total: hits_total, better: lower, target_gain: 2pt}
  accuracy: {kind: ratio, bad: 'misses_total', total: matches_total, better: lower, alert_below_gain: 10%}
  stars: {kind: mean, sum: stars_sum, count: stars_count, better: higher, unit: stars}
  latency: {kind: histogram, metric: took_seconds, targets: {p75: 50ms, p95: 100ms, p999: 2s}}
phases: [{share: 50%, hold: 1h}]
rollback: [{when: WHEN, for: 1m}]
"""


def alerts(name: str, when: str = "errors > 5%", version: str = "") -> list[Alerting]:
    spec = parse(SPEC.replace("WHEN", when).replace("VERSION", version))
    return [alert for group in rule_groups(spec) for alert in group.alerts if alert.name == name]


def trigger(when: str) -> Alerting:
    (found,) = alerts(Alert.ROLLBACK_TRIGGERED, when)
    return found


def test_a_loss_of_what_is_better_lower_is_a_rise() -> None:
    assert trigger("errors.gain < -2pt").expr.startswith("-max without (signal) (bascule:signal_difference")
    assert trigger("stars.gain < -1").expr.startswith("max without (signal) (bascule:signal_difference")


def test_a_gain_in_percent_is_a_share_of_the_baselines_value_and_is_shown_as_one() -> None:
    relative, points = trigger("stars.gain < -20%"), trigger("errors.gain < -2%")
    assert 'abs(version:signal:ratio_standardised_rate5m{signal="stars",version="v1"}) > 0' in relative.expr
    assert ") < -0.2\n" in relative.expr
    assert PERCENT in relative.annotations["description"]
    assert "ratio_standardised" not in points.expr
    assert POINTS in points.annotations["description"]


@pytest.mark.parametrize("when", ["errors.gain < -2pt", "stars.gain < -20%"])
def test_a_gain_needs_events_of_both_versions(when: str) -> None:
    for version in ("v1", "v2"):
        assert f'version="{version}"}}) * 300 >= 100' in trigger(when).expr


@pytest.mark.parametrize(
    "when", ["latency.p50 > 1s", "latency.p90 > 5s", "latency.p90 >= 5s", "latency.p999 > 10s", "latency.p05 > 1ms"]
)
def test_every_quantile_that_a_trigger_names_has_a_rule(when: str) -> None:
    assert trigger(when).hold == 60


def test_every_quantile_that_a_target_names_has_a_rule() -> None:
    found = [alert.labels["target"] for alert in alerts(Alert.TARGET_UNMET) if alert.labels["signal"] == "latency"]
    assert {"p75", "p95", "p999"} <= set(found)


def test_a_quantile_beyond_the_last_bucket_is_told_by_the_events_up_to_it() -> None:
    """Prometheus gives it as that bucket's bound, which is not above it."""
    expr = trigger("latency.p90 > 5s").expr
    assert ">= 5\n" in expr
    assert 'le="+Inf"' in expr
    assert "< 0.9 * sum(" in expr


def test_the_target_of_a_gain_is_told_in_the_better_direction() -> None:
    """Fewer errors than before are a gain above zero, and so is the target."""
    (found,) = (alert for alert in alerts(Alert.TARGET_UNMET) if alert.labels["target"] == "gain")
    assert found.expr.startswith("-max without (signal) (avg_over_time(bascule:signal_difference")
    assert "< on ()\n(0.02 - " in found.expr
    assert "* 3600) >= 100" in found.expr
    assert "the target is 2 points" in found.annotations["description"]


def test_a_relative_gain_in_accuracy_that_is_counted_by_its_misses_is_fewer_of_them() -> None:
    (found,) = alerts(Alert.ACCURACY_DEGRADED)
    assert found.expr.startswith("-max without (signal) (\n  bascule:signal_difference")
    assert ") < 0.1\n" in found.expr


def test_a_trigger_on_the_scrapes_of_a_version_without_services_is_named() -> None:
    """Nothing could tell of it."""
    lonely = parse(SPEC.replace("WHEN", "availability < 99%").replace("VERSION", ""))
    told = parse(SPEC.replace("WHEN", "availability < 99%").replace("VERSION", ", version: v2"))
    assert [str(each.when) for each in triggers_without_rule(lonely)] == ["availability <99%"]
    assert triggers_without_rule(told) == []
