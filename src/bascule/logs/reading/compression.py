"""Compressed files: how their names end, how they are opened, and what a broken one raises."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

_OPENERS: Mapping[str, Callable[[Any], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
SUFFIXES = tuple(_OPENERS)
CORRUPT = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


def is_compressed_name(path: Path) -> bool:
    return path.suffix in _OPENERS


def unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    """The file's content; the file itself where its name is not that of a compressed one."""
    opener = _OPENERS.get(path.suffix)
    return file if opener is None else opener(file)
