"""Faults of different parts of the house are tried at the same time: most of them wait minutes for a rule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from bascule.scenarios.drills.fault import Declared

D = TypeVar("D", bound=Declared)
LOOK_SECONDS = 0.5  # a signal that reaches another thread does not wake the one that waits


def side_by_side(faults: Sequence[D], attempt: Callable[[D], None], stop: threading.Event) -> None:
    """Try each fault once, on a thread of its own, as soon as none that excludes it is being tried.

    The first error that `attempt` raises sets `stop`, on which the others are expected to end, and is raised when all
    of them have.
    """
    waiting, trying = in_turn(faults), dict[Future[None], D]()
    with ThreadPoolExecutor(max(1, len(faults)), "drill") as threads:
        try:
            while waiting or trying:
                for fault in startable(waiting, trying.values()):
                    waiting.remove(fault)
                    trying[threads.submit(attempt, fault)] = fault
                for ended in wait(trying, LOOK_SECONDS, FIRST_COMPLETED).done:
                    del trying[ended]
                    ended.result()
        except BaseException:
            stop.set()
            raise


def in_turn(faults: Sequence[D]) -> list[D]:
    """Those that concern the whole house come first, as given; then those that may take longest; then those that need
    history."""
    return sorted(faults, key=lambda fault: (fault.needs_history, *((1, -fault.bound) if fault.breaks else (0, 0.0))))


def startable(waiting: Sequence[D], trying: Collection[D]) -> list[D]:
    """Those of the waiting faults, the first ones first, that can be tried beside all that are tried then."""
    chosen: list[D] = []
    for fault in waiting:
        if not any(fault.excludes(other) for other in (*trying, *chosen)):
            chosen.append(fault)
    return chosen


class Company:
    """Which drills overlap. Safe to use from several threads."""

    def __init__(self) -> None:
        self._overlaps: dict[Declared, list[Declared]] = {}  # of each fault whose drill has not ended
        self._lock = threading.Lock()

    @contextmanager
    def of(self, fault: Declared) -> Iterator[Sequence[Declared]]:
        """For as long as the fault's drill takes: the faults whose drills have overlapped with it so far."""
        with self._lock:
            for others in self._overlaps.values():
                others.append(fault)
            own = self._overlaps[fault] = list(self._overlaps)
        try:
            yield own
        finally:
            with self._lock:
                del self._overlaps[fault]
