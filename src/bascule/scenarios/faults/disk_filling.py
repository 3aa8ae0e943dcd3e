"""A small disk of the host fills up."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bascule.errors import ProcessFailed, ProgramMissing
from bascule.processes import command, programs
from bascule.scenarios.drills.fault import BUDGETS, HousePart, TimedFault
from bascule.scenarios.house import House

SIZE_MB = 32
SECONDS = 30.0  # that a command on a small disk may take


class DiskFilling(TimedFault):
    """An image with a file system of its own, mounted in the lab's folder. The rules look at no tmpfs: it is memory."""

    key = "disk-filling"
    title = f"a disk of {SIZE_MB} MB is filled to the last block"
    bound = 600.0 + 15.0 + 15.0  # the rule holds for ten minutes
    breaks = frozenset({HousePart.DISK})
    expects = ("HostDiskLow",)
    also = (*BUDGETS, "HostDiskFilling")
    evidence = 'max(1 - node_filesystem_avail_bytes{mountpoint=~".*/drill-disk"} / node_filesystem_size_bytes)'

    @property
    def unable(self) -> str:
        if os.geteuid() != 0:
            return "mounting a disk needs root"
        try:
            for name in ("mkfs.ext4", "mount", "umount", "losetup"):
                programs.find(name)
        except ProgramMissing as missing:
            return missing.what
        return _no_loop_device()

    def leaves(self, house: House) -> Sequence[str]:
        return (f"sh -c 'umount -l {_mountpoint(house)} 2>/dev/null; true'",)

    def inject(self, house: House) -> float:
        image, where = house.lab.folder / "drill-disk.img", _mountpoint(house)
        with image.open("wb") as file:
            file.truncate(SIZE_MB << 20)
        where.mkdir()
        _run("mkfs.ext4", "-q", "-m0", str(image))
        _run("mount", "-o", "loop", str(image), str(where))
        began = time.time()
        _fill(where / "filled")
        return began

    def remove(self, house: House) -> None:
        where = _mountpoint(house)
        if os.path.ismount(where):
            _run("umount", str(where))
        if where.exists():
            where.rmdir()


def _mountpoint(house: House) -> Path:
    return house.lab.folder / "drill-disk"


def _no_loop_device() -> str:
    done = command.run([str(programs.find("losetup")), "-f"], SECONDS)
    return "" if done.status == 0 else "no loop device is free"


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):  # no space is left
                while True:
                    out.write(b"x" * size)


def _run(*words: str) -> None:
    done = command.run([str(programs.find(words[0])), *words[1:]], SECONDS)
    if done.status:
        what = f"{words[0]} failed: {done.said[-300:]}"
        raise ProcessFailed(what, "leave the fault out, or run the drill on a machine where a disk may be mounted")
