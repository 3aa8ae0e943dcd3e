"""Lines behind what collectors and loggers put before them: a container runtime's head, syslog's, a layout's."""

from __future__ import annotations

import json

import pytest

from bascule.logs import Parser, built_in

FORMATS = ("api_call", "json", "nginx_combined", "python")
PARSER = Parser(tuple(map(built_in, FORMATS)))
EVENT = "2026-01-31T12:00:00.000Z INFO shop-v2 API_CALL user_id=u endpoint=/x response_time=0.1 status=200"
ACCESS = '1.2.3.4 - - [31/Jan/2026:12:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "curl/8"'
OBJECT = '{"path": "/x", "status": 200, "message": "a {\\"b\\": 1} c"}'
NOON = 1_769_860_800_000_000


def docker(line: str) -> str:
    written = {"log": line + "\n", "stream": "stdout", "time": "2026-01-31T12:00:01.5Z"}
    return json.dumps(written, separators=(",", ":"))


HEADS = [
    "2026-01-31T12:00:01.500000001Z stdout F {}".format,
    "2026-01-31T13:00:01.500000001+01:00 stderr F {}".format,
    "shop-1  | {}".format,
    "Jan 31 12:00:01 host shop[12]: {}".format,
    "<34>1 2026-01-31T12:00:01.5Z host shop 12 - - {}".format,
    docker,
]


@pytest.mark.parametrize("wrap", HEADS)
@pytest.mark.parametrize(("name", "line"), [("api_call", EVENT), ("nginx_combined", ACCESS), ("json", OBJECT)])
def test_a_request_is_read_behind_a_collectors_head(wrap, name, line):
    """As it is without; the head's time counts only where the line has none."""
    form, reading = PARSER.read(wrap(line))
    plain = PARSER.read(line)[1]
    assert form == name
    assert reading.fields.items() >= plain.fields.items()
    said = NOON + 1_500_000 if ":01.5" in wrap("") else None
    assert reading.fields.get("timestamp") == plain.fields.get("timestamp", said)


@pytest.mark.parametrize("many", [1, 200])
@pytest.mark.parametrize("wrap", HEADS)
def test_many_lines_behind_a_head_are_read_as_one_is(wrap, many):
    """The vectorised pass leaves them alone; a trace in them is one row."""
    trace = ["Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: no"]
    text = "".join(f"{wrap(line)}\n" for line in [*[EVENT] * many, *trace])
    found = {rows.format: rows for rows in PARSER.parse(text.encode())}
    assert {name: len(rows) for name, rows in found.items()} == {"api_call": many, "trace": 1}
    assert found["api_call"].columns["service"].texts() == ["shop-v2"]


@pytest.mark.parametrize("few_lines", [0, 10])
@pytest.mark.parametrize("wrap", HEADS)
def test_lines_that_no_format_has_are_read_alike_whether_few_or_many(wrap, few_lines):
    """Where a source has the source document's events alone, all others are read at once; not those behind a head."""
    lines = ["plain words", '  File "x.py", line 1', "ValueError: no"]
    parsed = Parser((built_in("api_call"),), few_lines=few_lines).parse("".join(f"{wrap(x)}\n" for x in lines).encode())
    messages = {rows.format: rows.columns["message"].texts() for rows in parsed}
    assert messages == {"text": ["plain words"], "trace": ['  File "x.py", line 1\nValueError: no']}


def test_a_line_that_no_format_has_is_kept_without_its_head():
    """With the head's time, and counted."""
    form, reading = PARSER.read("2026-01-31T12:00:00.5Z stdout F what is this")
    assert (form, reading.fields["message"], reading.fields["timestamp"]) == ("text", "what is this", NOON + 500_000)
    assert [found.reason for found in reading.misread] == ["fits no format"]


@pytest.mark.parametrize(
    "head",
    [
        "2026-01-31 12:00:00,000 INFO shop-v2: ",
        "2026-01-31 12:00:00,000 - shop-v2 - INFO - ",
        "INFO:shop-v2:",
        "2026-01-31T12:00:00.000Z\tINFO\tshop-v2\tserver.go:12\trequest\t",  # zap's console
    ],
)
def test_an_object_behind_a_layout_is_read(head):
    """Python's logging, with an object as the message."""
    form, reading = PARSER.read(head + OBJECT)
    assert form == "json"
    assert reading.fields.items() >= {"endpoint": "/x", "status": 200, "level": "INFO"}.items()


def test_an_object_that_a_sentence_ends_with_is_no_request():
    """A message may quote an answer."""
    assert PARSER.read('2026-01-31 12:00:00,000 INFO shop: the partner said {"status": 500}')[0] == "python"


@pytest.mark.parametrize(
    "head",
    [
        "01/31/2026 03:04:05 PM INFO shop ", "31.01.2026 12:00:00 INFO shop ", "12:00:00 INFO shop ",
        "[12:00:00] INFO     ", "I0131 12:00:00.123456 140625731480448 app.py:17] ",
    ],
)  # fmt: skip
def test_an_event_behind_a_time_without_a_day_is_read_and_has_no_time(head):
    """Or with one that is read in two ways."""
    form, reading = PARSER.read(head + EVENT[EVENT.index("API_CALL") :])
    assert (form, reading.fields["status"]) == ("api_call", 200)
    assert "timestamp" not in reading.fields


@pytest.mark.parametrize(
    "container", ["record.extra", "fields", "@fields", "context", "attributes", "jsonPayload", "Properties"]
)
def test_fields_in_a_loggers_container_are_known(container):
    """Only those of a request: a file's path is none."""
    document: object = {"status": 503, "path": "/x", "duration_ms": 12, "name": "n"}
    for name in reversed(container.split(".")):
        document = {name: document}
    fields = PARSER.read(json.dumps(document | {"file": {"path": "/app.py"}}))[1].fields
    assert (fields["status"], fields["endpoint"], fields["response_time"]) == (503, "/x", 0.012)
    assert "service" not in fields
