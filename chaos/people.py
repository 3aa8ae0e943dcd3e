"""The people of the world: two webhooks and a mail server, each of which can be refused, stopped, slowed or failing."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from chaos.web import HOST, Handler, Server

MODES = ("refused", "stopped", "slowed", "failing")
HANG_SECONDS = 40.0
SLOW_SECONDS = (2.0, 8.0)


@dataclass(frozen=True)
class Told:
    """What one channel was told, and when (Unix seconds); `key`: the webhook's or the mail's own identity."""

    channel: str
    at: float
    key: str
    subject: str
    text: str
    direct: list[dict[str, Any]] = field(default_factory=list)  # the alerts, where Alertmanager told it itself
    header: str = ""  # the idempotency key


class Channel:
    """Something that listens on a port and keeps what it is told."""

    def __init__(self, name: str, port: int, slow: Callable[[], float]) -> None:
        self.name, self.port = name, port
        self.mode = ""
        self.told: list[Told] = []
        self._slow = slow
        self._lock = threading.Lock()

    def set_mode(self, mode: str) -> None:
        """`refused` closes the port; the empty mode is healthy."""
        if (mode == "refused") != (self.mode == "refused"):
            (self.stop if mode == "refused" else self.start)()
        self.mode = mode

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def pause(self) -> float:
        """Seconds before it answers."""
        return HANG_SECONDS if self.mode == "stopped" else self._slow() if self.mode == "slowed" else 0.0

    def keep(self, key: str, subject: str, text: str, direct: list[dict[str, Any]], header: str = "") -> None:
        with self._lock:
            self.told.append(Told(self.name, time.time(), key, subject, text, direct, header))


class Hook(Channel):
    def start(self) -> None:
        hook = self

        class Answering(Handler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(hook.pause())
                status = 503 if hook.mode == "failing" else 200
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    self.wfile.flush()
                except OSError:
                    return  # the client has gone: it does not know that we have it
                finally:
                    if status == 200:
                        subject, text = (
                            body.get("subject", body.get("title", "")),
                            body.get("text", body.get("message", "")),
                        )
                        hook.keep(
                            body.get("key", ""),
                            subject,
                            text,
                            body.get("alerts", []),
                            self.headers.get("Idempotency-Key", ""),
                        )

        self._server = Server(self.port, Answering)

    def stop(self) -> None:
        self._server.close()


def _told(body: dict[str, Any]) -> tuple[str, str, str]:
    """Key, subject and text, of the journal's webhook or of Apprise's."""
    return body.get("key", ""), body.get("subject", body.get("title", "")), body.get("text", body.get("message", ""))


class Post(Channel):
    """The mail server."""

    def start(self) -> None:
        post = self

        class Handler:
            async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
                await asyncio.sleep(post.pause())
                if post.mode == "failing":
                    return "451 try again later"
                letter = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
                body = letter.get_body(("plain", "html"))
                text = body.get_content() if body is not None else ""
                post.keep(str(letter["Message-ID"] or ""), str(letter["Subject"] or ""), text, [])
                return "250 OK"

        self._controller = Controller(Handler(), hostname=HOST, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()
