"""The generated Logstash pipeline as a whole, run by a twin of its filters in Ruby, beside Bascule's own reader."""

from __future__ import annotations

import itertools
import logging
import subprocess
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from bascule.errors import ProgramMissing
from bascule.generate import elk
from bascule.logs import UNPARSED, Parser, Rows, VersionFinder, format_named
from bascule.processes import programs
from bascule.spec import Spec, load
from bascule.spec.model import LogFormat, Logs, LogSource

pytestmark = pytest.mark.integration

TWIN = Path(__file__).parents[1] / "fixtures/logstash/twin.rb"
FORMATS = [
    "api_call", "match_result", "checkout", "nested", "werkzeug", "nginx_combined", "envoy", "haproxy", "granian",
    "uvicorn", "python", "logfmt",
]  # fmt: skip
CHECKOUT = LogFormat(
    dissect="%{timestamp} %{level} %{service} PAID user_id=%{user_id} took=%{response_time}",
    units={"response_time": "ms"},
)
NESTED = LogFormat(json=True, fields={"endpoint": "q.u"}, units={"took": "ms", "response_time": "us"})
LAYOUTS = [
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    "%(asctime)s - %(levelname)s - %(message)s",
    "%(asctime)s %(levelname)s %(name)s %(message)s",
    "%(asctime)s %(levelname)s %(name)s: %(message)s",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "%(asctime)s [%(levelname)s] - [%(name)s] %(message)s",
    "[%(asctime)s] %(levelname)s in %(name)s: %(message)s",
    logging.BASIC_FORMAT,
    "%(asctime)s %(message)s",
    "%(message)s",
]
DATES = [None, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.25Z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%S.123456"]
MESSAGES = [
    "API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "API_CALL user_id= endpoint=/api/v2/match?a=(b) response_time=1e-05 status=503 version=v2 partner=[acme] trace=4b",
    "API_CALL user_id=u1 endpoint=/v1/x response_time=0.5 status=200 user_segment=\"a\" a=1 a=2 service=x level=odd",
    "API_CALL user_id=u1 endpoint=/x response_time=0.5 status=200 accuracy=none extra=kept version_from=here b=",
    "API_CALL user_id=u1 endpoint=/x response_time=0.5 status=200 message=spoken extra=gone c=d timestamp=never",
    "API_CALL user_id=u1 endpoint=/x response_time=fast status=200",
    "API_CALL user_id=u1 endpoint=/x?a=1&b=2 response_time=-1 status=200 trace=\"a b\" ",
    "API_CALL user_id=u1 endpoint=http://h/x?q response_time=0.011018991470336914 status=200.0 version=2.14",
    "API_CALL user_id=u1 endpoint=/x response_time=.5 status=200 accuracy=nan",
    "API_CALL user_id=1:API_CALL user_id=2 endpoint=/x response_time=0.5 status=200",
    "MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=0.93 algorithm=nexten",
    "MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=1 algorithm=hybrid version=v1 response_time=0.2 status=soon",
    "PAID user_id=7 took=41.5",
    "it broke: cart=3",
]  # fmt: skip
COMMON = "10.0.0.1 - - [31/Jan/2026:13:00:00 +0100]"
HAPROXY = "10.0.0.1:3 [31/Jan/2026:12:00:00.123] front back/supersmartmatch-v2 1/0/2/3/6"
OTHERS = [
    f'{COMMON} "GET /api/v2/match?a=1 HTTP/1.1" 200 512 "-" "curl/7.88"',
    f'{COMMON} "GET /a b HTTP/1.1" 200 5 "-" "curl" rt=0.25 urt="0.1, 0.2" us="502, 200" c=d',
    f'{COMMON} "" 400 0 "-" "-" "10.9.9.9" up=x rt=-',
    rf'{COMMON} "\x16\x03\x01\x02" 400 150 "-" "-"',
    f'{COMMON} "GET /old" 502 150',
    '127.0.0.1:5000 - - [31/Jan/2026:12:00:00 +0000] "GET /x 1.1" 200 5 "-" "curl"',
    '{"ts": 1769860800.1234567, "request": {"method": "GET", "uri": "/x?a=1"}, "status": 200, "duration": 0.001}',
    '{"time": 1769860800123, "level": 30, "req": {"url": "/y"}, "res": {"statusCode": 503}, "responseTime": 7}',
    '{"@timestamp": "2026-01-31T12:00:00.123456Z", "http": {"response": {"status_code": "x"}}, "b": "c d"}',
    '{"timestamp": "yesterday", "request": "GET /z HTTP/1.1", "status": "200", "request_time": -1}',
    '{"event": {"duration": 5000000}, "list": [1, {"a": null}], "took": 1, "msg": "hello"}',
    '{"took": 300, "q": {"u": "/q"}, "uri": "/other", "status_code": 200, "level": "-", "empty": {}, "n": null}',
    '[2026-01-31T12:00:00.000Z] "GET /e HTTP/1.1" 200 - 0 5 12 11 "-" "curl" "id" "host" "127.0.0.1:5070"',
    f'x haproxy[1]: {HAPROXY} 503 7 - - ---- 1/1/0/0/0 0/0 "GET /h HTTP/1.1"',
    '[INFO] [2026-01-31 12:00:00 +0000] 127.0.0.1 - "GET /g HTTP/1.1" 200 1.234',
    'INFO:      - "GET /u HTTP/1.1" 499 ',
    "INFO:     Started server process [1]",
    '2026-01-31 12:00:00,123 - uvicorn.access - INFO - 127.0.0.1:1 - "GET /u?x HTTP/1.1" 200 OK',
    "[2026-01-31 12:00:00 +0000] [7] [INFO] Booting worker with pid: 7",
    "2026-01-31T12:00:00Z INFO shop PAID user_id=7 took=41.5 version=v2 tip=1",
    "2026-01-31 12:00:00.123456+01:00 INFO shop it broke",
    "2026-13-31 12:00:00,123 - shop - INFO - API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "2026-01-31 12:00:00,123 - shop - LOUD - API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "2026-01-31 12:00:00,123 -  - INFO - nobody",
    "1769860800.5 INFO shop API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "INFO::API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200 service=shop",
    "ERROR: could not open: no such file",
    "2026-01-31T12:00:00.123Z | INFO     | shop:main:12 - API_CALL user_id=u1 endpoint=/x response_time=1 status=200",
    "[2026-01-31 12:00:00,123: INFO/Main] API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "INFO 2026-01-31 12:00:00,123 shop 12 14 API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    "2026-01-31 12:00:00,123 [Main] INFO shop - API_CALL user_id=u1 endpoint=/x response_time=1.5ms status=200",
    "duration=1m2.5s level=info path=\"/a b?c=\\\"d\" status=200 time=2026-01-31T12:00:00Z version=v2 event='it\\'s'",
    "2026-01-31 12:00:00 [info     ] request handled   [shop] duration=0.25 path='/x?a=1' status=503",
    '[2026-01-31T12:00:00.000Z] "GET /e HTTP/1.1" 0 DC 0 0 12 - "-" "a "b" c" "id" "host" "127.0.0.1:5070"',
    f'x haproxy[1]: {HAPROXY} 400 7 - - CH-- 1/1/0/0/0 0/0 "GET /h HTTP/1.1"',
    '{"response_code": 0, "response_flags": "DC", "path": "/x", "took": 5}',
    f'[2026-01-31 12:00:00 +0000] [7] [INFO] {COMMON} "GET /q"x 1.1" 200 7 "-" "a "b" [c]"',
    f'INFO:aiohttp.access:{COMMON} "GET /x HTTP/1.1" 200 7 "-" "curl" duration_us=1500',
    "he said API_CALL user_id=u1 endpoint=/x response_time=0.023 status=200",
    '127.0.0.1 - - [31/Jan/2026 12:00:00] "GET /api/v1/match?x=1 HTTP/1.1" 404 -',
    'INFO:werkzeug:127.0.0.1 - - [31/Jan/2026 12:00:00] "\x1b[33mGET /api/v1/match?x=1 HTTP/1.1\x1b[0m" 404 -',
    'INFO:     127.0.0.1:51412 - "POST /match HTTP/1.1" 500 Internal Server Error',
]


def written(message: str, layout: str, date: str | None, service: str) -> str:
    """The line that Python's logging writes."""
    formatter = logging.Formatter(layout, date)
    formatter.converter = time.gmtime
    record = logging.LogRecord(service, logging.INFO, "app.py", 1, message, (), None)
    record.created, record.msecs = 1769860800.123, 123
    return formatter.format(record)


LINES = [
    *(written(message, layout, None, "supersmartmatch-v2") for message, layout in itertools.product(MESSAGES, LAYOUTS)),
    *(written(MESSAGES[0], layout, date, "bücher.shop") for layout, date in itertools.product(LAYOUTS, DATES)),
    *OTHERS,
]


@pytest.fixture(scope="module")
def spec() -> Spec:
    """One source of every text format; ids as they are."""
    source = LogSource(name="shop", files="/var/log/shop.log", formats=FORMATS)
    return load("supersmartmatch").model_copy(
        update={"logs": Logs(sources=[source], formats={"checkout": CHECKOUT, "nested": NESTED})}
    )


@pytest.fixture(scope="module")
def events(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What the pipeline makes of `LINES`: every event's fields as texts."""
    try:
        ruby = programs.find("ruby")
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    pipeline = tmp_path_factory.mktemp("logstash") / "pipeline.conf"
    pipeline.write_text(elk.elk_files(spec)["logstash/pipeline.conf"], "utf-8")
    with resources.as_file(resources.files("bascule.logformat") / "grok-patterns.txt") as stock:
        done = subprocess.run(
            [str(ruby), "-W0", "--disable-gems", str(TWIN), str(pipeline), str(stock), "shop"],
            input="\n".join(LINES), capture_output=True, text=True, encoding="utf-8", check=False,
            env=programs.environment(ruby),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [
        dict(field.split("\x1f", 1) for field in event.split("\x1e") if field)
        for event in done.stdout.split("\x1d")[:-1]
    ]


def ours(spec: Spec, line: str) -> dict[str, Any]:
    """The row of Bascule's own reader, its version included."""
    parser = Parser(tuple(format_named(name, spec.logs.formats) for name in FORMATS))
    [rows] = parser.parse(line.encode() + b"\n")
    rows = VersionFinder.of(spec).add(rows)
    found = {name: value for name in rows.columns if (value := cell(rows, name)) is not None}
    milliseconds = {"milliseconds": int(rows.times[0]) // 1000} if rows.times[0] else {}
    return {"format": rows.format} | milliseconds | {name: value for name, value in found.items() if name[0] != "_"}


def cell(rows: Rows, name: str) -> Any:
    return rows.columns[name].to_arrow().to_pylist()[0]


def theirs(event: dict[str, str]) -> dict[str, Any]:
    """The event with its figures as numbers, without what our rows have no column for."""
    numbers = {"response_time", "accuracy", "status", "milliseconds"}
    return {
        name: float(text) if name in numbers else text
        for name, text in event.items()
        if name not in ("received", "source")
    }


@pytest.mark.parametrize("number", range(len(LINES)), ids=LINES)
def test_logstash_makes_the_same_fields_of_a_line_as_our_own_reader(
    number: int, spec: Spec, events: list[dict[str, str]]
) -> None:
    """Whatever layout of Python's logging stands before an event: its format, fields, time and version."""
    row, event = ours(spec, LINES[number]), theirs(events[number])
    if row["format"] == UNPARSED:
        assert (event["format"], event["tags"]) == (UNPARSED, '["unparsed"]')
    else:
        assert event == pytest.approx(row)


def test_every_format_is_among_the_lines(spec: Spec) -> None:
    """So that the comparison is about something."""
    assert {ours(spec, line)["format"] for line in LINES} == {*FORMATS, UNPARSED}
