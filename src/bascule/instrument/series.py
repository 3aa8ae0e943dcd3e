"""What one label set of requests adds to: the counter of requests and the histogram of their durations.

In a service of one process, durations wait and are added together when the registry is collected, or when there are
`BATCH` of them: a look-up and an `append` are all that a request pays. Workers of several processes add them at once,
because the files that they write to must hold every request when one of them is killed.
"""

from __future__ import annotations

from collections import deque
from typing import Any

BATCH = 100  # durations


class RequestSeries:
    """Adds at once."""

    __slots__ = ("_duration", "_requests")

    def __init__(self, requests: Any, duration: Any) -> None:
        self._requests = requests
        self._duration = duration

    def add(self, seconds: float) -> None:
        self._requests.increase(1)
        self._duration.observe(seconds)

    def add_traced(self, seconds: float, trace_id: str) -> None:
        """`trace_id` becomes the exemplar of the duration's bucket."""
        self._requests.increase(1)
        self._duration.observe(seconds, {"trace_id": trace_id})

    def settle(self) -> None:
        """Add what waits."""


class WaitingSeries(RequestSeries):
    """Adds later. Threads may add and settle at the same time: the deque's operations are atomic."""

    __slots__ = ("_append", "_waiting")

    def __init__(self, requests: Any, duration: Any) -> None:
        super().__init__(requests, duration)
        self._waiting: deque[float] = deque()
        self._append = self._waiting.append

    def add(self, seconds: float) -> None:
        self._append(seconds)
        if len(self._waiting) >= BATCH:
            self.settle()

    def settle(self) -> None:
        durations: list[float] = []
        try:
            while True:
                durations.append(self._waiting.popleft())
        except IndexError:  # that was the last
            pass
        if durations:
            self._requests.increase(len(durations))
            self._duration.observe_all(durations)


class LeftSeries(RequestSeries):
    """Of clients that left before their answer's end: counted, and in no ratio, total or duration."""

    __slots__ = ("_left",)

    def __init__(self, left: Any) -> None:
        self._left = left

    def add(self, seconds: float) -> None:
        self._left.inc()

    def add_traced(self, seconds: float, trace_id: str) -> None:
        self.add(seconds)
