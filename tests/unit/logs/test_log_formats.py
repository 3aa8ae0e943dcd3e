"""The built-in formats, on lines as the programs write them."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.errors import UsageError
from bascule.instrument.logging import EventLog, JsonFormatter, LineFormatter
from bascule.logformat import PatternError
from bascule.logs import Parser, built_in, compile_dissect, compile_grok, format_named, read_time
from bascule.spec.model import LogFormat

NOON = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def said(reading) -> dict[str, object] | None:
    """What a reading holds that is stored."""
    if reading is None:
        return None
    return {name: value for name, value in reading.fields.items() if name[0] != "_" and value not in ("", "-")}


def read(name: str, line: str):
    return said(built_in(name).read(line))


def test_werkzeug_lines_are_read_with_and_without_colour():
    """Werkzeug wraps the request in ANSI codes on a terminal."""
    plain = '127.0.0.1 - - [31/Jan/2026 12:00:00] "GET /api/v1/match?x=1 HTTP/1.1" 404 -'
    coloured = (
        'INFO:werkzeug:127.0.0.1 - - [31/Jan/2026 12:00:00] "\x1b[33mGET /api/v1/match?x=1 HTTP/1.1\x1b[0m" 404 -'
    )
    expected = {
        "timestamp": NOON, "method": "GET", "endpoint": "/api/v1/match", "status": 404, "extra": "query=x=1",
    }  # fmt: skip
    assert read("werkzeug", plain) == read("werkzeug", coloured) == expected


def test_uvicorn_access_lines_are_read():
    """They carry no time."""
    fields = read("uvicorn", 'INFO:     127.0.0.1:51412 - "POST /match HTTP/1.1" 500 Internal Server Error')
    assert fields == {"level": "INFO", "method": "POST", "endpoint": "/match", "status": 500}


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-31 12:00:00,000 - shop.cart - ERROR - it broke",
        "2026-01-31 12:00:00,000 ERROR shop.cart it broke",
        "2026-01-31 12:00:00,000 [ERROR] shop.cart: it broke",
        "2026-01-31T12:00:00.000Z ERROR shop.cart it broke",
        "[2026-01-31 12:00:00,000] ERROR in shop.cart: it broke",
    ],
)
def test_the_common_layouts_of_python_logging_are_read(line):
    """Time, level, logger and message, whatever the punctuation."""
    fields = read("python", line)
    assert fields == {"timestamp": NOON, "level": "ERROR", "service": "shop.cart", "message": "it broke"}


@pytest.mark.parametrize(
    ("prefix", "stated"),
    [
        ("2026-01-31T12:00:00.000Z INFO shop ", {"timestamp", "level", "service"}),
        ("2026-01-31 12:00:00,000 - shop - INFO - ", {"timestamp", "level", "service"}),
        ("2026-01-31 12:00:00,000 INFO shop: ", {"timestamp", "level", "service"}),
        ("[2026-01-31 12:00:00,000] INFO in shop: ", {"timestamp", "level", "service"}),
        ("2026-01-31 12:00:00,000 - INFO - ", {"timestamp", "level"}),
        ("INFO:shop:", {"level", "service"}),
        ("2026-01-31 12:00:00,000 ", {"timestamp"}),
        ("", set()),
    ],
)
def test_the_source_documents_events_are_read_behind_pythons_layouts(prefix, stated):
    """Its services leave the layout to `logging`, whose default writes `asctime` with a blank and a comma."""
    usual = {"timestamp": NOON, "level": "INFO", "service": "shop"}
    call = "API_CALL user_id=u endpoint=/x response_time=0.5 status=200 version=v2"
    match = "MATCH_RESULT candidate_id=c job_id=j accuracy=0.9 algorithm=hybrid"
    expected = {name: usual[name] for name in stated}
    parser = Parser((built_in("api_call"), built_in("match_result"), built_in("python")))
    name, reading = parser.read(prefix + call)
    event = {"user_id": "u", "endpoint": "/x", "response_time": 0.5, "status": 200, "version": "v2"}
    assert (name, said(reading)) == ("api_call", expected | event)
    assert parser.read(prefix + match)[0] == "match_result"
    texts = (prefix + call + "\nodd line\n" + prefix + match + "\n").encode()
    both = Parser((built_in("api_call"), built_in("match_result")))
    assert sorted(rows.format for rows in both.parse(texts)) == ["api_call", "match_result", "text"]


def test_what_the_layout_states_stands_against_the_pairs_behind_an_event():
    """As the fields of the event do; what it does not state, a pair may."""
    call = "API_CALL user_id=u endpoint=/x response_time=0.5 status=200 service=pair level=odd"
    assert read("api_call", "INFO:shop:" + call)["service"] == "shop"
    assert read("api_call", "INFO::" + call)["service"] == "pair"
    assert read("api_call", call)["level"] == "odd"


def test_a_sentence_between_colons_is_no_logger_of_basic_config():
    """Else every file that is not found would be a service."""
    assert read("python", "ERROR:shop.cart:it broke")["service"] == "shop.cart"
    assert read("python", "ERROR: could not open: no such file") is None


@pytest.mark.parametrize("line", ["x API_CALL user_id=u endpoint=/x", "{} API_CALL user_id=u", "INFO API_CALL x"])
def test_an_event_behind_anything_else_is_not_one(line):
    """A line that only quotes the event."""
    assert read("api_call", line + " response_time=0.5 status=200") is None


def test_nginx_combined_lines_are_read():
    """The default access log."""
    line = '10.0.0.1 - - [31/Jan/2026:13:00:00 +0100] "GET /api/v2/match HTTP/1.1" 200 512 "-" "curl/7.88"'
    fields = read("nginx_combined", line)
    assert fields == {"timestamp": NOON, "method": "GET", "endpoint": "/api/v2/match", "status": 200}


def test_nginx_json_lines_are_read_under_the_stores_names():
    """`time`, `uri`, `request_time` and empty upstreams are known."""
    line = json.dumps(
        {"time": "2026-01-31T12:00:00+00:00", "upstream_addr": "127.0.0.1:5070", "status": "200", "version": "-",
         "request_time": "0.023", "uri": "/api/v1/match", "user_segment": "freemium", "bytes": 12}
    )  # fmt: skip
    assert read("nginx_json", line) == {
        "timestamp": NOON, "upstream_addr": "127.0.0.1:5070", "status": 200, "response_time": 0.023,
        "endpoint": "/api/v1/match", "user_segment": "freemium", "extra": "bytes=12",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["{", "[1]", "{}x", "{" * 10_000, '{"a":' * 5000, "null"])
def test_what_is_no_json_object_is_refused(line):
    """Depth bombs included."""
    assert read("json", line) is None


def test_lines_of_our_own_instrumentation_are_read():
    """The library a service imports and the pipeline agree, as text and as JSON."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("test-log-formats")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    events = EventLog(logger, "v2", b"key")
    events.api_call("42", "/api/v2/match", 0.0412, 200)
    events.match_result("c", "j", 0.93, "hybrid")
    for formatter, names in ((LineFormatter, ("api_call", "match_result")), (JsonFormatter, ("json", "json"))):
        lines = [formatter("supersmartmatch-v2").format(record) for record in records]
        call, match = (read(name, line) for name, line in zip(names, lines, strict=True))
        assert (call["response_time"], call["status"], call["version"]) == (0.0412, 200, "v2")
        assert (match["accuracy"], match["algorithm"], match["service"]) == (0.93, "hybrid", "supersmartmatch-v2")


def test_the_source_documents_grok_captures_the_algorithm():
    """Its own pattern ends in a lazy DATA, which captures nothing unless the pattern covers the line."""
    grok = compile_grok(
        "%{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:level} %{DATA:service} MATCH_RESULT "
        "candidate_id=%{DATA:candidate_id} job_id=%{DATA:job_id} accuracy=%{NUMBER:accuracy:float} "
        "algorithm=%{DATA:algorithm}"
    )
    line = "2026-01-31T12:00:00Z INFO ssm MATCH_RESULT candidate_id=c job_id=j accuracy=0.9 algorithm=hybrid"
    assert said(grok.read(line)) == {
        "timestamp": NOON, "level": "INFO", "service": "ssm", "candidate_id": "c", "job_id": "j",
        "accuracy": 0.9, "algorithm": "hybrid",
    }  # fmt: skip


def test_logstashs_combined_pattern_reads_an_access_log():
    """Its field names (verb, request, response) come under the store's."""
    line = '10.0.0.1 - - [31/Jan/2026:12:00:00 +0000] "GET /x HTTP/1.1" 404 12 "-" "curl"'
    fields = compile_grok("%{COMBINEDAPACHELOG}").read(line).fields
    assert (fields["method"], fields["endpoint"], fields["status"], fields["timestamp"]) == ("GET", "/x", 404, NOON)


def test_units_and_inline_groups_are_read_as_logstash_writes_them():
    """`%{NUMBER:response_time:ms}` is milliseconds; `(?<name>...)` captures; alternatives may share a name."""
    grok = compile_grok(r"(?<user_id>u\d+) took (?:%{NUMBER:response_time:ms}ms|%{NUMBER:response_time:ms}) \(ok\)")
    read = grok.read_many(["u7 took 23ms (ok)", "u7 took 23 (ok)"])
    assert [said(reading) for reading in read] == [{"user_id": "u7", "response_time": 0.023}] * 2
    half = {"response_time": 0.5}
    assert said(compile_grok("%{NUMBER:response_time:int}").read("0.5")) == half, "our column's usual kind"
    assert said(compile_grok("%{NUMBER:response_time}", {"response_time": "us"}).read("500000")) == half


@pytest.mark.parametrize(
    ("pattern", "position", "part"),
    [
        ("%{WORD:a} (%{WORD:b}", 11, "regular"),
        ("%{WORD:a} [z-%{WORD:b}", 12, "regular"),
        ("%{WORD:a} x**", 13, "regular"),
        ("%{WORD:a} x{99999999999}", 1, "regular"),
        ("(?<a>x) %{NOPE}", 9, "NOPE"),
        ("a %{NOPE:x}", 3, "NOPE"),
        ("%{WORD:x:number}", 1, "number"),
        ("%{word", 1, "not a grok"),
        ("(%{WORD:x}", 1, "regular"),
    ],
)
def test_a_wrong_grok_is_told_with_its_position(pattern, position, part):
    """Unknown pattern, unknown type, broken reference, broken expression."""
    with pytest.raises(PatternError) as caught:
        compile_grok(pattern)
    assert caught.value.position == position
    assert part in str(caught.value)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text(alphabet=st.sampled_from("%{}()[]?<>a:W*\\\\|+-1 "), max_size=14))
def test_any_grok_or_dissect_is_read_or_refused_with_a_position_in_it(pattern):
    """Nothing else is raised."""
    for compiled in (compile_grok, compile_dissect):
        try:
            compiled(pattern)
        except PatternError as error:
            assert 1 <= error.position <= len(pattern) + 1  # noqa: PT017 - there may be none


def test_an_unknown_format_names_those_there_are():
    """And a declared one stands against the built-in one of its name."""
    with pytest.raises(UsageError, match="unknown format 'apl_call'"):
        format_named("apl_call", {})
    own = format_named("api_call", {"api_call": LogFormat(dissect="%{endpoint} took %{response_time:ms}")})
    assert said(own.read("/x took 5")) == {"endpoint": "/x", "response_time": 0.005}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31 12:00:00,5", NOON + 500_000),
        ("2026-01-31T14:00:00.000001+02:00", NOON + 1),
        ("31/Jan/2026:12:00:00 +0000", NOON),
        ("1769860800.25", NOON + 250_000),
        ("2026-02-30T12:00:00Z", None),
        ("31/Foo/2026:12:00:00 +0000", None),
        ("0000-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_times_are_microseconds_in_utc(text, expected):
    """ISO 8601, the common log format and epoch seconds."""
    assert read_time(text) == expected
