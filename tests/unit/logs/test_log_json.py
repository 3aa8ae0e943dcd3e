"""JSON lines: paths, units, and the names that loggers and proxies give to things."""

from __future__ import annotations

import json

import pytest

from bascule.logs import Parser, built_in, format_named
from bascule.spec.model import LogFormat

NOON = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def read(document: object, **declared: object) -> dict[str, object]:
    """What is stored of a document."""
    form = LogFormat(json=True, **declared)
    reading = format_named("own", {"own": form}).read(json.dumps(document))
    return {name: value for name, value in reading.fields.items() if name[0] != "_"}


def misread(document: object, **declared: object) -> list[tuple[str, str]]:
    reading = format_named("own", {"own": LogFormat(json=True, **declared)}).read(json.dumps(document))
    return [(found.field, found.reason) for found in reading.misread]


def test_a_unit_goes_by_the_fields_own_name_or_by_the_columns():
    """Envoy's `duration` is milliseconds; units of nested paths too."""
    for name in ("duration", "response_time"):
        assert read({"duration": 300}, units={name: "ms"}) == {"response_time": 0.3}
    assert read({"took": {"total": 5_000}}, fields={"response_time": "took.total"}, units={"took.total": "us"}) == {
        "response_time": 0.005
    }
    assert read({"event": {"duration": 7}}, units={"response_time": "s"}) == {"response_time": 7}, "the spec's own unit"


@pytest.mark.parametrize("document", [{"duration": -1}, {"request_time": "-1"}, {"response_time": -0.5}])
def test_a_negative_time_is_absent_and_told(document):
    """HAProxy's -1 would make a failing version look fastest."""
    assert "response_time" not in read(document)
    assert misread(document) == [("response_time", "negative")]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (  # Caddy
            {"level": "info", "ts": 1769860800.1234567, "logger": "http.log.access", "msg": "handled request",
             "request": {"method": "GET", "uri": "/api/v2/match?x=1"}, "duration": 0.001234567, "status": 200},
            {"level": "info", "timestamp": NOON + 123_456, "service": "http.log.access", "message": "handled request",
             "method": "GET", "endpoint": "/api/v2/match", "extra": "query=x=1", "response_time": 0.001234567,
             "status": 200},
        ),
        (  # Elastic Common Schema
            {"@timestamp": "2026-01-31T12:00:00.000Z", "log.level": "info", "message": "m", "service": {"name": "shop"},
             "http": {"request": {"method": "GET"}, "response": {"status_code": 404}}, "url": {"path": "/x"},
             "event": {"duration": 1_500_000}, "user": {"id": "u1"}},
            {"timestamp": NOON, "level": "info", "message": "m", "service": "shop", "method": "GET", "status": 404,
             "endpoint": "/x", "response_time": 0.0015, "user_id": "u1"},
        ),
        (  # pino with pino-http
            {"level": 30, "time": 1769860800000, "pid": 1, "msg": "request completed", "responseTime": 12,
             "req": {"method": "GET", "url": "/x"}, "res": {"statusCode": 200}},
            {"level": "30", "timestamp": NOON, "extra": "pid=1", "message": "request completed", "response_time": 0.012,
             "method": "GET", "endpoint": "/x", "status": 200},
        ),
        (  # structlog
            {"event": "started", "level": "info", "timestamp": "2026-01-31T12:00:00Z", "port": 1},
            {"message": "started", "level": "info", "timestamp": NOON, "extra": "port=1"},
        ),
        (  # zap
            {"level": "info", "ts": 1769860800.5, "caller": "main.go:1", "msg": "m", "took_ms": 3},
            {"level": "info", "timestamp": NOON + 500_000, "caller": "main.go:1", "message": "m",
             "response_time": 0.003},
        ),
        (  # Traefik
            {"StartUTC": "2026-01-31T12:00:00.5Z", "Duration": 2_000_000, "RequestMethod": "GET", "RequestPath": "/x",
             "DownstreamStatus": 502, "OriginStatus": 502, "ServiceAddr": "127.0.0.1:5070"},
            {"timestamp": NOON + 500_000, "response_time": 0.002, "method": "GET", "endpoint": "/x", "status": 502,
             "upstream_status": "502", "upstream_addr": "127.0.0.1:5070"},
        ),
    ],
)  # fmt: skip
def test_what_loggers_and_proxies_write_is_known(document, expected):
    """Nested paths, their units, and times by magnitude."""
    assert read(document) == expected


def test_the_columns_own_name_counts_most_then_a_declared_path_then_the_first_known_name():
    """Whatever their order in the line."""
    assert read({"uri": "/a", "path": "/b"}) == {"endpoint": "/a"}
    assert read({"uri": "/a", "q": {"u": "/b"}}, fields={"endpoint": "q.u"}) == {"endpoint": "/b"}
    assert read({"uri": "/a", "q": {"u": "/b"}, "endpoint": "/c"}, fields={"endpoint": "q.u"}) == {"endpoint": "/c"}


def test_values_of_any_depth_and_lists_are_kept():
    """As words of `extra`; text with blanks stands in quotes."""
    document = {"a": {"b": {"c": 1, "d": "x y"}}, "list": ["p", "q r"], "none": None, "blank": "-", "empty": {}}
    assert read(document) == {"extra": 'a.b.c=1 a.b.d="x y" list=["p", "q r"] empty={}'}


@pytest.mark.parametrize("number", ["1E400", "123456789012345678901234567890", "0.1e-7", "-0", "2.0"])
def test_any_number_of_json_is_read_or_told(number):
    """Never a line that is lost."""
    reading = format_named("json", {}).read(f'{{"request_time": {number}, "status": 200}}')
    assert reading.fields["status"] == 200
    assert "response_time" in reading.fields or reading.misread


@pytest.mark.parametrize("escape", [r"\ud800", r"\uD83D", r"\udc00", r"\udc00\ud800"])
@pytest.mark.parametrize("times", [1, 1000])
def test_half_a_surrogate_pair_stays_its_escape_and_loses_no_line(escape, times):
    """JavaScript cuts a text in the middle of a pair, and writes it so."""
    line = f'{{"time": "2026-01-31T12:00:00Z", "level": "info", "msg": "cut {escape}", "status": 200}}\n'
    rows = Parser((built_in("json"),)).parse(line.encode() * times)
    assert sum(len(found) for found in rows) == times
    reading = built_in("json").read(line.rstrip("\n"))
    assert reading.fields["message"].encode() == f"cut {escape}".encode()


def test_a_whole_surrogate_pair_is_its_character():
    assert built_in("json").read(r'{"msg": "\ud83d\ude00", "status": 200}').fields["message"] == "\U0001f600"
