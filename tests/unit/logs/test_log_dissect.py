"""Dissect patterns: what they accept, and that the vectorised pass and the strict reading agree."""

from __future__ import annotations

import json
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bascule.logformat import TIME, PatternError
from bascule.logs import Parser, Rows, built_in, compile_dissect
from bascule.logs.parsing.parse import MOST_CHARACTERS, MOST_LINES

API = "2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u1 endpoint=/api/v2/match "
MATCH = "2026-01-31T12:00:00.456Z INFO supersmartmatch-v1 MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=0.93 "
NAMES = ("api_call", "match_result", "python", "werkzeug")
PARSER = Parser(tuple(built_in(name) for name in NAMES), few_lines=0)  # a few lines are otherwise read one by one
LITERAL = Parser(PARSER.formats[:2], few_lines=0)  # lines without the formats' literals are read at once too


def as_records(parsed: list[Rows]) -> dict[int, tuple[str, dict[str, object]]]:
    """Every line's format and fields, however it was read."""
    records: dict[int, tuple[str, dict[str, object]]] = {}
    for rows in parsed:
        columns = {name: _values(column) for name, column in rows.columns.items()}
        for place, line in enumerate(rows.lines.tolist()):
            fields = {name: values[place] for name, values in columns.items() if values[place] is not None}
            height = str(fields.get("message")).count("\n") + 1 if rows.format == "trace" else 1
            for number in range(line, line + height):
                assert number not in records, "a line stands in one of the rows only"
                records[number] = (rows.format, fields | {TIME: int(rows.times[place])})
    return records


def _values(column):
    return column.to_arrow().to_pylist()


def strictly(parser: Parser, lines: list[str]) -> dict[int, tuple[str, dict[str, object]]]:
    records = {}
    for number, line in enumerate(lines):
        name, reading = parser.read(line)
        said = {key: value for key, value in reading.fields.items() if value not in ("", "-")}
        records[number] = (name, {TIME: 0} | said)
    return records


def test_the_two_lines_of_the_source_document_are_read_with_types():
    """Numbers are numbers, times are microseconds, trailing pairs are columns of their own."""
    line = API + "response_time=0.023 status=200 version=v2 trace_id=ab12"
    name, (fields, misread) = PARSER.read(line)
    assert (name, misread) == ("api_call", ())
    assert fields["response_time"] == 0.023
    assert fields["status"] == 200
    assert fields["version"] == "v2"
    assert fields["extra"] == "trace_id=ab12"
    assert fields["timestamp"] == 1_769_860_800_123_000
    assert PARSER.read(MATCH + "algorithm=hybrid")[1].fields["algorithm"] == "hybrid"


@pytest.mark.parametrize("tail", ["status=200", "", "response_time=0.1 status=200 and more"])
def test_a_line_without_an_events_words_is_not_an_api_call(tail):
    """It falls to the source document's general layout."""
    assert PARSER.read(API + tail)[0] == "python"


@pytest.mark.parametrize(
    ("tail", "field", "reason", "extra"),
    [
        ("response_time=abc status=200", "response_time", "not a number", "response_time=abc"),
        ("response_time=None status=200", "response_time", "not a number", "response_time=None"),
        ("response_time=nan status=200", "response_time", "not finite", "response_time=nan"),
        ("response_time=1e999 status=200", "response_time", "not finite", "response_time=1e999"),
        ("response_time=-1 status=200", "response_time", "negative", "response_time=-1"),
        ("response_time=0.1 status=20x", "status", "not a number", "status=20x"),
        ("response_time=0.1 status=20.5", "status", "not a whole number", "status=20.5"),
        ("response_time=0.1 status=99999999999", "status", "out of range", "status=99999999999"),
        ("response_time=0.1 status=200 accuracy=good x=1", "accuracy", "not a number", "x=1 accuracy=good"),
    ],
)
def test_a_line_that_fits_an_events_words_but_not_its_numbers_is_counted_as_such(tail, field, reason, extra):
    """By field and reason, never as another format; what it says is kept."""
    name, (fields, misread) = PARSER.read(API + tail)
    assert (name, fields["endpoint"], fields["extra"]) == ("api_call", "/api/v2/match", extra)
    assert [(found.field, found.reason) for found in misread] == [(field, reason)]
    (rows,) = PARSER.parse((API + tail + "\n").encode())
    assert dict(rows.misread) == {(field, reason): 1}


@pytest.mark.parametrize("blank", ["", "-"])
def test_a_number_that_is_not_there_is_absent(blank):
    """As proxies write it."""
    name, (fields, misread) = PARSER.read(f"{API}response_time={blank} status=200")
    assert (name, fields.get("response_time"), misread) == ("api_call", None, ())


written = st.one_of(
    st.floats(0, allow_nan=False, allow_infinity=False).map(repr),
    st.floats(0, 1, exclude_max=True).map(lambda a: repr(1 + a - 1)),
    st.integers(0, 10**300).map(str),
    st.decimals(0, 10**9, allow_nan=False).map(str),
    st.floats(0, 1e12).map(json.dumps),
    st.floats(0, 1e9).map("{:.20f}".format),
    st.floats(0, 1e9).map("{:g}".format),
    st.floats(0, 1e9).map("{:E}".format),
)


@given(st.lists(written, min_size=1, max_size=8))
def test_any_number_that_json_or_python_prints_is_read(numbers):
    """Exactly, at once and line by line."""
    line = MATCH.replace("0.93", "{}") + "algorithm=a\n"
    data = "".join(map(line.format, numbers)).encode()
    for parser in (PARSER, Parser(PARSER.formats)):
        found = [rows for rows in parser.parse(data) if len(rows)]
        assert {(rows.format, len(rows.misread)) for rows in found} == {("match_result", 0)}
        read = {n: v for rows in found for n, v in zip(rows.lines, rows.columns["accuracy"].numbers(), strict=True)}
        assert [read[line] for line in range(len(numbers))] == [float(number) for number in numbers]


def test_a_unit_turns_times_taken_into_seconds():
    """`ms` in the pattern or in the spec's units."""
    by_kind = compile_dissect("took=%{response_time:ms} %{message}")
    by_unit = compile_dissect("took=%{response_time} %{message}", {"response_time": "ms"})
    expected = {"response_time": 0.023, "message": "x"}
    assert by_kind.read("took=23 x").fields == by_unit.read("took=23 x").fields == expected


def test_fields_can_be_skipped_joined_and_padded():
    """Logstash's modifiers."""
    dissect = compile_dissect("%{timestamp} %{+timestamp} %{level->} %{?thread} %{message}")
    reading = dissect.read("2026-01-31 12:00:00 WARN    main all is well")
    assert reading.fields == {"timestamp": 1_769_860_800_000_000, "level": "WARN", "message": "all is well"}


@pytest.mark.parametrize(
    ("pattern", "position", "part"),
    [
        ("plain", 1, "no %{field}"),
        ("%{a}%{b}", 5, "nothing between"),
        ("x %{a:number}", 5, "unknown kind"),
        ("%{a} %{a}", 8, "duplicate"),
        ("%{a} %{+b}", 6, "does not follow"),
        ("%{a b}", 1, "not a field"),
    ],
)
def test_a_wrong_pattern_is_told_with_its_position(pattern, position, part):
    """And with what to write instead."""
    with pytest.raises(PatternError) as caught:
        compile_dissect(pattern)
    assert caught.value.position == position
    assert part in str(caught.value)
    assert caught.value.fix


words = st.text(alphabet=st.sampled_from("ab =/-.:0é\x00\x1b\r\ufffd|"), max_size=6)
numbers = st.one_of(st.floats(0, 10).map(str), st.integers(0, 999).map(str), words)
times = st.one_of(
    st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(
        ["2026-01-31T12:00:60.123Z", "2026-01-31T12:00:00.1x3Z", "2026-01-31 12:00:00,123", "2026-02-30T1"]
    ),
    words,
)
pairs = st.lists(
    st.sampled_from([" version=v2", " version=", " user_segment=a", " x=1", " trace_id=f", " oops"]), max_size=3
)
lines = st.one_of(
    st.builds("{} INFO {} API_CALL user_id={} endpoint=/{} response_time={} status={}{}".format,
              times, words, words, words, numbers, numbers, pairs.map("".join)),
    st.builds("{} INFO {} MATCH_RESULT candidate_id={} job_id=x accuracy={} algorithm={}{}".format,
              times, words, words, numbers, words, pairs.map("".join)),
    st.builds("{}API_CALL user_id={} endpoint=/x response_time={} status=200{}".format,
              st.sampled_from(["INFO:a:", "2026-01-31 12:00:00,1 - a - INFO - ", "x", "2026-01-31 12:00:00,1 INFO a "]),
              words, numbers, pairs.map("".join)),
    st.builds("{} {} {} {}".format, times, st.sampled_from(["INFO", "nope", ""]), words, words),
    st.builds("{} INFO s API_CALL MATCH_RESULT candidate_id={} endpoint=x job_id=x".format, times, words),
    words,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([PARSER, LITERAL]), st.lists(lines, max_size=12))
@example(PARSER, ["2000-01-01T00:00:00.000Z INFO s API_CALL MATCH_RESULT candidate_id= endpoint=x job_id=x", "-"])
def test_the_vectorised_pass_and_the_strict_reading_agree(parser, texts):
    """Every line has the same format and the same fields either way."""
    texts = [text.rstrip("\r") for text in texts]
    data = "".join(text + "\n" for text in texts).encode()
    found = as_records(parser.parse(data)) if data else {}
    expected = strictly(parser, texts)
    assert {n: r for n, r in found.items() if r[0] != "trace"} == {
        n: expected[n] for n in found if found[n][0] != "trace"
    }
    assert sorted(found) == list(range(len(texts)))
    if data and not any(name == "trace" for name, _ in found.values()):
        misread = Counter((m.field, m.reason) for text in texts for m in parser.read(text)[1].misread)
        assert sum((Counter(rows.misread) for rows in parser.parse(data)), Counter()) == misread


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_every_line_of_any_bytes_is_accounted_for(texts):
    """Invalid UTF-8, NUL bytes and the rest: each line stands in exactly one row."""
    data = b"".join(text.replace(b"\n", b"") + b"\n" for text in texts)
    found = as_records(PARSER.parse(data)) if data else {}
    assert sorted(found) == list(range(len(texts)))


@pytest.mark.parametrize("frame", [b"  F\xefle", b"\x00  File", b"\xef\xbb\xbf  File"])
def test_a_trace_that_begins_with_an_odd_line_is_one_row(frame):
    """The bytes that are read otherwise do not hide from the vectorised pass that its next line goes on."""
    (rows,) = LITERAL.parse(frame + b' "a.py", line 1\nValueError: it failed\n')
    assert (rows.format, len(rows)) == ("trace", 1)


@pytest.mark.parametrize("start", [b"\xff", "\ufffd".encode(), b"\x00"])
def test_a_line_that_starts_with_an_odd_byte_does_not_stop_the_reading(start):
    """Bytes that are no text, a replacement character, a NUL: the lines around are read."""
    good = (API + "response_time=0.1 status=200\n").encode()
    parsed = PARSER.parse(good + start + b"odd\n" + good)
    assert sum(len(rows) for rows in parsed if rows.format == "api_call") == 2


def test_a_stack_trace_stays_together_as_one_row():
    """Traceback, its frames and the exception's own line; they are not counted as unparsed."""
    text = (
        "2026-01-31 12:00:00,123 ERROR shop: it broke\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in f\n'
        "    raise ValueError('x')\n"
        "ValueError: x\n"
        "something else\n"
        "12:00:01 of another log\n"
    )
    found = {rows.format: len(rows) for rows in PARSER.parse(text.encode())}
    assert found == {"python": 1, "trace": 1, "text": 1}
    (trace,) = (rows for rows in PARSER.parse(text.encode()) if rows.format == "trace")
    assert trace.columns["message"].texts() == ["\n".join(text.splitlines()[1:6])]


FRAME = '  File "a.py", line {}, in f'


def traces_of(lines: list[str]) -> list[str]:
    """The messages of the rows of stack traces, in order; all lines are in them."""
    (found,) = PARSER.parse("".join(line + "\n" for line in lines).encode())
    assert found.format == "trace"
    messages: list[str] = found.columns["message"].to_arrow().to_pylist()
    assert "\n".join(messages) == "\n".join(lines)
    return messages


def test_a_stack_trace_of_a_deep_recursion_is_one_row():
    """Java prints 1,024 frames."""
    assert len(traces_of(["Caused by: java.lang.StackOverflowError", *["\tat a.B.c(B.java:1)"] * 1_024])) == 1


def test_a_stack_trace_that_never_ends_goes_on_in_another_row():
    """Blank lines belong to it, too."""
    heights = [message.count("\n") + 1 for message in traces_of([FRAME.format(1), *[""] * 4_999])]
    assert heights == [MOST_LINES, MOST_LINES, 1_000]


def test_a_stack_trace_of_long_lines_goes_on_in_another_row():
    """A line is never cut."""
    frames = [FRAME.format("x" * 50_000)] * 7
    assert [message.count("\n") + 1 for message in traces_of(frames)] == [5, 2]
    assert len(traces_of([FRAME.format("x" * 2 * MOST_CHARACTERS), FRAME.format(1)])) == 2


def test_of_two_stack_traces_that_begin_with_the_same_line_each_has_its_own():
    lines = [FRAME.format(1), "ValueError: a", "12:00:01 of another log", FRAME.format(1), "ValueError: b"]
    trace, _ = PARSER.parse("".join(line + "\n" for line in lines).encode())
    assert trace.columns["message"].texts() == ["\n".join(lines[:2]), "\n".join(lines[3:])]


@pytest.mark.parametrize(
    "lines",
    [
        [" x", *[""] * (1 << 19)],
        ["2026-01-31 12:00:00,123 INFO shop: hello", "a=" * (1 << 16)],
        ["2026-01-31 12:00:00,123 INFO shop: hello", '"GET ' * (1 << 16)],
    ],
    ids=["blank lines", "pairs", "requests"],
)
def test_lines_that_a_message_goes_on_in_take_time_in_proportion_to_their_length(lines):
    """Every other source waits meanwhile."""
    data = "".join(line + "\n" for line in lines).encode()
    begun = time.process_time()
    PARSER.parse(data)
    assert time.process_time() - begun < 6


def formats_of(lines: list[str]) -> list[str]:
    """What each line is counted as, in order."""
    records = as_records(PARSER.parse("".join(line + "\n" for line in lines).encode()))
    return [records[number][0] for number in range(len(lines))]


def test_lines_that_a_message_goes_on_in_belong_to_it():
    """Whether they are indented or not; each parser, at once and line by line, takes the message before it."""
    message = "2026-01-31 12:00:00,123 ERROR shop: 2 validation errors for Order"
    documented = "2026-01-31T12:00:00.123Z ERROR shop 2 validation errors"
    for first in (message, documented):
        assert formats_of([first, "quantity", "  must be positive", "price", first]) == [
            "python",
            *["trace"] * 3,
            "python",
        ]


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 - bob [31/Jan/2026 12:00:00] "GET / HTTP/1.1" 200 -',
        '{"level": "info"}',
        "INFO: started",
        "at=info method=GET path=/x",
        "API_CALL in a new layout",
        "12:00:01 something",
    ],
)
def test_a_record_of_a_format_that_is_not_declared_does_not_hide_in_the_message_before_it(line):
    """It is counted as unparsed."""
    parser = Parser(tuple(built_in(name) for name in ("api_call", "python")))
    rows = parser.parse(f"2026-01-31 12:00:00,123 INFO shop: hello\n{line}\n".encode())
    assert [found.format for found in rows] == ["python", "text"]


def test_a_format_that_changes_does_not_hide_in_the_last_message():
    """After twenty lines of no format the rest is counted as unparsed."""
    lines = ["2026-01-31 12:00:00,123 INFO shop: hello", *(f"line {n} of a new format" for n in range(100))]
    assert formats_of(lines).count("trace") == 20


def test_a_chunk_of_a_million_columns_keeps_line_numbers():
    """Rows tell which line of the chunk they are."""
    text = "".join(API + f"response_time=0.{n:03d} status=200\n" for n in range(1000)).encode()
    (rows,) = PARSER.parse(text)
    assert np.array_equal(rows.lines, np.arange(1000))
    assert rows.columns["response_time"].numbers().tolist() == [n / 1000 for n in range(1000)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("number", [3, 300])
def test_lines_in_utf_16_are_read_and_their_ids_do_not_hide_between_nul_bytes(encoding, number):
    """Read a line at a time and all at once; that the bytes are odd is counted."""
    text = "".join(f"{API}response_time=0.{n:03d} status=200\n" for n in range(number))
    rows = [found for found in PARSER.parse(text.encode(encoding) + b"\n") if found.format == "api_call"]
    records = as_records(rows)
    assert len(records) == number
    assert {fields["user_id"] for _, fields in records.values()} == {"u1"}
    assert sum(found.misread["line", "holds NUL bytes"] for found in rows) == number


def test_nul_bytes_within_a_chunk_cost_no_line():
    """A writer without O_APPEND leaves them behind a truncation."""
    line = (API + "response_time=0.1 status=200\n").encode()
    assert len(as_records([r for r in PARSER.parse(line * 200 + bytes(500) + line) if r.format == "api_call"])) == 201
