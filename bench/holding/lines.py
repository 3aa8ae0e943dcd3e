"""The sender of log lines: an access log as a balancer writes it, so many each second.

python -m bench.holding.lines FOLDER FILE NAME=PORT ...
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.holding.orders import Desk, ports_of
from bench.holding.pages import FAILED, HOST, PER_CELL, SEGMENTS

PAUSE = 0.05  # seconds between writes
LOOK_SECONDS = 0.2
MOST_AT_ONCE = 1.0  # seconds' worth of lines: one that was not run for longer leaves the rest out, and says so
KEPT = 1000  # different lines


class Sender:
    """Appends to the file; `rotation` of an order says how often the file was rotated."""

    def __init__(self, desk: Desk, path: Path, ports: dict[str, int]) -> None:
        self.desk, self.path, self.ports = desk, path, ports
        self.order: dict[str, Any] = {}
        self.file = self._opened()
        self.written = self.left_out = self.rotated = 0
        self.owed, self.at = 0.0, time.monotonic()
        self.tails = cycle([""])

    def run(self) -> None:
        looked = 0.0
        while True:
            if (now := time.monotonic()) - looked > LOOK_SECONDS:
                looked = now
                self._follow(self.desk.asked())
            self._write()
            time.sleep(PAUSE)

    def _follow(self, order: dict[str, Any]) -> None:
        if order != self.order:
            self._write()  # what was owed at the pace before
            self.tails = cycle(_tails(order, self.ports))
            self.order = order
            while self.rotated < order.get("rotation", 0):
                self._rotate()
        self.desk.say(number=order.get("number", 0), written=self.written, left_out=self.left_out, rotated=self.rotated)

    def _write(self) -> None:
        now = time.monotonic()
        pace = self.order.get("lines", 0.0)
        self.owed, self.at = self.owed + pace * (now - self.at), now
        if (beyond := int(self.owed - max(1.0, MOST_AT_ONCE * pace))) > 0:
            self.left_out, self.owed = self.left_out + beyond, self.owed - beyond
        count = int(self.owed)
        if count:
            head = time.strftime('{"time_iso8601": "%Y-%m-%dT%H:%M:%S+00:00", ', time.gmtime())
            data = "".join(head + tail for tail in islice(self.tails, count)).encode()
            while data:  # a signal or a full pipe may end a write early
                data = data[os.write(self.file, data) :]
            self.written, self.owed = self.written + count, self.owed - count

    def _rotate(self) -> None:
        """As logrotate does: renamed, and opened again; the one before the last is removed."""
        first, second = (self.path.with_name(f"{self.path.name}.{number}") for number in (1, 2))
        if first.exists():
            first.replace(second)
        self.path.replace(first)
        os.close(self.file)
        self.file = self._opened()
        self.rotated += 1

    def _opened(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def _tails(order: dict[str, Any], ports: dict[str, int]) -> list[str]:
    """Lines without their time: as many endpoints as the pages have, and as much of them on the candidate."""
    endpoints = max(1, order["series"] // PER_CELL // len(SEGMENTS))
    sides = [[port for name, port in ports.items() if name.endswith(version)] for version in ("-v1", "-v2")]
    found = []
    for number in range(KEPT):
        servers = sides[number * 0.618 % 1 < order["share"]]
        status = 500 if number * FAILED % 1 + FAILED > 1 else 200
        seconds = round(0.02 + 0.06 * (number * 0.382 % 1), 3)
        fields = {
            "remote_addr": f"10.0.{number % 7}.{number % 250}",
            "request_method": "GET",
            "uri": f"/api/{number % endpoints}",
            "status": status,
            "request_time": seconds,
            "upstream_addr": f"{HOST}:{servers[number % len(servers)]}",
            "upstream_status": str(status),
            "user_id": f"user-{number % 500}",
        }
        found.append(json.dumps(fields)[1:] + "\n")
    return found


if __name__ == "__main__":
    Sender(Desk(Path(sys.argv[1]), "lines"), Path(sys.argv[2]), ports_of(sys.argv[3:])).run()
