"""Disks for the log store's tests: one without syncing, one that is full, one on which the process dies."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from pathlib import Path

from bascule.logs import Disk


class Unsynced(Disk):
    """Where power cuts are not what is tested."""

    def write_synced(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def sync_folder(self, folder: Path) -> None:
        pass


@dataclass(frozen=True)
class FullDisk(Disk):
    """A disk that is full while `fails` names a step of its writing."""

    fails: set[str] = field(default_factory=set)

    def write_synced(self, path: Path, data: bytes) -> None:
        self._check("write_synced")
        super().write_synced(path, data)

    def sync_folder(self, folder: Path) -> None:
        self._check("sync_folder")
        super().sync_folder(folder)

    def _check(self, step: str) -> None:
        if step in self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")


class Killed(BaseException):
    """The process ends."""


@dataclass(frozen=True)
class DyingDisk(Disk):
    """The process ends when it renames or writes for the `steps`-th time."""

    steps: list[int]

    def write_synced(self, path: Path, data: bytes) -> None:
        self._step()
        super().write_synced(path, data)

    def rename(self, path: Path, target: Path) -> None:
        self._step()
        super().rename(path, target)

    def _step(self) -> None:
        self.steps[0] -= 1
        if self.steps[0] < 0:
            raise Killed
