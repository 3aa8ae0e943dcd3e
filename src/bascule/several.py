"""The same question to several servers of one role, side by side: one that is lost or hangs keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, Generic, TypeVar

from bascule.errors import BasculeError, Unreachable

PATIENCE_SECONDS: Final = 0.3  # for the others, once one has answered
QUESTIONS: Final = 8  # that a server may hang on at a time
C = TypeVar("C")
T = TypeVar("T")


class Several(Generic[C]):
    """Clients of servers that do the same work. Threads may share it."""

    def __init__(self, servers: Sequence[C]) -> None:
        self.servers = tuple(servers)
        self._pool = ThreadPoolExecutor(QUESTIONS * len(self.servers), "several") if len(self.servers) > 1 else None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, question: Callable[[C], T]) -> list[T | BasculeError]:
        """What each answers or why it does not, in their order."""
        if self._pool is None:
            return [_answer(question, server) for server in self.servers]
        asked = [self._pool.submit(_answer, question, server) for server in self.servers]
        _wait(asked)
        return [future.result() if future.done() else _late() for future in asked]


def told(answers: Iterable[T | BasculeError]) -> list[T]:
    """The answers among them. Raises the first error where there is none."""
    found, errors = [], []
    for each in answers:
        if isinstance(each, BasculeError):
            errors.append(each)
        else:
            found.append(each)
    if errors and not found:
        raise errors[0]
    return found


def first_begun(told: Iterable[T], labels: Callable[[T], Mapping[str, str]], began: Callable[[T], float]) -> list[T]:
    """Of what has the same labels, that which began first."""
    found: dict[frozenset[tuple[str, str]], T] = {}
    for each in told:
        key = frozenset(labels(each).items())
        found[key] = min(found.get(key, each), each, key=began)
    return list(found.values())


def _answer(question: Callable[[C], T], server: C) -> T | BasculeError:
    try:
        return question(server)
    except BasculeError as error:
        return error


def _wait(asked: Sequence[Future[T | BasculeError]]) -> None:
    """Until all have answered, or the patience with those that have not is over."""
    waiting = set(asked)
    over: float | None = None
    while waiting:
        done, waiting = wait(waiting, None if over is None else over - time.monotonic(), FIRST_COMPLETED)
        if not done:
            return
        if over is None and any(not isinstance(each.result(), BasculeError) for each in done):
            over = time.monotonic() + PATIENCE_SECONDS


def _late() -> Unreachable:
    return Unreachable("one of several servers has not answered in time", "see whether it hangs")
