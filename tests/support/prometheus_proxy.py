"""A proxy before a real Prometheus: it wants a token, has another clock, or hides a part of the API."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from served import Quiet, served


@contextlib.contextmanager
def proxied(upstream: str, token: str = "", ahead: float = 0.0, hidden: str = "/nothing") -> Iterator[str]:
    """Its URL. `ahead`: the seconds that its clock, with all times that it knows, is before this machine's; `hidden`:
    how a path begins that it does not know."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self._handed_on(None)

        def do_POST(self) -> None:
            self._handed_on(self.posted())

        def _handed_on(self, body: bytes | None) -> None:
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                self.answer(401, b"401 Authorization Required")
                return
            if self.path.startswith(hidden):
                self.answer(404, b"404 page not found")
                return
            asked = urllib.parse.parse_qs((body or b"").decode())
            asked["time"] = [str(float(asked.get("time", [str(time.time() + ahead)])[0]) - ahead)]
            sent = urllib.parse.urlencode(asked, doseq=True).encode() if body is not None else None
            try:
                with urllib.request.urlopen(urllib.request.Request(upstream + self.path, sent), timeout=10) as found:
                    self.answer(found.status, _later(found.read(), ahead, asked.get("query", [""])[0]))
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())
            except OSError:
                self.answer(502, b"502 Bad Gateway")

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + ahead)

    with served(Handler) as address:
        yield f"http://{address}"


def _later(body: bytes, ahead: float, query: str) -> bytes:
    """An answer with its samples' times moved, and of `time()` the value."""
    answer = json.loads(body)
    data = answer.get("data")
    if not ahead or not isinstance(data, dict) or "resultType" not in data:
        return body
    points = [data["result"]] if data["resultType"] == "scalar" else _points(data["result"])
    for point in points:
        point[0] += ahead
        if query == "time()":
            point[1] = str(float(point[1]) + ahead)
    return json.dumps(answer).encode()


def _points(result: list[dict[str, Any]]) -> list[list[Any]]:
    return [point for each in result for point in ([each["value"]] if "value" in each else each.get("values", []))]
