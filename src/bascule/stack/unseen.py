"""Says what is not seen yet, after all parts run, until everything is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bascule.api.servers import prometheus_of
from bascule.discover import unseen
from bascule.errors import BasculeError, Problem
from bascule.processes.workers import Workers
from bascule.spec import Spec

LOOK_SECONDS = 2.0
START_SECONDS = 5.0  # that a part needs until its first figures, besides two scrapes
ALL_SEEN = "every job is scraped, and every signal and log source has data"


@contextmanager
def unseen_told(spec: Spec, report: Callable[[str], None], ready: threading.Event) -> Iterator[None]:
    """From `ready` on, reports what is missing, once it has had the time to come, and the moment when all is there."""
    ended = threading.Event()
    workers = Workers(ended)
    workers.start("unseen", lambda: _tell(spec, report, ready, ended))
    try:
        yield
    finally:
        ended.set()
        workers.join(LOOK_SECONDS)


def _tell(spec: Spec, report: Callable[[str], None], ready: threading.Event, ended: threading.Event) -> None:
    while not ready.wait(LOOK_SECONDS):
        if ended.is_set():
            return
    prometheus = prometheus_of(spec)
    due = time.monotonic() + START_SECONDS + 2 * spec.stack.scrape.interval
    told: list[Problem] = []
    pause = max(LOOK_SECONDS, spec.stack.scrape.interval)  # nothing new comes between two scrapes
    while not ended.wait(pause):
        try:
            found = unseen(spec, prometheus)
        except BasculeError as error:
            found = [Problem("Prometheus", error.what)]
        if not found:
            report(ALL_SEEN)
            break
        if time.monotonic() >= due and not told:
            told = found
            for line in _table(found):
                report(line)
    ended.wait()


def _table(found: Sequence[Problem]) -> Iterator[str]:
    yield "data is missing; what depends on it cannot be judged and raises no alert:"
    width = max(len(each.key) for each in found)
    for each in found:
        yield f"  {each.key:{width}}  {each.what}"
