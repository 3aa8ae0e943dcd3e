"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.console import figures

numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)


def plain(text: str) -> str:
    return text.replace(figures.THIN, " ").replace(figures.MINUS, "-")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0002, "ratio", "0.020 %"),
        (0.12, "ratio", "12.0 %"),
        (0.0431, "seconds", "43.1 ms"),
        (1.5, "seconds", "1.50 s"),
        (4.572, "stars", "4.57 stars"),
        (81.4, "EUR per match", "81.4 EUR"),
        (0.0, "ratio", "0 %"),
        (7.0, "", "7.00"),
    ],
)
def test_a_value_is_shown_in_the_unit_a_reader_expects(value: float, unit: str, text: str) -> None:
    assert plain(figures.figure(value, unit)) == text


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_missing_number_is_a_dash_and_never_a_zero(nothing: float | None) -> None:
    for show in (figures.share, figures.count, figures.rate, figures.span, figures.multiple, figures.percent):
        assert show(nothing) == figures.MISSING
    assert figures.figure(nothing, "ratio") == figures.MISSING
    assert figures.difference(nothing, "seconds") == figures.MISSING


def test_a_difference_of_ratios_is_in_points_and_has_a_sign() -> None:
    assert plain(figures.difference(0.134, "ratio")) == "+13.4 pt"
    assert plain(figures.difference(-0.0002, "ratio")) == "-0.020 pt"
    assert plain(figures.difference(0.0, "ratio")) == "±0 pt"


def test_an_interval_says_its_unit_once_and_has_even_decimals() -> None:
    assert plain(figures.between(-0.00332, 0.0029, "ratio")) == "-0.332 … +0.290 pt"
    assert plain(figures.between(-0.0085, -0.00047, "seconds")) == "-8.50 … -0.47 ms"


def test_a_small_share_is_not_rounded_down_to_nothing() -> None:
    assert plain(figures.share(0.004)) == "< 1 %"
    assert plain(figures.share(0.0)) == "0 %"
    assert plain(figures.share(0.25)) == "25 %"


def test_a_length_of_time_has_its_two_largest_units() -> None:
    assert [plain(figures.span(s)) for s in (0, 7, 200, 3600, 187_200)] == [
        "0 s",
        "7 s",
        "3 min 20 s",
        "1 h",
        "2 d 4 h",
    ]


@given(numbers, st.sampled_from(["ratio", "seconds", "stars", ""]))
def test_no_number_is_shown_with_an_exponent_or_an_ascii_minus(value: float, unit: str) -> None:
    text = figures.figure(value, unit)
    assert "e" not in text.replace("seconds", "").partition(figures.THIN)[0]
    assert "-" not in text


@given(numbers)
def test_a_difference_and_its_opposite_differ_in_the_sign_alone(value: float) -> None:
    one, other = figures.difference(value, "stars"), figures.difference(-value, "stars")
    assert one.lstrip("+±" + figures.MINUS) == other.lstrip("+±" + figures.MINUS)
