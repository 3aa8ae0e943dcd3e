"""API_CALL and MATCH_RESULT lines."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.instrument.logging import EventLog, JsonFormatter, LineFormatter, Pseudonyms

# The source document's grok patterns; MATCH_RESULT's with the end that it lacks.
LINE = re.compile(
    r"(?P<timestamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>[A-Z]+) (?P<service>\S+) (?P<message>.*)"
)
API_CALL = re.compile(
    r"API_CALL user_id=(?P<user_id>.*?) endpoint=(?P<endpoint>.*?)"
    r" response_time=(?P<response_time>[\d.]+) status=(?P<status>\d+)"
)
MATCH_RESULT = re.compile(
    r"MATCH_RESULT candidate_id=(?P<candidate_id>.*?) job_id=(?P<job_id>.*?) accuracy=(?P<accuracy>[\d.]+)"
    r" algorithm=(?P<algorithm>\S+)"
)
_names = count()


def _written(formatter: logging.Formatter, write: Callable[[logging.Logger], None]) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(f"lines.{next(_names)}")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    write(logger)
    return stream.getvalue()


@pytest.fixture
def events() -> Iterator[Callable[..., EventLog]]:
    return lambda logger, **options: EventLog(logger, "v2", key=b"secret", **options)


def _fields(pattern: re.Pattern[str], line: str) -> dict[str, str]:
    found = LINE.fullmatch(line.rstrip("\n"))
    assert found is not None, line
    inner = pattern.match(found["message"])
    assert inner is not None, line
    return found.groupdict() | inner.groupdict()


def test_an_api_call_is_written_in_the_source_documents_format(events: Callable[..., EventLog]) -> None:
    line = _written(LineFormatter("shop-v2"), lambda log: events(log).api_call("42", "/api/v2/match", 0.0412, 200))
    fields = _fields(API_CALL, line)
    assert fields | {"timestamp": "", "user_id": ""} == {
        "timestamp": "",
        "level": "INFO",
        "service": "shop-v2",
        "message": fields["message"],
        "user_id": "",
        "endpoint": "/api/v2/match",
        "response_time": "0.0412",
        "status": "200",
    }
    assert line.endswith(" version=v2\n")


def test_a_match_result_is_written_in_the_source_documents_format(events: Callable[..., EventLog]) -> None:
    line = _written(LineFormatter("shop-v2"), lambda log: events(log).match_result("c", "j", 0.93, "nexten"))
    fields = _fields(MATCH_RESULT, line)
    assert (fields["accuracy"], fields["algorithm"]) == ("0.93", "nexten")


def test_ids_are_pseudonyms_the_same_under_one_key_and_different_under_another() -> None:
    assert Pseudonyms(b"k").of("42") == Pseudonyms(b"k").of(42)
    assert Pseudonyms(b"k").of("42") != Pseudonyms(b"l").of("42")
    assert Pseudonyms().of("42") != Pseudonyms().of("42")
    assert re.fullmatch("[0-9a-f]{16}", Pseudonyms(b"k").of("42"))


def test_no_id_is_in_a_line_whatever_the_formatter(events: Callable[..., EventLog]) -> None:
    for formatter in (LineFormatter("s"), JsonFormatter("s"), logging.Formatter()):
        line = _written(formatter, lambda log: events(log).match_result("candidate-77", "job-88", 0.9, "nexten"))
        assert "candidate-77" not in line
        assert "job-88" not in line


def test_a_trace_id_is_written_where_there_is_one(events: Callable[..., EventLog]) -> None:
    line = _written(LineFormatter("s"), lambda log: events(log, trace_id=lambda: "abc").api_call(1, "/", 0.1, 200))
    assert line.endswith(" version=v2 trace_id=abc\n")


def test_json_lines_hold_the_fields_as_numbers(events: Callable[..., EventLog]) -> None:
    line = _written(JsonFormatter("shop-v2"), lambda log: events(log).api_call(1, "/api/v2/match", 0.0412, 200))
    document = json.loads(line)
    assert document["event"] == "API_CALL"
    assert document["response_time"] == 0.0412
    assert document["status"] == 200
    assert document["version"] == "v2"
    assert document["service"] == "shop-v2"


def test_other_records_keep_to_one_line_in_both_formats() -> None:
    def fail(log: logging.Logger) -> None:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            log.exception("it broke:\n%s", "badly")

    line = _written(LineFormatter("s"), fail)
    assert line.count("\n") == 1
    assert "ERROR s it broke: | badly | Traceback" in line
    document = json.loads(_written(JsonFormatter("s"), fail))
    assert document["message"] == "it broke:\nbadly"
    assert "ValueError" in document["exception"]


@given(st.text(), st.text(), st.floats(0, 1), st.text())
def test_no_value_can_forge_a_field_or_a_line(candidate: str, job: str, accuracy: float, algorithm: str) -> None:
    write = lambda log: EventLog(log, "v2", key=b"k").match_result(candidate, job, accuracy, algorithm)  # noqa: E731
    line = _written(LineFormatter("s"), write)
    assert line.count("\n") == 1
    assert len(line.splitlines()) == 1
    assert [field.partition("=")[0] for field in line.split("MATCH_RESULT ")[1].split()] == [
        "candidate_id",
        "job_id",
        "accuracy",
        "algorithm",
        "version",
    ]
    assert float(_fields(MATCH_RESULT, line)["accuracy"]) == pytest.approx(accuracy, abs=1e-6)
