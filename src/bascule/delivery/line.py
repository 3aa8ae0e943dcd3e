"""The connection of one attempt, which another thread may end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress


def _nothing() -> None:
    pass


class Line:
    """`timeout`: seconds for which the other side may be silent. A server that answers a byte at a time is never silent
    for long: `cut` ends what the attempt holds open, from another thread, after `limit` seconds in all."""

    def __init__(self, timeout: float, limit: float) -> None:
        self.timeout = timeout
        self.limit = limit
        self._lock = threading.Lock()
        self._is_cut = False
        self._close: Callable[[], None] = _nothing

    def holds(self, close: Callable[[], None]) -> None:
        """From now on `close` ends what is open."""
        with self._lock:
            self._close = close
            is_cut = self._is_cut
        if is_cut:
            close()

    def cut(self) -> None:
        """End it; whatever the closing itself meets is of no interest any more."""
        with self._lock:
            self._is_cut = True
            close = self._close
        with suppress(Exception):
            close()
