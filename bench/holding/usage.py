"""What each process uses: processor, memory, descriptors, looked at every few seconds (Linux)."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from time import time
from typing import NamedTuple, Self

import numpy as np

from bench.harness import stat_fields

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
PAUSE = 2.0  # seconds between two looks


class Used(NamedTuple):
    """By one process and its workers at a moment: processor seconds so far, MB, descriptors."""

    at: float
    pid: int
    seconds: float
    megabytes: float
    descriptors: int


@dataclass(frozen=True)
class Cost:
    """Over a span: cores on average, most MB and descriptors."""

    name: str
    cores: float
    megabytes: float
    descriptors: int


class Usage:
    """Looks while it is open. `of`: the processes by name, asked each time; each has a session of its own."""

    def __init__(self, of: Callable[[], dict[str, int]]) -> None:
        self.looks: dict[str, list[Used]] = defaultdict(list)
        self._of = of
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._look()
            if self._ended.wait(PAUSE):
                return

    def _look(self) -> None:
        sessions = _sessions()
        for name, pid in self._of().items():
            # The bench's own session may be that of a shell, with other programs in it.
            pids = [pid] if pid == os.getpid() else sessions.get(pid, [])
            if used := _used(pid, pids):
                self.looks[name].append(used)

    def between(self, name: str, start: float, end: float) -> list[Used]:
        return [used for used in list(self.looks[name]) if start <= used.at <= end]

    def costs(self, start: float, end: float) -> list[Cost]:
        """Of each process that was looked at twice."""
        spans = {name: self.between(name, start, end) for name in list(self.looks)}
        return [_cost(name, looks) for name, looks in spans.items() if len(looks) > 1]


def grown(times: Iterable[float], values: Iterable[float], seconds: float) -> float:
    """What a line through the values (least squares) rises by in so many seconds."""
    at, given = np.array([*times]), np.array([*values])
    return float(np.polyfit(at - at[0], given, 1)[0]) * seconds


def _cost(name: str, looks: list[Used]) -> Cost:
    """A process that was started again counts from nothing."""
    pairs = [(a, b) for a, b in pairwise(looks) if a.pid == b.pid]
    seconds = sum(max(0.0, b.seconds - a.seconds) for a, b in pairs)
    megabytes, descriptors = max(used.megabytes for used in looks), max(used.descriptors for used in looks)
    return Cost(name, seconds / (looks[-1].at - looks[0].at), megabytes, descriptors)


def _used(pid: int, pids: Iterable[int]) -> Used | None:
    each = [found for found in map(_read, pids) if found is not None]
    if not each:
        return None
    seconds, megabytes, descriptors = (sum(column) for column in zip(*each, strict=True))
    return Used(time(), pid, seconds, megabytes, descriptors)


def _read(pid: int) -> tuple[float, float, int] | None:
    """None for a process that has ended meanwhile."""
    try:
        fields = stat_fields(pid)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    own, of_ended = fields[11:13], fields[13:15]  # utime, stime; those of children that were waited for
    return sum(map(int, own + of_ended)) / TICKS, int(fields[21]) * PAGE / 1e6, descriptors


def _sessions() -> dict[int, list[int]]:
    """The processes of each session."""
    found: dict[int, list[int]] = defaultdict(list)
    for pid, session in _all():
        found[session].append(pid)
    return found


def _all() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                yield int(name), int(stat_fields(int(name))[3])
            except OSError:
                continue
