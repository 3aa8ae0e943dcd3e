"""Times and lengths of time as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule import times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (11_400, "3 h 10 min"),
        (86_460, "1 d"),
        (187_200, "2 d 4 h"),
        (-3, "0 s"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert times.lasting(seconds) == text


def test_a_length_of_time_takes_another_languages_units() -> None:
    assert times.lasting(187_200, ("j", "h", "min", "s"), "\u202f") == "2\u202fj 4\u202fh"


@given(st.floats(min_value=0, max_value=4e9))
def test_a_time_that_is_written_is_read_as_the_same(seconds: float) -> None:
    assert times.parse(times.rfc3339(seconds, "milliseconds")).timestamp() == pytest.approx(seconds, abs=0.0011)


def test_the_last_moment_of_the_calendar_is_written_although_no_float_holds_it() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert times.rfc3339(last.timestamp(), "milliseconds") == "9999-12-31T23:59:59.999Z"
    with pytest.raises((ValueError, OverflowError)):
        times.moment(last.timestamp() + 1)


def test_a_time_without_a_zone_is_of_utc_and_others_keep_theirs() -> None:
    assert times.parse("2026-01-31T08:00:00") == times.parse("2026-01-31T08:00:00Z")
    assert times.parse("2026-01-31T08:00:00+01:00") == times.parse("2026-01-31T07:00:00Z")
    assert times.parse("2026-01-31T08:00:00.123456789Z").microsecond == 123456  # as Go writes it


def test_the_forms_of_a_time() -> None:
    assert times.rfc3339(0) == "1970-01-01T00:00:00Z"
    assert times.dated(86_399) == "1970-01-01 23:59:59 UTC"
    assert times.clock(86_399) == "23:59:59 UTC"
