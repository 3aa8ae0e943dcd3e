"""Times out of text: whatever loggers and proxies write them as."""

from __future__ import annotations

import email.utils
import json
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.logs import Intake, Parser, VersionFinder, built_in, read_time
from bascule.logs.reading.beats import line_of, piece_of
from bascule.spec import load

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
moments = st.datetimes(datetime(1974, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


@given(moments)
def test_an_epoch_is_read_by_its_magnitude(moment):
    """Whole seconds, milliseconds, microseconds and nanoseconds."""
    whole = micros(moment)
    assert read_time(str(whole // 1_000_000)) == whole // 1_000_000 * 1_000_000
    assert read_time(str(whole // 1_000)) == whole // 1_000 * 1_000
    assert read_time(str(whole)) == whole
    assert read_time(str(whole * 1_000 + 999)) == whole


def test_a_leap_second_is_the_first_of_the_next_minute():
    """A clock that shows it writes 60."""
    assert read_time("2016-12-31T23:59:60Z") == read_time("2017-01-01T00:00:00Z")
    assert read_time("31/Dec/2016:23:59:60 +0000") == read_time("2017-01-01T00:00:00Z")
    assert read_time("2016-12-31T23:59:61Z") is None


@pytest.mark.parametrize("many", [1, 100])
def test_a_time_taken_of_more_than_a_day_is_told_and_left_out(many):
    """Go's slog prints nanoseconds under any name: a service would look dead."""
    line = "2026-01-31T12:00:00.000Z INFO s API_CALL user_id=u endpoint=/x response_time=35000000 status=200\n"
    (rows,) = Parser((built_in("api_call"),)).parse(line.encode() * many)
    assert "response_time" not in rows.columns or (rows.columns["response_time"].codes < 0).all()
    assert rows.misread["response_time", "more than a day"] == many


@given(moments, st.sampled_from([1, 1e3, 1e6]))
def test_an_epoch_as_a_float_is_read_as_json_and_python_print_it(moment, factor):
    """However many decimals it has; to within the float's own precision."""
    number = moment.timestamp() * factor
    for text in (repr(number), json.dumps(number), f"{number:.9f}", f"{number:.17g}", f"{number:.16e}"):
        assert read_time(text) == pytest.approx(micros(moment), abs=2), text


zones = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


@given(moments, zones, st.sampled_from(["T", " "]), st.sampled_from(["microseconds", "milliseconds", "seconds"]))
def test_iso_times_are_read_in_any_zone(moment, zone, separator, precision):
    """With a point or a comma before the fraction, and more digits than count."""
    unit = {"microseconds": 1, "milliseconds": 1_000, "seconds": 1_000_000}[precision]
    expected = micros(moment) // unit * unit
    text = moment.astimezone(zone).isoformat(separator, precision)
    assert read_time(text) == expected
    assert read_time(text.replace(".", ",")) == expected
    assert read_time(text[:10].replace("-", "/") + text[10:]) == expected
    plain = moment.replace(tzinfo=None).isoformat(separator, precision)
    assert read_time(plain) == read_time(plain + "Z") == read_time(plain + " UTC") == expected
    if precision == "microseconds":
        assert read_time(plain + "789Z") == expected


@given(moments, zones)
def test_the_times_of_access_logs_mail_and_c_are_read(moment, zone):
    """nginx, Apache and HAProxy; `Date` headers; `asctime`."""
    second = moment.replace(microsecond=0)
    local = second.astimezone(zone)
    assert read_time(local.strftime("%d/%b/%Y:%H:%M:%S %z")) == micros(second)
    assert read_time(moment.strftime("%d/%b/%Y:%H:%M:%S.%f")) == micros(moment)
    assert read_time(email.utils.format_datetime(second, usegmt=True)) == micros(second)
    assert read_time(email.utils.format_datetime(local)) == micros(second)
    assert read_time(time.asctime(second.timetuple())) == micros(second)
    assert read_time(moment.strftime("%a %b %d %H:%M:%S.%f %Y")) == micros(moment)


@pytest.mark.parametrize(
    "text",
    ["2026-02-30T12:00:00Z", "31/Foo/2026:12:00:00 +0000", "0000-01-01T00:00:00Z", "yesterday", "12", "12345678", "-1",
     "1e3", "9" * 21, "1769860800.5.5", "2026-01-31", "12:00:00", "1769860800s", "+1769860800"],
)  # fmt: skip
def test_what_is_no_time_is_none(text):
    """A small number is none: it may be anything."""
    assert read_time(text) is None


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00.0000000+01:00", "9999-12-31T23:00:00-23:00", "9999-12-31T23:59:60Z",
     "01/Jan/0001:00:30:00 +0100", "31/Dec/9999:20:00:00 -0500", "Mon, 1 Jan 0001 00:00:00 +0100"],
)  # fmt: skip
def test_what_a_zone_puts_outside_the_calendar_is_no_time(text):
    """.NET writes a time that nobody set so."""
    assert read_time(text) is None
    (rows,) = Parser((built_in("json"),)).parse(b'{"timestamp": "%b", "message": "x"}\n' % text.encode())
    assert (rows.times.tolist(), dict(rows.misread)) == ([0], {("timestamp", "not a time"): 1})
    assert rows.columns["extra"].to_arrow().to_pylist() == [f"timestamp={text}"]


@pytest.mark.parametrize("many", [1, 100])
def test_a_line_of_any_layout_with_a_time_outside_the_calendar_is_kept_without_one(many):
    line = b"0001-01-01T00:00:00+01:00 INFO s API_CALL user_id=u endpoint=/x response_time=0.1 status=200\n"
    found = Parser((built_in("api_call"),)).parse(line * many)
    assert [(rows.format, len(rows), set(rows.times.tolist())) for rows in found] == [("text", many, {0})]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:00:00-23:00"])
def test_a_beats_event_with_a_time_outside_the_calendar_is_kept_without_one(text):
    payload = json.dumps({"@timestamp": text, "message": "plain words"}).encode()
    intake = Intake("app", Parser((built_in("api_call"),)), VersionFinder.of(load("supersmartmatch")))
    (rows,) = piece_of([line_of(payload, False, "beats", 1)], intake).rows
    assert rows.times.tolist() == [0]


def test_the_ends_of_the_calendar_are_times():
    """.NET's own, in UTC."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert read_time("0001-01-01T00:00:00.0000000Z") == micros(first)
    assert read_time("9999-12-31T23:59:59.9999999Z") == micros(last)
    assert read_time("0001-01-01T01:00:00+01:00") == micros(first)


def test_a_row_without_a_time_of_its_own_says_so():
    """Absent where the line has none, misread where it has one that nobody understands."""
    lines = ['{"msg": "a"}', '{"msg": "b", "ts": 1769860800.5}', '{"msg": "c", "ts": "soon"}', '{"msg": "d", "ts": 7}']
    (rows,) = Parser((built_in("json"),)).parse("".join(line + "\n" for line in lines).encode())
    assert rows.times.tolist() == [0, 1_769_860_800_500_000, 0, 0]
    assert dict(rows.misread) == {("timestamp", "not a time"): 2}
    assert rows.columns["extra"].to_arrow().to_pylist() == [None, None, "timestamp=soon", "timestamp=7"]
