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
from pathlib import Path
from typing import Any

PREFIX_LENGTH = 1024
TAIL_LENGTH = 256
MARKS_A_STEP = 16


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
    def new(cls, source: str, path: Path, status: os.stat_result) -> LogStream:
        return cls(secrets.token_hex(8), source, str(path), status.st_dev, status.st_ino)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hash_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def mark_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=4).hexdigest()


def marked(marks: dict[int, str], data: bytes, end: int) -> dict[int, str]:
    """The marks of a stream up to `end`: those there were, and those of `data`, which stands right before `end`."""
    start = end - len(data)
    found = {}
    for place in _places(end):
        if place in marks:
            found[place] = marks[place]
        elif place - TAIL_LENGTH >= start:
            found[place] = mark_of(data[place - TAIL_LENGTH - start : place - start])
    return found


def _places(end: int) -> Iterator[int]:
    """Where marks stand: at every `TAIL_LENGTH` bytes right before `end`, and ever more rarely further back."""
    step, newest = TAIL_LENGTH, end
    while newest >= step:
        oldest = max(0, end - MARKS_A_STEP * step)
        yield from range(oldest // step * step + step, newest + 1, step)
        newest, step = oldest, 2 * step


def is_rotation_of(path: str, original: str) -> bool:
    """Whether `path` is a name that rotation gives `original`: app.log.1, app.log-20260131.gz, app-2026-01-31.log."""
    folder, name = os.path.split(path)
    original_folder, original_name = os.path.split(original)
    if folder != original_folder:
        return False
    stem, extension = os.path.splitext(original_name)
    mark = r"[.-][0-9][0-9_.T-]*"
    pattern = rf"(?:{re.escape(original_name)}{mark}|{re.escape(stem)}{mark}{re.escape(extension)})(?:\.gz)?"
    return name == f"{original_name}.gz" or bool(re.fullmatch(pattern, name))


def is_compressed(path: Path, original: Path) -> bool:
    """Whether `path` is the name of the file `original` once it is compressed."""
    return path.name == f"{original.name}.gz" and path.parent == original.parent
