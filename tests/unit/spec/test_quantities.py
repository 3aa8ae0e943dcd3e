"""Quantities read what people write, and refuse what could be misread."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.spec.quantities import (
    Condition,
    Gain,
    Threshold,
    format_duration,
    parse_duration,
    parse_quantity,
    parse_rate,
    parse_share,
)
from bascule.units import Dimension


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1s", 1), ("1h30m", 5400), ("30d", 2_592_000), ("1w", 604_800), (2, 2), ("1.5h", 5400)],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "10 minutes", "1h-", "h1", "1h 30x", None, True])
def test_what_is_not_a_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="500ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1" * 100_000, "1." * 50_000, "1m" * 50_000 + "x", " " * 100_000], ids=len)
@pytest.mark.parametrize("parse", [parse_duration, parse_quantity, parse_rate, parse_share])
def test_a_long_text_is_refused_in_no_time(parse, text):
    """It may come from outside: as a time of a search, a megabyte long."""
    begun = time.process_time()
    with pytest.raises(ValueError):
        parse(text)
    assert time.process_time() - begun < 0.5


@given(st.integers(min_value=0, max_value=10**10))
def test_a_duration_survives_being_written_and_read(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "value"), [("25%", 0.25), ("13pt", 0.13), ("100ms", 0.1), ("4.5", 4.5), (0.2, 0.2), ("-2%", -0.02)]
)
def test_a_quantity_is_read_in_base_units(text, value):
    assert parse_quantity(text) == pytest.approx(value)


def test_points_are_absolute_and_percent_is_relative_in_a_gain():
    assert Gain.parse("13pt") == Gain(0.13, dimension=Dimension.SHARE)
    assert Gain.parse("13%") == Gain(0.13, relative=True)
    assert Gain.parse("0.1") == Gain(0.1, relative=False)


@pytest.mark.parametrize("text", ["110%", "-1%", "2"])
def test_a_share_beyond_its_bounds_is_refused(text):
    with pytest.raises(ValueError, match="between 0% and 100%"):
        parse_share(text)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [("<1%", 0.0099, True), ("<1%", 0.01, False), ("<=1%", 0.01, True), (">10pt", 0.11, True), (">=4.5", 4.4, False)],
)
def test_a_threshold_holds_exactly_as_written(text, value, holds):
    assert Threshold.parse(text).holds(value) is holds


def test_a_condition_names_its_measure():
    condition = Condition.parse("latency.p95 > 150ms")
    assert (condition.measure, condition.threshold.value) == ("latency.p95", pytest.approx(0.15))
    with pytest.raises(ValueError, match="errors > 5%"):
        Condition.parse("errors 5%")


def test_a_rate_is_kept_per_second():
    assert parse_rate("100/h") == pytest.approx(100 / 3600)
    with pytest.raises(ValueError, match="100/h"):
        parse_rate("100 per hour")
