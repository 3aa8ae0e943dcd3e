"""The sender that looks: streams of the console's overview, held open and read as browsers do.

    python -m bench.holding.viewers FOLDER PORT

What a viewer sees is dated by a figure of the page: how long the plan still keeps its step, which the judge says again
with each evaluation. A record a second goes to `viewers.seen`; `shown` has each such figure (seconds) with the last
moment at which a frame left it on a viewer's page. A page that says that there is no data has none, as while it opens.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

from bench.holding.orders import Desk
from bench.holding.pages import HOST

REMAIN = re.compile(rb"; (?:(\d+) min ?)?(?:(\d+) s )?remain\b")
NO_DATA = b'data-verdict=\\"no_data\\"'  # within a text of JSON
LONGEST_MATCH = 40  # bytes
END = b"\n\n"  # of a frame
LATE_SECONDS = 1.0  # without a frame, after which what is on the page counts as if a frame had left it there
LOST_SECONDS, REFUSED_SECONDS = 1.0, 5.0  # until a stream that was lost, or refused, is opened again
PATIENCE = 5.0  # seconds that a page may be without figures: when it opens, and when the plan goes to another step


class Viewer(asyncio.Protocol):
    """One open page."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd, self.since = crowd, time.monotonic()
        self.heard = time.time()
        self.remain: int | None = None
        self.tail, self.status = b"", b""
        self.wanted = True
        self.transport: asyncio.Transport | None = None

    async def stay(self) -> None:
        """Hold the stream open; open it again where it is lost."""
        loop = asyncio.get_running_loop()
        while self.wanted:
            self.lost, self.status, self.tail = loop.create_future(), b"", b""
            try:
                await loop.create_connection(lambda: self, HOST, self.crowd.port)
            except OSError:
                self.crowd.told["refused: no connection"] += 1
            else:
                await self.lost
            if self.remain is not None:  # one that never had a stream has waited since before
                self.since, self.remain = time.monotonic(), None
            if self.wanted:
                await asyncio.sleep(LOST_SECONDS if self.status == b"200" else REFUSED_SECONDS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(f"GET /stream HTTP/1.1\r\nHost: {HOST}:{self.crowd.port}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        if not self.status:
            self.status = data[:12].rpartition(b" ")[2]
            if self.status != b"200":
                self.crowd.told[f"refused: status {self.status.decode(errors='replace')}"] += 1
                self.transport.abort()
                return
        text, self.tail = self.tail + data, data[-LONGEST_MATCH:]
        if NO_DATA in text and self.remain is not None:
            self.since, self.remain = time.monotonic(), None
        for minutes, seconds in REMAIN.findall(text):
            self.remain = 60 * int(minutes or 0) + int(seconds or 0)
        if END in data:
            self.heard = time.time()
            self.note(self.heard)

    def note(self, at: float) -> None:
        if self.remain is not None:
            self.crowd.shown[self.remain] = at

    def connection_lost(self, error: Exception | None) -> None:
        if self.wanted and self.status == b"200":
            self.crowd.told["cut off"] += 1
        if not self.lost.done():
            self.lost.set_result(None)

    def leave(self) -> None:
        self.wanted = False
        if self.transport is not None:
            self.transport.abort()


class Crowd:
    """As many viewers as are asked for."""

    def __init__(self, desk: Desk, port: int) -> None:
        self.desk, self.port = desk, port
        self.viewers: dict[Viewer, asyncio.Task[None]] = {}
        self.shown: dict[int, float] = {}
        self.told: Counter[str] = Counter()

    async def run(self) -> None:
        with (self.desk.folder / "viewers.seen").open("a") as seen:
            while True:
                order = self.desk.asked()
                self._grow(order.get("viewers", 0))
                self.desk.say(number=order.get("number", 0), open=self._with_figures, told=self.told)
                await asyncio.sleep(1 - time.time() % 1)
                print(json.dumps(self._record()), file=seen, flush=True)

    def _grow(self, wanted: int) -> None:
        while len(self.viewers) < wanted:
            viewer = Viewer(self)
            self.viewers[viewer] = asyncio.create_task(viewer.stay())
        while len(self.viewers) > wanted:
            viewer, task = self.viewers.popitem()
            viewer.leave()
            task.cancel()

    @property
    def _with_figures(self) -> int:
        return sum(viewer.remain is not None for viewer in self.viewers)

    def _record(self) -> dict[str, object]:
        now = time.time()
        for viewer in self.viewers:
            if now - viewer.heard > LATE_SECONDS:
                viewer.note(now)
        shown, self.shown = self.shown, {}
        late = [each for each in self.viewers if each.remain is None and time.monotonic() - each.since > PATIENCE]
        waited = max((now - viewer.heard for viewer in self.viewers if viewer.remain is not None), default=0.0)
        return {"at": now, "wanted": len(self.viewers), "open": self._with_figures, "without": len(late),
                "waited": round(waited, 3), "shown": shown, "told": self.told}  # fmt: skip


if __name__ == "__main__":
    asyncio.run(Crowd(Desk(Path(sys.argv[1]), "viewers"), int(sys.argv[2])).run())
