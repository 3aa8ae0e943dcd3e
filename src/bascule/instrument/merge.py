"""Dead workers' files made one, so that a scrape reads as many files as there are workers, not as there ever were.

A merge is all or nothing, also when the process that does it is killed:

    1. write `counter_merged.new`: the last merge and the dead workers' files
    2. rename their `counter_<pid>.db` to `counter_<pid>.old`
    3. rename `counter_merged.new` to `counter_merged.db`   (from here on it is done)
    4. remove the `.old`

What a killed merge left behind is repaired before the next one: while the `.new` exists, the `.old` count.
Scrapes hold the lock shared, merges hold it alone, so that no scrape sees a merge half done.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from prometheus_client.mmap_dict import MmapedDict

KINDS = ("counter", "histogram")  # those that count on when their worker is dead
LOCK = "bascule.lock"


@contextmanager
def locked(folder: Path, how: Literal["shared", "alone"]) -> Iterator[None]:
    with (folder / LOCK).open("a") as file:  # closing it lets go
        fcntl.flock(file, fcntl.LOCK_SH if how == "shared" else fcntl.LOCK_EX)
        yield


def merge_dead(folder: Path) -> None:
    """Merge the counters and histograms of workers that live no more."""
    if not any(_dead(folder, kind) for kind in KINDS):
        return
    with locked(folder, "alone"):
        for kind in KINDS:
            repair(folder, kind)
            if dead := _dead(folder, kind):
                _merge(folder, kind, dead)


def repair(folder: Path, kind: str) -> None:
    """Undo or finish a merge whose process was killed. Under the lock."""
    unfinished = folder / f"{kind}_merged.new"
    for old in folder.glob(f"{kind}_*.old"):
        if unfinished.exists():
            old.rename(old.with_suffix(".db"))
        else:
            old.unlink()
    unfinished.unlink(missing_ok=True)


def begun(files: Iterable[Path]) -> Iterator[Path]:
    """Without files that a worker has only just opened: prometheus_client cannot read an empty one."""
    for file in files:
        with suppress(FileNotFoundError):  # a dead worker's gauge, stored in the meantime
            if file.stat().st_size:
                yield file


def pid_of(file: Path) -> int | None:
    """The worker whose file it is."""
    pid = file.stem.rpartition("_")[2]
    return int(pid) if pid.isdigit() else None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, as another user
    return True


def _dead(folder: Path, kind: str) -> list[Path]:
    files = folder.glob(f"{kind}_*.db")
    return [file for file in files if (pid := pid_of(file)) is not None and not is_alive(pid)]


def _merge(folder: Path, kind: str, dead: list[Path]) -> None:
    merged = folder / f"{kind}_merged.db"
    before = [merged] if merged.exists() else []
    _write(merged.with_suffix(".new"), _sums(begun([*before, *dead])))
    for file in dead:
        file.rename(file.with_suffix(".old"))
    merged.with_suffix(".new").rename(merged)
    for file in dead:
        file.with_suffix(".old").unlink()


def _sums(files: Iterable[Path]) -> dict[str, float]:
    """Values by prometheus_client's key of a sample."""
    sums: dict[str, float] = defaultdict(float)
    for file in files:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            sums[key] += value
    return sums


def _write(path: Path, values: dict[str, float]) -> None:
    target = MmapedDict(str(path))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        target.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    target.close()  # type: ignore[no-untyped-call]
