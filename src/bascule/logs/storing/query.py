"""Reading the store: its segments as one table in an in-memory DuckDB, while the logs role writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bascule import times
from bascule.errors import UsageError
from bascule.logformat import NUMBERS, TEXTS
from bascule.logs.parsing.values import read_time
from bascule.logs.storing import segments
from bascule.logs.storing.segments import LogSegment
from bascule.spec import moments

_CONDITION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(>=|<=|!=|=|>|<|~)\s*(.*?)\s*")
_OPERATORS = {"=": "=", "!=": "is distinct from", ">": ">", "<": "<", ">=": ">=", "<=": "<="}
_NEVER_SHOWN = ("arrived", "stream", "identity")
_TRIES = 5
# Without times that no calendar has: of such a row, Python could not make a record.
_DATED = (
    "case when timestamp between timestamptz '0001-01-01 00:00:00+00'"
    " and timestamptz '9999-12-31 23:59:59.999999+00' then timestamp end"
)


Record = dict[str, Any]


class LogReader:
    """Queries over a store's segments. `broken` are segments that could not be read; the rest is served."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "segments"
        self.broken: list[Path] = []

    def query(self, sql: str, parameters: Sequence[Any] = (), since: datetime | None = None) -> list[Record]:
        """The rows that `sql` gives over the table `logs`, from segments that may hold rows from `since` on.

        A merge may delete a segment between the listing and the reading: then the listing is repeated.
        """
        for _ in range(_TRIES):
            files = self._files(since)
            try:
                return self._answer(sql, parameters, files)
            except duckdb.IOException:  # a file went away, or one is corrupt
                self._leave_out_broken(files)
            except duckdb.Error:  # a hole in a file gives errors of no class of their own
                if not self._leave_out_broken(files):
                    raise
        raise UsageError("the log store changed while it was read", "try again")

    def _files(self, since: datetime | None) -> list[Path]:
        listed = segments.listing(self.folder) if self.folder.is_dir() else []
        return [s.path for s in listed if s.path not in self.broken and (since is None or _may_hold(s, since))]

    def _answer(self, sql: str, parameters: Sequence[Any], files: list[Path]) -> list[Record]:
        with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
            connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
            if files:
                connection.read_parquet(
                    [str(path) for path in files], union_by_name=True, hive_partitioning=False
                ).create_view("found")
            else:
                connection.register("found", _nothing())
            present = {row[0] for row in connection.execute("describe found").fetchall()}
            missing = [name for name in (*TEXTS, *NUMBERS) if name not in present]
            nulls = "".join(f", null::{'double' if name in NUMBERS else 'varchar'} as {name}" for name in missing)
            connection.execute(f"create view logs as select * replace ({_DATED} as timestamp){nulls} from found")
            relation = connection.sql(sql, params=list(parameters))
            rows: list[Record] = relation.to_arrow_table().to_pylist() if relation is not None else []
            return rows

    def _leave_out_broken(self, files: list[Path]) -> bool:
        broken = [path for path in files if path.exists() and not _readable(path)]
        self.broken += broken
        return bool(broken)


def _may_hold(segment: LogSegment, since: datetime) -> bool:
    """Whether the segment may hold rows from `since` on: its day says what most rows are of, not the last."""
    if segment.day >= since.astimezone(UTC).strftime("%Y-%m-%d"):
        return True
    try:
        return segment.path.stat().st_mtime >= since.timestamp()
    except FileNotFoundError:  # merged meanwhile: the query finds out
        return True


def _readable(path: Path) -> bool:
    try:
        pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError):
        return not path.exists()
    return True


def _nothing() -> pa.Table:
    stamp = pa.timestamp("us", "UTC")
    texts = dict.fromkeys(("source", "stream", "format"), pa.string())
    schema = {"timestamp": stamp, "arrived": stamp, "offset": pa.int64()} | texts
    return pa.table({name: pa.array([], kind) for name, kind in schema.items()})


def moment(text: str | None, now: datetime | None = None) -> datetime | None:
    """A time as people ask for it, or as log lines write it; none of an empty text. Raises UsageError."""
    if not text:
        return None
    if (at := read_time(text)) is not None:
        return times.moment(at / 1e6)
    return moments.moment(text, now)


def span(since: str | None, until: str | None = None) -> tuple[datetime | None, datetime | None]:
    """Both ends of what is searched. Raises UsageError for a span that no line can lie in."""
    now = datetime.now(UTC)
    first, last = moment(since, now), moment(until, now)
    moments.refuse_impossible(first, last, now)
    return first, last


# ---------------------------------------------------------------- search


def search(
    reader: LogReader,
    text: str = "",
    since: datetime | None = None,
    where: Sequence[str] = (),
    limit: int = 100,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """The latest rows that hold `text` (a regular expression when written `/.../`) and meet every condition.

    A condition is a column, an operator (`=`, `!=`, `>`, `>=`, `<`, `<=`, `~` for a regular expression) and a value.
    """
    clauses, parameters = narrowed(text, since, where, until)
    sql = f"select * from logs where {clauses} order by coalesce(timestamp, arrived) desc limit ?"
    return [_record(row) for row in asked_rows(reader, sql, [*parameters, limit], since)]


def narrowed(text: str, since: datetime | None, where: Sequence[str], until: datetime | None) -> tuple[str, list[Any]]:
    """What a search asks of a row, as SQL, with its parameters. Raises UsageError."""
    clauses = ["true"]
    parameters: list[Any] = []
    if text:
        is_expression = len(text) > 2 and text[0] == text[-1] == "/"
        clauses.append(f"regexp_matches({_LINE}, ?)" if is_expression else f"contains({_LINE}, ?)")
        parameters.append(text[1:-1] if is_expression else text)
    for bound, operator in ((since, ">="), (until, "<=")):
        if bound is not None:
            clauses.append(f"coalesce(timestamp, arrived) {operator} ?")
            parameters.append(bound)
    for condition in where:
        clause, value = _clause(condition)
        clauses.append(clause)
        parameters.append(value)
    return " and ".join(clauses), parameters


def asked_rows(reader: LogReader, sql: str, parameters: Sequence[Any], since: datetime | None) -> list[Record]:
    """The rows that somebody's own conditions give. Raises UsageError for a condition that cannot be asked."""
    try:
        return reader.query(sql, parameters, since)
    except (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException) as error:
        fix = f"columns are {', '.join((*TEXTS, *NUMBERS))}; a number is compared with a number"
        raise UsageError(f"logs search: {str(error).splitlines()[0]}", fix) from error


_LINE = "concat_ws(' ', {})".format(
    ", ".join(
        ["level", "service", "format", "message"]
        + [
            f"'{name}=' || {name}"
            for name in (*TEXTS, *NUMBERS)
            if name not in ("level", "service", "message", "extra")
        ]
        + ["extra"]
    )
)


def _clause(condition: str) -> tuple[str, Any]:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise UsageError(f"{condition!r} is not a condition", "write it like status>=500 or endpoint~match")
    name, operator, value = match.groups()
    column = f'"{name}"'
    if operator == "~":
        return f"regexp_matches({column}, ?)", value
    if name in NUMBERS:
        try:
            return f"{column} {_OPERATORS[operator]} ?", float(value)
        except ValueError:
            raise UsageError(f"{condition!r}: {value!r} is not a number", f"{name} is a number") from None
    return f"{column} {_OPERATORS[operator]} ?", value


def _record(row: Record) -> Record:
    """A row as it is shown: without absent values, times as RFC 3339."""
    return {
        name: times.rfc3339(value.timestamp(), "auto") if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None and name not in _NEVER_SHOWN
    }


# ---------------------------------------------------------------- figures


def summary(reader: LogReader) -> dict[str, Any]:
    """What is in the store: rows and span by source, format and version; segments and bytes by day."""
    listed: list[LogSegment] = segments.listing(reader.folder) if reader.folder.is_dir() else []
    groups = reader.query(
        "select source, format, coalesce(version, 'unknown') as version, count(*) as rows,"
        " min(timestamp) as first, max(timestamp) as last from logs group by all order by all"
    )
    days: dict[str, dict[str, int]] = {}
    for segment in listed:
        day = days.setdefault(segment.day, {"segments": 0, "bytes": 0})
        day["segments"] += 1
        day["bytes"] += segment.path.stat().st_size if segment.path.exists() else 0
    return {
        "groups": [_record(row) for row in groups],
        "days": [{"day": day, **figures} for day, figures in sorted(days.items())],
        "broken": [str(path) for path in reader.broken],
    }


def usage(reader: LogReader, since: datetime | None = None) -> list[dict[str, Any]]:
    """API usage patterns: requests, errors and response times by version, endpoint, partner and hour of the day."""
    sql = (
        "select version, split_part(endpoint, '?', 1) as endpoint, partner, hour(timestamp) as hour,"
        " count(*) as requests, count(*) filter (status >= 500) as errors,"
        " quantile_cont(response_time, 0.95) as p95 from logs"
        " where status is not null and (? is null or timestamp >= ?) group by all order by requests desc limit 1000"
    )
    return [_record(row) for row in reader.query(sql, [since, since], since)]
