"""How small a miss of a target an alert can tell, and in which windows it is looked for."""

from __future__ import annotations

import re

import pytest

from bascule.generate.alerting.smallest_breach import smallest_breaches
from bascule.promql import windowed_targets
from bascule.spec import load


def target(name: str):
    return next(each for each in windowed_targets(load("supersmartmatch")) if each.name == name)


@pytest.mark.parametrize(
    ("name", "events", "windows"),
    [
        ("errors of api_partners", 8, ["1d"]),
        ("errors of api_partners", 9, ["1h", "1d"]),
        ("errors of api_partners", 90, ["1h", "1d"]),
        ("errors of api_partners", 300, ["5m", "1h", "1d"]),
        ("errors of api_partners", 1000, ["5m", "1h"]),
        ("errors of api_partners", 20_000, ["5m"]),
        ("formats of api_partners", 8, ["1h"]),
        ("formats of api_partners", 20, ["5m"]),
        ("accuracy of enterprise", 1, ["1d"]),
        ("latency of freemium", 20, ["1h"]),
    ],
)
def test_longer_windows_are_looked_at_where_shorter_ones_hold_too_few_events(name, events, windows) -> None:
    """Nobody's partner is too small to be told of, and none is told of twice without need."""
    assert [window for window, _ in target(name).windows(events)] == windows


def test_a_day_tells_of_a_fraction_of_what_five_minutes_tell() -> None:
    """At 300 requests in five minutes, five times the promised 0.1 % is seen by the hour and the day."""
    told = {window: float(text.partition("%")[0]) for window, text in target("errors of api_partners").windows(300)}
    assert told["5m"] > 0.5 > told["1h"] > told["1d"] > 0.1


def test_check_says_it_for_every_target_and_for_the_declared_quotas() -> None:
    """At the quota of 10,000 an hour the alert starts at 0.43 % in five minutes, and at half of that in an hour."""
    lines = list(smallest_breaches(load("supersmartmatch")))
    assert [re.match(r"[a-z_ ]+", line)[0].strip() for line in lines if not line.startswith(" ")] == [
        "errors of api_partners",
        "formats of api_partners",
        "accuracy of enterprise",
        "accuracy of freemium",
        "latency of enterprise",
        "latency of freemium",
    ]
    by_quota = "at 833 events in 5 min (quota of default)"
    assert f"  {by_quota}: 0.43 % bad events within 5 min, 0.21 % bad events within 1 h" in lines[:5]
