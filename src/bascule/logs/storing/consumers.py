"""How many distinct users each version has, and how many come back: theta sketches that follow the store.

A sketch is a set that can be joined and intersected with others; it is exact up to about 65,000 users and within
about 0.4 % (one standard error) above. Sketches are cut by five minutes, hours and days of the lines' own times,
per version. They are made of what the store already holds, so losing them loses nothing within its retention.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import datasketches
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bascule.conventions import UNKNOWN, State
from bascule.logs.storing import segments
from bascule.logs.storing.disk import DISK, Disk

log = logging.getLogger(__name__)
LOG2_EXACT = 16  # a sketch of one bucket is exact up to about 2**16 users
LOG2_JOINED = 18  # joins of many buckets keep more, so that they add no error of their own
DAY = 86_400
WINDOWS = {"1h": (300, 12), "24h": (3_600, 24), "30d": (DAY, 30)}  # seconds of a bucket, buckets in the window
RETENTIONS = {"7d": 7, "30d": 30}  # days
KEPT = {300: 13, 3_600: 25, DAY: 62}  # how many buckets of each size are kept
_SKETCHES = pa.schema({"size": pa.int64(), "bucket": pa.int64(), "version": pa.string(), "sketch": pa.binary()})

Bucket = tuple[int, int, str]  # seconds, number since 1970, version


@dataclass(frozen=True)
class RetentionFigure:
    """`value` is None unless the state is ok."""

    version: str
    window: str
    state: State
    value: float | None


@dataclass
class Consumers:
    """The sketches, and up to which commit of the store they go."""

    path: Path
    last: int = 0
    sketches: dict[Bucket, datasketches.compact_theta_sketch] = field(default_factory=dict)
    first_days: dict[str, int] = field(default_factory=dict)  # version -> the day it was first seen
    disk: Disk = DISK

    # ------------------------------------------------------------ following the store

    def follow(self, folder: Path, now: float) -> None:
        """Take in every segment committed since the last call. Taking one in twice changes nothing."""
        for segment in sorted(segments.listing(folder), key=lambda segment: segment.last):
            if segment.last > self.last:
                try:
                    self.add(_users(segment.path), now)
                except (pa.ArrowException, OSError):
                    if segment.path.exists():  # corrupt: the store sets it aside
                        continue
                    return  # merged meanwhile: the next call finds it
                except Exception:  # it would fail the next time, too, and the others with it
                    log.exception("internal error: the users in the log store's %s are not counted", segment.path.name)
                self.last = segment.last
        self._forget_old(now)

    def add(self, users: pa.Table, now: float) -> None:
        """Rows of user_id, version and timestamp."""
        if not users.num_rows:
            return
        seconds = pc.divide(pc.cast(users["timestamp"], pa.int64()), 1_000_000)
        for size, kept in KEPT.items():
            buckets = pc.divide(seconds, size)
            table = users.select(["user_id", "version"]).append_column("bucket", buckets)
            recent = table.filter(pc.greater(buckets, int(now // size) - kept))
            for bucket, version, ids in _grouped(recent):
                self._update((size, bucket, version), ids)

    def _update(self, key: Bucket, ids: Iterable[str]) -> None:
        fresh = datasketches.update_theta_sketch(LOG2_EXACT)
        for identity in ids:
            fresh.update(identity)
        known = [self.sketches[key]] if key in self.sketches else []
        self.sketches[key] = _union([*known, fresh], LOG2_EXACT)
        size, bucket, version = key
        if size == DAY:
            self.first_days[version] = min(bucket, self.first_days.get(version, bucket))

    def _forget_old(self, now: float) -> None:
        for size, bucket, version in list(self.sketches):
            if bucket <= now // size - KEPT[size]:
                del self.sketches[size, bucket, version]

    def forget(self, pseudonym: str) -> None:
        """Take one user out of every sketch."""
        one = datasketches.update_theta_sketch(LOG2_EXACT)
        one.update(pseudonym)
        for key, sketch in self.sketches.items():
            self.sketches[key] = datasketches.theta_a_not_b().compute(sketch, one)

    # ------------------------------------------------------------ figures

    def counts(self, now: float) -> Iterator[tuple[str, str, float]]:
        """Version, window, distinct users."""
        for window, (size, number) in WINDOWS.items():
            last = int(now // size)
            for version in self.versions:
                yield version, window, self._joined(size, last - number + 1, last, version).get_estimate()

    def retention(self, now: float) -> Iterator[RetentionFigure]:
        """Users of the window before the last who came back in the last, on any version.

        A user who moved from one version to the other is kept, not lost. Not applicable until both windows are whole:
        in the first days of a version there are mostly its frequent users, who come back more often. No data when it
        had no users then.
        """
        today = int(now // DAY)
        for version in self.versions:
            for window, days in RETENTIONS.items():
                if today - self.first_days.get(version, today) < 2 * days - 1:
                    yield RetentionFigure(version, window, State.NOT_APPLICABLE, None)
                    continue
                before = self._joined(DAY, today - 2 * days + 1, today - days, version)
                if before.is_empty():
                    yield RetentionFigure(version, window, State.NO_DATA, None)
                    continue
                both = datasketches.theta_intersection()
                both.update(before)
                both.update(self._joined(DAY, today - days + 1, today, None))
                yield RetentionFigure(
                    version, window, State.OK, both.get_result().get_estimate() / before.get_estimate()
                )

    @property
    def versions(self) -> list[str]:
        return sorted(version for version in self.first_days if version != UNKNOWN)

    def _joined(self, size: int, first: int, last: int, version: str | None) -> datasketches.compact_theta_sketch:
        wanted = (
            sketch
            for (of_size, bucket, of_version), sketch in self.sketches.items()
            if of_size == size and first <= bucket <= last and version in (None, of_version)
        )
        return _union(wanted, LOG2_JOINED)

    # ------------------------------------------------------------ on disk

    def save(self) -> None:
        rows = [
            {"size": size, "bucket": bucket, "version": version, "sketch": sketch.serialize()}
            for (size, bucket, version), sketch in self.sketches.items()
        ]
        table = pa.Table.from_pylist(rows, schema=_SKETCHES)
        note = json.dumps({"last": self.last, "first_days": self.first_days})
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({segments.FOOTER: note}), sink, use_dictionary=False)
        self.disk.replace(self.path, sink.getvalue())

    @classmethod
    def load(cls, path: Path) -> Consumers:
        """What `save` wrote; read from the store where that cannot be read."""
        try:
            table = pq.read_table(path)
            note = json.loads(table.schema.metadata[segments.FOOTER])
            sketches = {
                (size, bucket, version): datasketches.compact_theta_sketch.deserialize(data)
                for size, bucket, version, data in zip(*(column.to_pylist() for column in table.columns), strict=True)
            }
            return cls(path, note["last"], sketches, note["first_days"])
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException):
            return cls(path)


def _users(path: Path) -> pa.Table:
    names = pq.read_schema(path).names
    if "user_id" not in names:
        return pa.table({"user_id": [], "version": [], "timestamp": []})
    table = pq.read_table(path, columns=["user_id", "version", "timestamp"], partitioning=None)
    present = pc.and_(pc.is_valid(table["user_id"]), pc.is_valid(table["timestamp"]))
    return table.filter(present)


def _grouped(table: pa.Table) -> Iterator[tuple[int, str, list[str]]]:
    """Bucket, version and the distinct users of each."""
    plain = pa.table({name: _decoded(table[name]) for name in table.column_names})
    found = plain.group_by(["bucket", "version"]).aggregate([("user_id", "distinct")])
    columns = (found[name].to_pylist() for name in ("bucket", "version", "user_id_distinct"))
    for bucket, version, ids in zip(*columns, strict=True):
        yield bucket, version or UNKNOWN, ids


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string()) if pa.types.is_dictionary(column.type) else column


def _union(sketches: Iterable[datasketches.theta_sketch], lg_k: int) -> datasketches.compact_theta_sketch:
    union = datasketches.theta_union(lg_k)
    for sketch in sketches:
        union.update(sketch)
    return union.get_result()
