"""Files that survive a power cut: all of one or nothing."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bascule import private
from bascule.errors import StoreError


@dataclass(frozen=True)
class Disk:
    """Data on disk first, then the name, then the folder that holds the name. StoreError when it cannot."""

    def create(self, path: Path, data: pa.Buffer | bytes) -> None:
        """Write a new file, of which nothing is left where that fails: it must not be found after a restart."""
        try:
            self._put(path, data)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _refused(path, error) from error

    def replace(self, path: Path, data: pa.Buffer | bytes) -> None:
        """Replace a file; where that fails, the file is as it was."""
        try:
            self._put(path, data)
        except OSError as error:
            raise _refused(path, error) from error

    def _put(self, path: Path, data: pa.Buffer | bytes) -> None:
        temporary = path.with_suffix(".tmp")
        try:
            self.make_folder(path.parent)
            self.write_synced(temporary, data)
            os.rename(temporary, path)
            self.sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def rename(self, path: Path, target: Path) -> None:
        os.rename(path, target)
        self.sync_folder(target.parent)

    def make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            private.make_folder(folder)
            self.sync_folder(folder.parent)

    def write_synced(self, path: Path, data: pa.Buffer | bytes) -> None:
        private.write_synced(path, data)

    def sync_folder(self, folder: Path) -> None:
        private.sync_folder(folder)


DISK = Disk()


def _refused(path: Path, error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "free some space, or lower logs.retention" if full else "make the folder writable"
    return StoreError(f"{path} cannot be written: {error.strerror}", fix)
