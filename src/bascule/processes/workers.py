"""Threads that cannot die unseen: a death is logged, counted, told to readiness, and the work begins again."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)
RESTART_SECONDS = 1.0
REMEMBERED_SECONDS = 60.0  # for which a death makes its role not ready


class Workers:
    """The background work of one role: each piece returns when `stop` is set; if it ends before, it starts again."""

    def __init__(self, stop: threading.Event, pause: float = RESTART_SECONDS) -> None:
        self._stop = stop
        self._pause = pause
        self._threads: list[threading.Thread] = []
        self._last_death: dict[str, float] = {}
        self.deaths: Counter[str] = Counter()

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` on a thread of its own until `stop` is set."""
        thread = threading.Thread(target=self._keep_running, args=(name, work), name=name, daemon=True)
        self.deaths[name] += 0
        self._threads.append(thread)
        thread.start()

    def _keep_running(self, name: str, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
                reason = "it ended"
            except Exception as error:  # the work of a role must go on, whatever ended it
                log.exception("%s: internal error; it starts again", name)
                reason = type(error).__name__
            if self._stop.is_set():
                return
            self.deaths[name] += 1
            self._last_death[name] = time.monotonic()
            log.error("%s stopped (%s) and starts again in %g s", name, reason, self._pause)
            self._stop.wait(self._pause)

    def problems(self) -> list[str]:
        """Which work died within the last minute, or does not run, one sentence each; empty where there is none."""
        now = time.monotonic()
        recent = [name for name, at in self._last_death.items() if now - at < REMEMBERED_SECONDS]
        died = [f"{name} died {self.deaths[name]} times and was started again" for name in recent]
        return died + [f"{each.name} has ended" for each in self._threads if self._has_ended(each)]

    def _has_ended(self, thread: threading.Thread) -> bool:
        """Not by `stop`, and by what starts nothing again, such as an exit of its thread."""
        return not (thread.is_alive() or self._stop.is_set())

    def join(self, seconds: float) -> None:
        """Wait for all work to end, `seconds` at most in total; a piece of it may ask for its own end."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
