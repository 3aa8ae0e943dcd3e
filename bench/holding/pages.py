"""The sender of metrics: every service's page, and the webhook of the person on call.

    python -m bench.holding.pages FOLDER NAME=PORT ...

Counters grow with the clock, evenly, and alike in both versions: nothing that they say is worth an alarm. A service
whose name ends in a version exports its version's part of the traffic.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.holding.orders import Desk, ports_of

HOST, LOOK_SECONDS = "127.0.0.1", 0.2
SEGMENTS = ("retail", "business", "partners")
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf")
BELOW = np.array([0.01, 0.08, 0.33, 0.66, 0.9, 0.985, 0.998, 1, 1, 1, 1])  # of the requests, by bound
FAILED, MEAN_SECONDS = 0.002, 0.05
PER_CELL = len(BOUNDS) + 4  # series of an endpoint in a segment
RATE = 200.0  # requests a second of an application, both versions together

Floats = NDArray[np.float64]


@dataclass
class Service:
    """What one service has counted, by endpoint and segment."""

    name: str
    counted: Floats = field(default_factory=lambda: np.zeros(0))
    at: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.time)
    pod: int = 0
    template: str = ""

    @property
    def version(self) -> str:
        return self.name.rpartition("-")[2] if "-v" in self.name else ""

    def follow(self, order: dict[str, Any]) -> None:
        """As many series as are asked for; a new pod counts from nothing."""
        cells, rest = divmod(order["series"], PER_CELL)
        if (pod := order.get("pods", {}).get(self.name, 0)) != self.pod:
            self.pod, self.began, self.counted = pod, time.time(), np.zeros(cells)
        if len(self.counted) != cells or not self.template:
            self.counted = np.concatenate((self.counted[:cells], np.zeros(max(0, cells - len(self.counted)))))
            self.template = _template(self.version, cells, rest)

    def page(self, order: dict[str, Any]) -> str:
        now = time.monotonic()
        share = order["share"] if self.version == "v2" else 1 - order["share"] if self.version else 1.0
        self.counted += RATE * share / len(self.counted) * (now - self.at)
        self.at = now
        waiting = order.get("waiting", 0) if self.name == order.get("waits") else 0
        return self.template % (*_values(self.counted), waiting, self.began)


def _values(counted: Floats) -> list[float]:
    """Whole events. Each cell begins at another fraction: an error in every one of them at once would be a burst."""
    begun = (counted + np.arange(len(counted)) * 0.618 % 1)[:, None]
    offset = np.arange(len(counted))[:, None] * 0.382 % 1
    total = np.floor(begun)
    buckets = np.floor(BELOW * total)
    failed = np.minimum(total, np.floor(FAILED * total + offset))
    found: list[float] = np.hstack((buckets, MEAN_SECONDS * total, total, total - failed, failed)).ravel().tolist()
    return found


def _template(version: str, cells: int, rest: int) -> str:
    lines = []
    for cell in range(cells):
        labels = f'endpoint="/api/{cell // len(SEGMENTS)}",user_segment="{SEGMENTS[cell % len(SEGMENTS)]}"'
        labels += f',version="{version}"' if version else ""
        name = "http_request_duration_seconds"
        lines += [f'{name}_bucket{{{labels},le="{bound}"}} %d' for bound in BOUNDS]
        lines += [f"{name}_sum{{{labels}}} %.3f", f"{name}_count{{{labels}}} %d"]
        lines += [f'http_requests_total{{{labels},status="{status}"}} %d' for status in (200, 500)]
    lines += ["jobs_waiting %d", "process_start_time_seconds %.3f"]
    lines += [f'pool_connections{{pool="{number}"}} 8' for number in range(rest - 2)]
    return "\n".join(lines) + "\n"


class Sender:
    """Answers on the port of each service."""

    def __init__(self, desk: Desk, services: dict[str, int]) -> None:
        self.desk, self.ports = desk, services
        self.services = {name: Service(name) for name in services}
        self.order: dict[str, Any] = {}
        self.notices = self.pages = 0

    async def run(self) -> None:
        for name, port in self.ports.items():
            await asyncio.start_server(partial(self._serve, name), HOST, port)
        while True:
            order = self.desk.asked()
            if order != self.order:
                for service in self.services.values():
                    service.follow(order)
                self.order = order
            self.desk.say(number=order.get("number", 0), notices=self.notices, pages=self.pages)
            await asyncio.sleep(LOOK_SECONDS)

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"POST"):
                    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length))
                    self.notices += 1
                    body = b"{}"
                else:
                    self.pages += 1
                    body = self.services[name].page(self.order).encode() if self.order else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"
                             % len(body) + body)  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()


if __name__ == "__main__":
    asyncio.run(Sender(Desk(Path(sys.argv[1]), "pages"), ports_of(sys.argv[2:])).run())
