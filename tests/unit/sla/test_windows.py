"""Days, months and quarters as people count them, whatever the clocks do; and cutting a span exactly."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.sla import Calendar, cut, due, ending, judged
from bascule.spec.model import ScheduledReport

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp()


def test_the_days_of_a_clock_change_have_23_and_25_hours():
    calendar = Calendar(PARIS)
    spring = calendar.spans("daily", at("2026-03-28T00:00"), at("2026-03-31T00:00"))
    autumn = calendar.spans("daily", at("2026-10-24T00:00"), at("2026-10-27T00:00"))
    assert [(end - start) / HOUR for start, end in spring] == [24, 23, 24]
    assert [(end - start) / HOUR for start, end in autumn] == [24, 25, 24]


def test_months_and_quarters_begin_on_their_first_day():
    calendar = Calendar(PARIS)
    months = calendar.spans("month", at("2026-01-15T00:00"), at("2026-04-10T00:00"))
    assert [start for start, _ in months[1:]] == [at(f"2026-0{month}-01T00:00") for month in (2, 3, 4)]
    quarters = calendar.spans("quarter", at("2026-02-01T00:00"), at("2026-08-01T00:00"))
    assert [start for start, _ in quarters[1:]] == [at("2026-04-01T00:00"), at("2026-07-01T00:00")]


def test_a_span_shorter_than_the_window_is_judged_as_one():
    pieces = cut(1000, 1000 + HOUR, 15)
    assert judged("rolling", 30 * 24 * HOUR, pieces, Calendar(PARIS)) == [(1000, 1000 + HOUR)]


def test_rolling_windows_are_whole_windows_inside_the_span():
    pieces = cut(0, 72 * HOUR, 60)
    found = judged("rolling", 24 * HOUR, pieces, Calendar(PARIS))
    assert {end - start for start, end in found} == {24 * HOUR}
    assert (found[0][0], found[-1][1]) == (0, 72 * HOUR)


@pytest.mark.parametrize(
    ("window", "days", "interval"),
    [(0.5, 30, 15), (1.5, 30, 15), (0.25, 3, 5), (7.5, 30, 60), (25, 60, 60), (5 / 60, 1, 1), (24, 90, 60)],
)
def test_windows_off_the_usual_grid_are_judged_over_the_whole_span(window, days, interval):
    """A window ends in each of its quarters, at least, from the first to the last."""
    start, length = 1_700_000_123.0, window * HOUR
    end = start + days * 24 * HOUR
    pieces = cut(start, end, interval, [start + length, end - length], [length, 400 * 24 * HOUR])
    found = judged("rolling", length, pieces, Calendar(PARIS))
    assert {round(end - begin, 3) for begin, end in found} == {round(length, 3)}
    assert (found[0][0], found[-1][1]) == (start, end)
    assert max(np.diff([end for _, end in found])) <= length / 4
    assert pieces.tell(length)


@pytest.mark.parametrize(("window", "days", "interval"), [(5 * 60, 30, 15), (30 * 60, 30, 120), (37.0, 1, 1)])
def test_windows_that_the_pieces_cannot_tell_apart_are_known(window, days, interval):
    pieces = cut(0, days * 24 * HOUR, interval, (), [window])
    assert not pieces.tell(window)
    assert len(pieces) <= 10_000


def test_the_pieces_are_as_long_as_the_windows_allow():
    assert cut(0, 30 * 24 * HOUR, 15, (), [24 * HOUR]).step == HOUR
    assert cut(0, 30 * 24 * HOUR, 15, (), [24 * HOUR, HOUR / 2]).step == 300


def test_a_calendar_window_ends_with_what_there_is_of_it():
    pieces = cut(at("2026-01-10T00:00"), at("2026-02-05T00:00"), 60, [at("2026-02-01T00:00")])
    now = at("2026-02-05T00:00")
    assert ending("month", 30 * 24 * HOUR, pieces, Calendar(PARIS), now) == (at("2026-02-01T00:00"), now)


@given(
    st.floats(0, 1e6),
    st.floats(60, 40 * 86400),
    st.sampled_from([1, 15, 60, 300]),
    st.lists(st.floats(0, 1e7), max_size=5),
)
def test_pieces_cover_the_span_once_and_hold_every_wanted_edge(start, length, interval, also):
    pieces = cut(start, start + length, interval, also)
    assert pieces.lengths.min() > 0
    assert pieces.lengths.sum() == pytest.approx(length, abs=0.01)
    for edge in also:
        if start + 1 < edge < start + length - 1:
            assert min(abs(pieces.edges - edge)) < 0.002
    runs = list(pieces.runs())
    assert [first for first, _ in runs] == [0, *(last for _, last in runs[:-1])]
    assert runs[-1][1] == len(pieces)


def report(**more) -> ScheduledReport:
    return ScheduledReport(**({"sla": ["html"], "every": "day", "at": "08:00", "to": ["a@b.c"]} | more))


@pytest.mark.parametrize(
    ("every", "now", "fell_due", "start", "end"),
    [
        ("day", "2026-01-15T09:00", "2026-01-15T08:00", "2026-01-14T00:00", "2026-01-15T00:00"),
        ("day", "2026-01-15T07:59", "2026-01-14T08:00", "2026-01-13T00:00", "2026-01-14T00:00"),
        ("day", "2026-03-29T09:00", "2026-03-29T08:00", "2026-03-28T00:00", "2026-03-29T00:00"),
        ("week", "2026-01-15T09:00", "2026-01-12T08:00", "2026-01-05T00:00", "2026-01-12T00:00"),
        ("month", "2026-01-15T09:00", "2026-01-01T08:00", "2025-12-01T00:00", "2026-01-01T00:00"),
        ("month", "2026-01-01T07:00", "2025-12-01T08:00", "2025-11-01T00:00", "2025-12-01T00:00"),
    ],
)
def test_a_report_falls_due_at_its_time_of_day_about_the_whole_span_before(every, now, fell_due, start, end):
    (found,) = due([report(every=every)], PARIS, at(now))
    assert (found.at, found.start, found.end) == (at(fell_due), at(start), at(end))


def test_a_report_has_one_name_however_often_it_is_asked_for():
    names = {next(due([report()], PARIS, at("2026-01-15T08:00") + k * 600)).id for k in range(100)}
    assert names == {"day-20260114-en-0"}


@pytest.mark.parametrize("text", ["8:00", "25:00", "08:61", "noon", "08.00"])
def test_a_time_of_day_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="not a time of day"):
        report(at=text)
