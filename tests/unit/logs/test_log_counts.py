"""Counting what a search matches: over time and by facet, by the same conditions as the search itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bascule.errors import UsageError
from bascule.logs import LogReader, count_store, ingest, search_store
from bascule.spec import Spec, load

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
ENDPOINTS = ("/match", "/match", "/score")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LogReader:
    """120 calls, one a second, every tenth failed; then an hour of silence and one error."""
    folder = tmp_path_factory.mktemp("counted")
    log = folder / "app.log"
    lines = [_call(BEGIN + timedelta(seconds=n), n) for n in range(120)]
    log.write_text("".join([*lines, _call(BEGIN + timedelta(hours=1), 0)]))
    ingest(_spec(folder), [str(log)], "supersmartmatch")
    return LogReader(folder / "state" / "logs")


def _spec(folder: Path) -> Spec:
    spec = load("supersmartmatch")
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": folder / "state"})})


def _call(at: datetime, number: int) -> str:
    is_bad = number % 10 == 0
    return (
        f"{at:%Y-%m-%dT%H:%M:%SZ} {'ERROR' if is_bad else 'INFO'} supersmartmatch-v2 API_CALL user_id=u{number}"
        f" endpoint={ENDPOINTS[number % 3]} response_time=0.1 status={503 if is_bad else 200} version=v2\n"
    )


def test_lines_are_counted_over_the_whole_span_with_their_errors(reader: LogReader) -> None:
    found = count_store(reader, since=BEGIN, until=BEGIN + timedelta(hours=1))
    assert (found["total"], found["step"]) == (121, 60.0)
    assert (found["start"], found["end"]) == (BEGIN.timestamp(), BEGIN.timestamp() + 3600)
    assert sum(each["lines"] for each in found["buckets"]) == 121
    assert sum(each["bad"] for each in found["buckets"]) == 13
    assert [each["at"] for each in found["buckets"]] == sorted(each["at"] for each in found["buckets"])


def test_facets_hold_the_commonest_values_first(reader: LogReader) -> None:
    facets = count_store(reader, since=BEGIN)["facets"]
    assert facets["status"] == [{"value": "200", "lines": 108, "bad": 0}, {"value": "503", "lines": 13, "bad": 13}]
    assert [(each["value"], each["lines"]) for each in facets["endpoint"]] == [("/match", 81), ("/score", 40)]
    assert [each["value"] for each in facets["version"]] == ["v2"]
    assert [each["value"] for each in facets["source"]] == ["supersmartmatch"]


@pytest.mark.parametrize(
    "asked", [{"text": "/score"}, {"where": ["status>=500"]}, {"text": "/u1[0-9] /"}, {"text": "x y"}]
)
def test_what_is_counted_is_what_the_same_search_finds(reader: LogReader, asked: dict[str, object]) -> None:
    both = asked | {"since": BEGIN, "until": BEGIN + timedelta(seconds=90)}
    assert count_store(reader, **both)["total"] == len(search_store(reader, **both, limit=1000))  # type: ignore[arg-type]


def test_without_a_beginning_the_span_is_that_of_the_lines(reader: LogReader) -> None:
    found = count_store(reader, where=["endpoint=/score"], until=BEGIN + timedelta(seconds=60))
    assert (found["start"], found["step"]) == (BEGIN.timestamp() + 2, 1.0)


def test_a_condition_that_cannot_be_asked_is_refused_as_in_a_search(reader: LogReader) -> None:
    with pytest.raises(UsageError, match="is not a number"):
        count_store(reader, where=["status>=many"])


def test_an_empty_store_has_no_line(tmp_path: Path) -> None:
    assert count_store(LogReader(tmp_path))["total"] == 0
