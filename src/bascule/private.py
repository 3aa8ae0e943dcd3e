"""Folders and files of the state folder: only their owner can enter and read them, whatever the umask says; and what
was written survives a power cut.

`replace`, `append` and `create` are the only ways to keep something in a file: each does all of it or nothing, and what
it has done is on disk when it returns, the file and the folder that names it.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bascule.errors import StoreError, StoreFull
from bascule.units import bytes_text

Content = bytes | bytearray | memoryview | str
FULL = (errno.ENOSPC, errno.EDQUOT)
LEAST_ROOM = 1 << 20  # bytes that make it worth to try again


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing; what exists stays as it is. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_folder(each.parent)


def held(folder: Path, name: str) -> Path | None:
    """What a folder holds by a name from outside; None where it holds none, and for a name that no file can have."""
    if name in ("", ".", "..") or "/" in name:
        return None
    path = folder / name
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # too long, or of bytes that no name has
        return None


def opened(path: Path, mode: str, **how: Any) -> IO[Any]:
    """As `open`; a file that is made by it can be read by its owner alone."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600), **how)


def replace(path: Path, content: Content) -> None:
    """Put a file in place of the one before; where that fails, it is as it was. Raises OSError."""
    with _fresh(path, content) as fresh:
        os.replace(fresh, path)


def create(path: Path, content: Content) -> bool:
    """Make a file where there is none; whether it was this call that made it. Raises OSError."""
    try:
        with _fresh(path, content) as fresh:
            os.link(fresh, path)
    except FileExistsError:
        return False
    return True


def append(path: Path, content: Content) -> None:
    """Add to the end of a file; where not all of it can be kept, the file is as it was. Raises OSError."""
    make_folder(path.parent)
    with opened(path, "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            _write_all(file, content)
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise
    if before == 0:
        sync_folder(path.parent)


def make_file(path: Path) -> None:
    """Make an empty file where there is none. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    sync_folder(path.parent)


def write_synced(path: Path, content: Content) -> None:
    """Write a file that has its final name later, or none. Raises OSError."""
    make_folder(path.parent)
    with opened(path, "wb", buffering=0) as file:
        _write_all(file, content)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Keep the names in a folder. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _fresh(path: Path, content: Content) -> Iterator[Path]:
    """The content in a file beside, under a name for this thread alone, until it has taken its place."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        write_synced(fresh, content)
        yield fresh
        sync_folder(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _write_all(file: IO[bytes], content: Content) -> None:
    view = memoryview(content.encode() if isinstance(content, str) else content)
    while len(view):
        view = view[file.write(view) :]


def unkept(what: str, path: Path, error: OSError, needed: int = 0) -> StoreError:
    """What to tell where something could not be kept. `needed`: bytes that it takes."""
    if error.errno in FULL:
        return no_room(what, path, str(error.strerror), needed)
    return StoreError(f"{what} cannot be kept: {path}: {error.strerror}", "check the permissions of the state folder")


def no_room(what: str, path: Path, reason: str, needed: int = 0) -> StoreFull:
    """The disk is full: which file, how much it needs, how much there is."""
    return StoreFull(
        f"{what} cannot be kept: {path}: {reason}",
        f"free {bytes_text(max(needed, LEAST_ROOM))} on its file system, which has {bytes_text(_free(path))} left",
    )


def _free(path: Path) -> int:
    there = next((each for each in (path, *path.parents) if each.is_dir()), Path("/"))
    return shutil.disk_usage(there).free


def is_open_to_others(folder: Path) -> bool:
    """Whether other users of the machine may enter it. Raises OSError."""
    return bool(folder.stat().st_mode & 0o077)
