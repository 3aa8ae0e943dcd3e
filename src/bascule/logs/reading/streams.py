"""Telling log files apart: a stream is what was written to one file from its creation on, wherever the file went.

A file renamed by rotation is the same stream under the same inode. A file copied (copytruncate) or compressed
has another inode but the same bytes, so a stream remembers a hash of its first bytes and of the last ones that are
stored (never the bytes themselves: they may hold ids). Offsets count uncompressed bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bascule.logs.reading.compression import SUFFIXES

PREFIX_LENGTH = 1024
TAIL_LENGTH = 256
MARKS_A_STEP = 4  # a copy is compared more closely the nearer its end is to what was read
_MARKS = re.compile(r"[0-9_.T-]+\Z")


@dataclass
class LogStream:
    """One stream and how far the store holds it.

    `prefix` hashes its first `prefix_length` bytes, `tail` the `tail_length` bytes before `committed` (0: unknown).
    `marks` are hashes of the bytes before some places (place, hash), so that a shorter copy is known, too.
    """

    id: str
    source: str
    path: str
    device: int = 0
    inode: int = 0
    committed: int = 0
    prefix_length: int = 0
    prefix: str = ""
    tail_length: int = 0
    tail: str = ""
    marks: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def new(cls, source: str, path: str, status: os.stat_result) -> LogStream:
        """`path`: the name that the file had before rotation."""
        return cls(secrets.token_hex(8), source, path, status.st_dev, status.st_ino)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hash_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def mark_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=4).hexdigest()


def marked(marks: dict[int, str], tail: bytes, data: bytes, end: int) -> dict[int, str]:
    """The marks of a stream up to `end`: those there were, and those of `data`, which is right before `end`.

    `tail` is before `data`.
    """
    start, found = end - len(data), {}
    seam = tail + data[:TAIL_LENGTH]
    for place in _places(end):
        first = place - TAIL_LENGTH - start
        if place in marks:
            found[place] = marks[place]
        elif first >= 0:
            found[place] = mark_of(data[first : first + TAIL_LENGTH])
        elif first + len(tail) >= 0:
            found[place] = mark_of(seam[first + len(tail) : first + len(tail) + TAIL_LENGTH])
    return found


def _places(end: int) -> Iterator[int]:
    """Where the marks are: at every `TAIL_LENGTH` bytes right before `end`, and ever more rarely further back."""
    step, newest = TAIL_LENGTH, end
    while newest >= step:
        oldest = max(0, end - MARKS_A_STEP * step)
        yield from range(oldest // step * step + step, newest + 1, step)
        newest, step = oldest, 2 * step


def is_rotation_of(path: str, original: str) -> bool:
    """Whether `path` is a name that rotation gives `original`."""
    return original in originals_of(path)


@lru_cache(1 << 16)  # a folder is looked at every few seconds
def originals_of(path: str) -> frozenset[str]:
    """The names that a file may have had before rotation gave it this one.

    app.log of app.log.1, app.log-20260131.gz and app-2026-01-31.log, and of app.log-2026013112.backup: logrotate's, of
    a file that a writer had already made again.
    """
    folder, name = os.path.split(path)
    suffix = os.path.splitext(name)[1]
    plain = name.removesuffix(suffix) if suffix in SUFFIXES else name
    whole = plain.removesuffix(".backup")
    stem, extension = os.path.splitext(whole)
    found = {*_before_marks(whole), *(before + extension for before in _before_marks(stem))}
    found |= {plain} if plain != name else set()
    return frozenset(os.path.join(folder, original) for original in found)


def _before_marks(name: str) -> Iterator[str]:
    """What is before a number or date at the name's end; it may begin at several places."""
    marks = _MARKS.search(name)
    for place in range(marks.start(), len(name) - 1) if marks else ():
        if place and name[place] in ".-" and name[place + 1].isdecimal():
            yield name[:place]


def is_compressed(path: Path, original: Path) -> bool:
    """Whether `path` is the name of the file `original` once it is compressed."""
    return path.suffix in SUFFIXES and path.with_suffix("") == original
