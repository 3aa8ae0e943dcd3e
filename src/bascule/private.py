"""Folders and files of the state folder: only their owner can enter and read them, whatever the umask says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing; what exists stays as it is. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def opened(path: Path, mode: str, **how: Any) -> IO[Any]:
    """As `open`; a file that is made by it can be read by its owner alone."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600), **how)


def write_text(path: Path, text: str) -> None:
    """Raises OSError."""
    with opened(path, "w", encoding="utf-8") as file:
        file.write(text)


def make_file(path: Path) -> None:
    """Make an empty file where there is none. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def is_open_to_others(folder: Path) -> bool:
    """Whether other users of the machine may enter it. Raises OSError."""
    return bool(folder.stat().st_mode & 0o077)
