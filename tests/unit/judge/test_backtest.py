"""Replaying rules: `for`, gaps, and what is false and what is late."""

from __future__ import annotations

import numpy as np
import pytest

from bascule.judge import Backtest, Fired, Stretch, alerting, firings, metrics_of
from bascule.prometheus import Series


def active(*times: float) -> Series:
    return Series({}, np.array(times), np.ones(len(times)))


def test_an_alert_fires_once_its_condition_held_for_its_time():
    assert firings(active(*range(0, 100, 5)), wait=30, keep=0, step=5, end=1000) == [(30, 100)]


def test_a_condition_that_ends_before_its_time_fires_nothing():
    assert firings(active(0, 5, 10, 100, 105), wait=30, keep=0, step=5, end=1000) == []


def test_an_alert_still_true_at_the_end_has_not_ended():
    assert firings(active(90, 95, 100), wait=5, keep=0, step=5, end=100) == [(95, None)]


def test_a_gap_shorter_than_keep_firing_for_is_one_alert():
    found = firings(active(0, 5, 10, 30, 35, 40), wait=0, keep=60, step=5, end=1000)
    assert found == [(0, 105)]


@pytest.fixture
def found() -> Backtest:
    fired = (Fired("judge", {}, 105.0, 150.0), Fired("judge", {}, 405.0, None), Fired("Slow", {}, 470.0, None))
    return Backtest(0, 600, fired, ("judge", "Slow", "Never"), (Stretch(0, 360),), (Stretch(400, 600, "errors"),))


def test_alarms_in_healthy_stretches_are_false_ones_per_hour(found):
    assert found.false_alarms_per_hour("judge") == pytest.approx(10)
    assert found.false_alarms_per_hour("Slow") == 0


def test_delays_are_from_the_declared_incident_and_a_missed_one_is_none(found):
    assert found.delays("judge") == [5.0]
    assert found.delays("Slow") == [70.0]
    assert found.delays("Never") == [None]


def test_without_a_healthy_stretch_there_is_no_false_alarm_rate():
    assert Backtest(0, 600, (), ("judge",)).false_alarms_per_hour("judge") is None


def test_a_dead_mans_switch_is_no_alarm():
    """It fires all the time, and is meant to: severity none."""
    switch = {"alert": "DeadMansSwitch", "expr": "vector(1)", "labels": {"severity": "none"}}
    recorded = {"record": "a:b", "expr": "up"}
    assert alerting([switch, recorded, {"alert": "Slow", "expr": "up"}]) == [{"alert": "Slow", "expr": "up"}]


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("vector(1)", []),
        ("sum by (a) (rate(x_total[5m])) / (y:z > 0) unless on () -x_total", ["x_total", "y:z"]),
        ("histogram_quantile(0.9, sum(rate(s_bucket[1m])) by (le)) > 1", ["s_bucket"]),
        ("max_over_time(deep{a='b'}[10m:1m] offset 1h) > 3", ["deep"]),
    ],
)
def test_the_metrics_that_an_expression_reads_are_found_wherever_they_stand(expression, metrics):
    assert metrics_of(expression) == metrics
