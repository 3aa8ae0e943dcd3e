"""Turns: how many requests of a lane a role works on at one time, so that slow ones leave threads for the others."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from bascule.api.limits import Limits, Refused
from bascule.api.rights import Lane


class Turns:
    """Of one application, whose requests all begin on one event loop."""

    def __init__(self) -> None:
        self._queues = {Lane.READING: _Queue(), Lane.CHANGING: _Queue()}

    async def take(self, lane: Lane, limits: Limits) -> Turn:
        """Raises Refused where none comes in time."""
        queue = self._queues.get(lane)
        if queue is not None and not await queue.enter(_most(lane, limits), limits):
            seconds = str(math.ceil(limits.turn))
            what = f"the role is busy: this request had no turn within {limits.turn:g} s"
            raise Refused(503, what, f"try again in {seconds} s", {"Retry-After": seconds})
        return Turn(queue)


def _most(lane: Lane, limits: Limits) -> int:
    return limits.reading if lane is Lane.READING else limits.changing


class Turn:
    """May be ended more than once."""

    def __init__(self, queue: _Queue | None) -> None:
        self._queue = queue

    def end(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.leave()


class _Queue:
    """First come, first served. A turn that is given back passes to who has waited longest."""

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, most: int, limits: Limits) -> bool:
        """Whether it got a turn, at once or later."""
        if self._taken < most:
            self._taken += 1
            return True
        return len(self._waiting) < limits.queue and await self._is_called(limits.turn)

    async def _is_called(self, seconds: float) -> bool:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=seconds)
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        if not turn.done():
            self._waiting.remove(turn)
        return turn.done()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done():  # it came in the same moment
            self.leave()
        else:
            self._waiting.remove(turn)

    def leave(self) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._taken -= 1
