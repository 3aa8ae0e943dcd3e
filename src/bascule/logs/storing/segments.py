"""Immutable Parquet segments: what they are called, what is written in them, how one is committed.

    segments/date=2026-01-31/000000000042-000000000042-1f0c-0-1048576.parquet

The name holds the first and the last commit in the segment, then the stream and the offsets it covers, how many
streams where there are several, `merged` for one that compaction made, or `of-` and a commit for rows of that commit
that are of another day. Whatever in the same folder has its commits inside another's is replaced by it: so a merged
segment takes the place of its parts in the instant of its rename. The footer holds the streams' new ends and what the
rows add to the metrics: data, offsets and counters are one commit.

Rows of several days are a segment for each day, yet one commit: the others are written as `.part` files first, then
the one with the footer appears under its name, then the `.part` files get theirs. After a crash `.part` files are
finished when their commit is there, and deleted when it is not.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bascule.logformat import TIME
from bascule.logs.parsing.columns import Coded, Rows
from bascule.logs.parsing.intake import Batch, Piece
from bascule.logs.parsing.tally import LogTally
from bascule.logs.reading.streams import LogStream

log = logging.getLogger(__name__)
FOOTER = b"bascule"
MERGED = "merged"
IDENTITY = "identity"  # of an event that may come twice
_TIMESTAMP = pa.timestamp("us", "UTC")
_PLACES = ("timestamp", "arrived", "offset")  # ever-growing numbers: stored as differences
SUFFIX, PART = ".parquet", ".part"
DAY_US = 86_400_000_000
_NEVER = np.iinfo(np.int64).max
_FIRST_TIME, _LAST_TIME = (pa.scalar(end, pa.timestamp("us")).value for end in (datetime.min, datetime.max))
MOST_DAYS = 64  # segments of one commit; the oldest days beyond share one


@dataclass(frozen=True, order=True)
class LogSegment:
    """A segment by its name."""

    day: str
    first: int
    last: int
    path: Path

    @classmethod
    def at(cls, path: Path) -> LogSegment | None:
        first, _, rest = path.name.partition("-")
        last = rest.partition("-")[0]
        day = path.parent.name.removeprefix("date=")
        return cls(day, int(first), int(last), path) if first.isdigit() and last.isdigit() else None

    def replaces(self, other: LogSegment) -> bool:
        inside = self.first <= other.first and other.last <= self.last
        return self.day == other.day and inside and (self.first, self.last) != (other.first, other.last)


@dataclass(frozen=True)
class Footer:
    """What a commit says beside its rows."""

    streams: list[LogStream]
    tally: LogTally

    def to_bytes(self) -> bytes:
        return json.dumps(
            {"streams": [stream.to_json() for stream in self.streams], "tally": self.tally.to_json()}
        ).encode()

    @classmethod
    def read(cls, path: Path) -> Footer:
        """ValueError or an Arrow error when the segment is corrupt."""
        document = json.loads(pq.read_schema(path).metadata[FOOTER])
        return cls([LogStream(**stream) for stream in document["streams"]], LogTally.from_json(document["tally"]))


@dataclass
class Facts:
    """What is known of a segment without reading it: its rows, the least of their times (None: no row has one).

    `oldest` is when its oldest row was written, once that is known.
    """

    rows: int
    earliest: int | None
    oldest: int | None = None


def facts_of(path: Path) -> Facts:
    """From the segment's footer; OSError or an Arrow error where it is corrupt."""
    metadata = pq.read_metadata(path)
    place = metadata.schema.names.index(TIME)
    groups = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
    # raw: the microseconds themselves, which may be outside the calendar
    least = [int(found.min_raw) for found in groups if found is not None and found.has_min_max]
    return Facts(metadata.num_rows, min(least, default=None))


def listing(folder: Path) -> list[LogSegment]:
    """The segments that count, in the order of their days and commits; those replaced by a merged one do not."""
    found = [segment for path in folder.glob("date=*/*.parquet") if (segment := LogSegment.at(path))]
    by_day: dict[str, list[LogSegment]] = {}
    for segment in sorted(found, key=lambda s: (s.day, s.first, -s.last)):
        kept = by_day.setdefault(segment.day, [])
        if not (kept and kept[-1].replaces(segment)):
            kept.append(segment)
    return [segment for day in sorted(by_day) for segment in by_day[day]]


def replaced(folder: Path) -> list[Path]:
    """Segments that a merged one has taken the place of and that are still there."""
    current = {segment.path for segment in listing(folder)}
    return [path for path in folder.glob("date=*/*.parquet") if path not in current and LogSegment.at(path)]


# ---------------------------------------------------------------- rows to tables


def table_of(pieces: Iterable[Piece], arrived: int) -> pa.Table:
    """The rows of all pieces as one table; columns that a format does not have are null there."""
    tables = [_table(rows, piece, arrived) for piece in pieces for rows in piece.rows]
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def _table(rows: Rows, piece: Piece, arrived: int) -> pa.Table:
    chunk, count = piece.chunk, len(rows)
    offsets = chunk.start + rows.places if chunk.positions is None else chunk.positions[rows.lines]
    missing = rows.times == 0
    columns: dict[str, Any] = {
        TIME: pa.array(rows.times, _TIMESTAMP, mask=missing if missing.any() else None),
        "arrived": pa.array(np.full(count, arrived), _TIMESTAMP),
        "source": _constant(chunk.source, count),
        "stream": chunk.streams.select(rows.lines).to_arrow() if chunk.streams else _constant(chunk.stream, count),
        "offset": pa.array(offsets, pa.int64()),
        "format": _constant(rows.format, count),
    }
    columns |= {name: _stored(name, column) for name, column in rows.columns.items()}
    if chunk.identities is not None:
        columns[IDENTITY] = pa.array(chunk.identities[rows.lines], pa.int64())
    if "status" in columns:
        columns["status"] = columns["status"].cast(pa.int32(), safe=False)
    return pa.table(columns)


def _stored(name: str, column: Coded) -> pa.Array:
    """Ids as they are, for they hardly repeat; everything else over its distinct values."""
    array = column.to_arrow()
    return array.dictionary_decode() if name.endswith("_id") else array


def _constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def by_day(pieces: Sequence[Piece], arrived: int) -> list[tuple[str, pa.Table]]:
    """The rows of each day with its name, the largest share first; of very many days the oldest are taken together.

    Rows without a time of their own go with the largest share.
    """
    table = table_of(pieces, arrived)
    times = np.concatenate([rows.times for piece in pieces for rows in piece.rows])
    days = _happened(times, np.int64(arrived)) // DAY_US
    timed = days[times != 0]
    first, last = (int(timed.min()), int(timed.max())) if len(timed) else (arrived // DAY_US,) * 2
    if first == last:  # so it is nearly always
        return [(day_name(first), table)]
    found, counts = np.unique(np.maximum(timed, np.unique(timed)[-MOST_DAYS:][0]), return_counts=True)
    days = np.where(times == 0, found[counts.argmax()], np.maximum(days, found[0]))
    shares = [(day_name(int(day)), table.filter(pa.array(days == day))) for day in found]
    return sorted(shares, key=lambda share: -share[1].num_rows)


def within_calendar(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without the times that no calendar has: stores of before may hold some."""
    there = batch.column(TIME)
    microseconds = there.cast(pa.int64())
    inside = pc.and_(pc.greater_equal(microseconds, _FIRST_TIME), pc.less_equal(microseconds, _LAST_TIME))
    dated = pc.if_else(inside, there, pa.scalar(None, there.type))
    return batch.set_column(batch.schema.get_field_index(TIME), TIME, dated)


def happened(table: pa.Table) -> NDArray[np.int64]:
    """When each row's line was written (microseconds since 1970): by its own time, else by its arrival.

    A time of the future says nothing: such a row is as old as its arrival.
    """
    own = pc.fill_null(table[TIME].cast(pa.int64()), _NEVER).to_numpy()
    return _happened(own, table["arrived"].cast(pa.int64()).to_numpy())


def _happened(own: NDArray[np.int64], arrived: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    times: NDArray[np.int64] = np.where(own > arrived + DAY_US, arrived, own)
    return times


def day_name(days: int) -> str:
    """Days since 1970 as a date."""
    return str(np.datetime64(days, "D"))


# ---------------------------------------------------------------- committing


def name_of(first: int, last: int, rest: str) -> str:
    return f"{first:012d}-{last:012d}-{rest}{SUFFIX}"


def rest_of(batch: Batch) -> str:
    chunks = [piece.chunk for piece in batch.pieces]
    streams = len({chunk.stream for chunk in chunks}) + sum(len(chunk.begins) for chunk in chunks)
    if streams > 1:
        return f"{streams}-streams"
    return f"{batch.stream}-{batch.start}-{batch.end}"


def path_of(folder: Path, day: str, number: int, rest: str) -> Path:
    return folder / f"date={day}" / name_of(number, number, rest)


def commit_of(part: Path) -> int:
    """The commit that a `.part` file belongs to."""
    return int(part.stem.rpartition("-of-")[2])


def serialised(table: pa.Table, footer: bytes) -> pa.Buffer:
    """A segment's bytes."""
    table = table.replace_schema_metadata({FOOTER: footer})
    names = table.column_names
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        # an id hardly repeats within a segment: a dictionary would cost time and save nothing
        use_dictionary=[name for name in names if name not in (*_PLACES, IDENTITY) and not name.endswith("_id")],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in _PLACES if name in names},
        write_statistics=[TIME],
    )
    return sink.getvalue()


def identities(folder: Path, number: int) -> list[int]:
    """The identities of the latest events stored, at most about `number`, oldest first."""
    found: list[list[int]] = []
    for segment in sorted(listing(folder), key=lambda segment: -segment.last):
        found.append(_identities_in(segment.path))
        if sum(map(len, found)) >= number:
            break
    return [identity for some in reversed(found) for identity in some]


def _identities_in(path: Path) -> list[int]:
    try:
        if IDENTITY not in pq.read_schema(path).names:
            return []
        column = pq.read_table(path, columns=[IDENTITY], partitioning=None)[IDENTITY]
    except (pa.ArrowException, OSError) as error:
        log.warning("the events in %s may come twice, for it cannot be read: %s", path.name, error)
        return []
    return [identity for identity in column.to_pylist() if identity]
