"""A webhook on this machine that keeps every notice it is told, and when: the person of a drill."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_FIRING = re.compile(r"^- #(\d+) (\S+) firing\b", re.MULTILINE)  # as the journal lists a notice's incidents


@dataclass(frozen=True)
class HeardNotice:
    """One notice. `at`: Unix seconds when it had arrived."""

    at: float
    subject: str
    text: str
    severity: str
    status: str

    @property
    def in_short(self) -> str:
        """Its subject, and what it says of the first incident that fires."""
        line = _FIRING.search(self.text)
        return self.subject if line is None else f"{self.subject} ({self.text[line.start() + 2 :].splitlines()[0]})"

    def names(self, alerts: Sequence[str]) -> str:
        """The first of the alerts that the notice is about; empty for none."""
        return next((alert for alert in alerts if alert in f"{self.subject}\n{self.text}"), "")

    @property
    def firing(self) -> dict[int, str]:
        """The alerts that it says fire, by the numbers of their incidents."""
        return {int(number): alert for number, alert in _FIRING.findall(self.text)}


@dataclass
class Person:
    """Who is told by the webhook at `url`."""

    url: str
    told: list[HeardNotice] = field(default_factory=list)
    refuses: threading.Event = field(default_factory=threading.Event)  # while set, it answers 503

    def firing(self, since: float) -> list[HeardNotice]:
        return [each for each in list(self.told) if each.status == "firing" and each.at >= since]


@contextmanager
def listening() -> Iterator[Person]:
    """A receiver on a free port of loopback."""
    receiver = Person("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refused = receiver.refuses.is_set()
            if not refused:
                texts = (str(body.get(key, "")) for key in ("subject", "text", "severity", "status"))
                receiver.told.append(HeardNotice(time.time(), *texts))
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
