"""Server-sent events: one frame is made for everybody, and viewers get what changed since their last.

Viewers who had the same frame before share one text: fifty who look at a page cost little more than one.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

INTERVAL = 0.5  # seconds between frames, where no news comes sooner; the parts are read once a second
MAX_VIEWERS = 200
ASK_SECONDS = 2.0  # between two questions whether a viewer may go on
OVER = "event: over\ndata:\n\n"  # the last one for who may not: the page is loaded again, as they may see it now

Fragments = Mapping[str, str]
View = Callable[[Fragments], Fragments]  # what one kind of viewer gets of a frame
GoesOn = Callable[[], bool]  # whether a viewer may still see what they saw when the stream was opened


@dataclass(frozen=True)
class PageFrame:
    """All the page's fragments at one moment, the moment's number, and what was said of it so far."""

    fragments: Fragments = field(default_factory=dict)
    number: int = 0
    told: dict[tuple[View, int], str] = field(default_factory=dict)

    def since(self, before: PageFrame, view: View) -> str:
        """The event with what changed for a kind of viewer."""
        key = view, before.number
        if key not in self.told:
            sent = view(before.fragments)
            self.told[key] = event({n: html for n, html in view(self.fragments).items() if sent.get(n) != html})
        return self.told[key]


class TooManyViewers(RuntimeError):
    """More streams are open than the console serves."""


class Stream:
    """1. The first viewer starts the maker of frames; it ends with the last viewer.
    2. A frame is all the page's fragments at one moment. One is made when `news` is set, and after INTERVAL anyway.
    3. A viewer who reads slowly skips frames and gets the newest, never a queue.
    """

    def __init__(
        self, make: Callable[[], Fragments], stop: threading.Event, news: threading.Event | None = None
    ) -> None:
        self._make = make
        self._stop = stop
        self._news = news or threading.Event()
        self._frame = PageFrame()
        self._made = asyncio.Condition()
        self._maker: asyncio.Task[None] | None = None
        self.viewers = 0

    def events(self, goes_on: GoesOn, view: View = dict) -> AsyncIterator[str]:
        """One viewer's stream of events; by default of whole frames. `view`: the same object for one kind of viewer."""
        if self.viewers >= MAX_VIEWERS:
            raise TooManyViewers(f"{MAX_VIEWERS} pages are open already; close some")
        return self._events(goes_on, view)

    async def _events(self, goes_on: GoesOn, view: View) -> AsyncIterator[str]:
        self.viewers += 1
        try:
            before, asked = PageFrame(), time.monotonic()
            yield "retry: 1000\n\n"
            while not self._stop.is_set():
                frame = await self._next()
                if time.monotonic() - asked >= ASK_SECONDS:
                    if not goes_on():
                        yield OVER
                        return
                    asked = time.monotonic()
                yield frame.since(before, view)
                before = frame
        finally:
            self.viewers -= 1

    async def _next(self) -> PageFrame:
        if self._maker is None or self._maker.done():
            self._maker = asyncio.create_task(self._make_frames())
        async with self._made:
            await self._made.wait()
            return self._frame

    async def _make_frames(self) -> None:
        while True:
            fragments = await asyncio.to_thread(self._make)
            async with self._made:
                self._frame = PageFrame(fragments, self._frame.number + 1)
                self._made.notify_all()
            if self._stop.is_set() or self.viewers == 0:
                return
            await asyncio.to_thread(self._await_news)

    def _await_news(self) -> None:
        self._news.wait(INTERVAL)
        self._news.clear()


def event(changed: Fragments) -> str:
    """A frame as it goes over the wire; an empty one still says that the stream lives."""
    body = json.dumps({"at": datetime.now(UTC).isoformat(), "fragments": dict(changed)})
    return f"event: frame\ndata: {body}\n\n"
