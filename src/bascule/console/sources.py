"""Reading the other parts, each on a thread of its own, so that one that hangs does not silence the rest.

They are read only while somebody looks at the page, once for all who look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from bascule.errors import BasculeError
from bascule.processes.workers import Workers

STALE_AFTER = 5.0  # seconds without news from which a figure is no longer shown as the present one
AWAKE_FOR = 10.0  # seconds that reading goes on after the page was last read

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceReading(Generic[T]):
    """What a source last said. `at` is when that was true, `heard` when it was said (Unix seconds), None if never."""

    value: T | None = None
    at: float | None = None
    error: str = ""
    heard: float | None = None

    def age(self, now: float) -> float | None:
        return None if self.at is None else max(0.0, now - self.at)

    def is_fresh(self, now: float) -> bool:
        age = self.age(now)
        return age is not None and age <= STALE_AFTER

    def answers(self, now: float) -> bool:
        """Whether it speaks at all, be it of old things."""
        return self.heard is not None and now - self.heard <= STALE_AFTER

    def fresh(self, now: float) -> T | None:
        """The value, unless it is too old to be called the present."""
        return self.value if self.is_fresh(now) else None


def right_now(_: Any) -> float:
    return time.time()


class Source(Generic[T]):
    """One thing that is read repeatedly, which sets `news`. `said_at` takes from an answer when it was true."""

    def __init__(
        self, name: str, read: Callable[[], T], interval: float = 1.0, said_at: Callable[[T], float] = right_now
    ) -> None:
        self.name = name
        self.interval = interval
        self.reading: SourceReading[T] = SourceReading()
        self.reads = 0
        self.news = threading.Event()
        self.due = 0.0  # when it is to be read again (Unix seconds)
        self._read = read
        self._said_at = said_at

    def refresh(self) -> None:
        """Read once. A failure keeps what was known before, at its old time, with what went wrong."""
        try:
            value = self._read()
            self.reading = SourceReading(value, self._said_at(value), heard=time.time())
        except BasculeError as error:
            self._failed(error.what)
        except (ValueError, KeyError, TypeError) as error:
            self._failed(f"its answer is not what was expected: {str(error).splitlines()[0]}")
        self.due = time.time() + self.interval
        self.reads += 1
        self.news.set()

    def _failed(self, what: str) -> None:
        if what != self.reading.error:
            log.warning("%s: %s", self.name, what)
        self.reading = replace(self.reading, error=what)


class Watch:
    """Reads its sources while somebody looks.

    1. `look()` keeps the threads awake for a while; every page and every stream calls it.
    2. Each thread reads its source, then sleeps the source's interval.
    3. While nobody reads the page they wait, and cost nothing.
    """

    def __init__(self, sources: Sequence[Source[Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self.sources = tuple(sources)
        self._clock = clock
        self._stop = threading.Event()
        self._awake = threading.Condition()
        self._awake_until = 0.0
        self.workers = Workers(self._stop)

    def start(self) -> None:
        for source in self.sources:
            self.workers.start(f"reading {source.name}", partial(self._follow, source))

    def stop(self, seconds: float = 3.0) -> None:
        """End the threads; one that hangs in a read is left to end by itself."""
        self._stop.set()
        with self._awake:
            self._awake.notify_all()
        self.workers.join(seconds)

    def look(self) -> bool:
        """Somebody looks; True when the threads were asleep, so that what is known may be old."""
        with self._awake:
            was_asleep = self._clock() >= self._awake_until
            self._awake_until = self._clock() + AWAKE_FOR
            self._awake.notify_all()
        return was_asleep

    def settle(self, seconds: float) -> None:
        """Wait until every source that is due within that time was read again, or for so long."""
        soon = time.time() + seconds
        before = [(source, source.reads) for source in self.sources if source.due <= soon]
        deadline = self._clock() + seconds
        while self._clock() < deadline and not self._stop.is_set():
            if all(source.reads > then for source, then in before):
                return
            self._stop.wait(0.02)

    def _follow(self, source: Source[Any]) -> None:
        while not self._stop.is_set():
            with self._awake:
                self._awake.wait_for(lambda: self._stop.is_set() or self._clock() < self._awake_until)
            if not self._stop.is_set():
                source.refresh()
                self._stop.wait(source.interval)
