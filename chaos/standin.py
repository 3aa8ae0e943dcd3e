"""Stand-ins on the ports of roles that this world does not run: pages that answer, and a judge that poses alarms."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from bascule import times
from bascule.api import Tokens
from bascule.api.proof import PATH, ListenerProof, address_of, proof_of
from bascule.errors import BasculeError
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.service.posting import AlarmPost
from bascule.prometheus import Alertmanager, PostedAlert
from bascule.spec import Spec
from chaos.web import Handler, Server

SIGNAL = "errors"
TICK_SECONDS = 1.0
ENDS_TOLD_SECONDS = 90.0


def proof_for(spec: Spec, role: str, port: int, path: str) -> str:
    """What a role that listens on a port of 127.0.0.1 answers to this path, which asks for its proof."""
    nonce = parse_qs(urlsplit(path).query)["nonce"][0]
    proof = proof_of(Tokens(spec.stack.state).operator, role, address_of("127.0.0.1", port), nonce)
    return ListenerProof(role=role, proof=proof).model_dump_json()


class Page:
    """Answers every GET with its text; 503 while it is not `up`, nothing while it is `hung`."""

    def __init__(self, port: int) -> None:
        self.text, self.up, self.hung = "", True, False
        self.port = port
        self.open()

    def body(self, path: str) -> str:
        return self.text

    def open(self) -> None:
        page = self

        class Answering(Handler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                while page.hung:
                    time.sleep(0.2)
                body = page.body(self.path).encode()
                try:
                    self.send_response(200 if page.up else 503)
                    kind = "application/json" if self.path.startswith("/api") else "text/plain; version=0.0.4"
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(body)))
                    if not self.path.startswith(PATH):  # what follows a proof comes over the same connection
                        self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

        self._server = Server(self.port, Answering)

    def close(self) -> None:
        self._server.close()


class StandInJudge(Page):
    """Says that the candidate is worse while `alarm` is set: to every client, and to Alertmanager."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.alarm: Alarm | None = None
        self._running = threading.Event()
        super().__init__(spec.stack.ports.judge)
        self._begin()

    def _begin(self) -> None:
        self._running = threading.Event()
        self._running.set()
        threading.Thread(target=self._post, args=(self._running,), daemon=True).start()

    def set_alarm(self, on: bool) -> None:
        now = time.time()
        self.alarm = Alarm(SIGNAL, "all", now, 20.0, 7.0, "V2 fails more often.") if on else None

    def kill(self) -> None:
        self._running.clear()
        self.close()

    def restart(self) -> None:
        self.open()
        self._begin()

    def _post(self, running: threading.Event) -> None:
        post = AlarmPost(self._spec, Alertmanager(self._spec.stack.url("alertmanager"), 2.0))
        post.held()
        while running.is_set():
            if not self.hung:
                alarm = self.alarm
                post.send({alarm.cell: alarm} if alarm is not None else {})
            time.sleep(TICK_SECONDS)

    def body(self, path: str) -> str:
        if path.startswith(PATH):
            return proof_for(self._spec, "judge", self.port, path)
        alarm = self.alarm
        if not path.startswith("/api/verdict"):
            value = int(alarm is not None)
            tick = f"bascule_judge_last_tick_timestamp_seconds {time.time()}\n"
            return f'{tick}bascule_signal_alarm{{signal="{SIGNAL}",user_segment="all"}} {value}\n'
        line = {"signal": SIGNAL, "segment": "all", "state": "bad" if alarm else "ok", "alarm": alarm is not None}
        line |= {"text": "V2 fails more often."}
        line |= {"alarm_since": times.rfc3339(alarm.since, "milliseconds")} if alarm else {}
        now = times.rfc3339(time.time(), "milliseconds")
        answer = {"migration": self._spec.metadata.name, "verdict": "roll_back" if alarm else "hold", "since": now}
        return json.dumps(answer | {"reasons": ["V2 fails more often."], "signals": [line], "tick": now})


class Poster:
    """Somebody else's sender of alerts to Alertmanager, which repeats firing alerts every few seconds."""

    def __init__(self, url: str) -> None:
        self._alertmanager = Alertmanager(url, 2.0)
        self._standing: dict[str, PostedAlert] = {}
        self._last: dict[str, PostedAlert] = {}
        self._ended: dict[str, tuple[PostedAlert, float]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._repeat, daemon=True).start()

    def set(self, labels: Mapping[str, str], on: bool) -> None:
        now, key = datetime.now(UTC), repr(sorted(labels.items()))
        with self._lock:
            if on:
                self._standing[key] = PostedAlert(
                    labels, {"description": f"posted: {key}"}, now, now + timedelta(hours=1), ""
                )
            elif key in self._standing:
                began = self._last[key] = self._standing.pop(key)
                ended = PostedAlert(labels, began.annotations, began.starts, now, began.source)
                self._ended[key] = (ended, time.monotonic())

    def again(self, labels: Mapping[str, str]) -> None:
        """What ended goes on, with the start that it had."""
        key = repr(sorted(labels.items()))
        with self._lock:
            self._standing[key] = self._last[key]

    def _repeat(self) -> None:
        while True:
            with self._lock:
                ends = datetime.now(UTC) + timedelta(hours=1)
                alerts = [replace(alert, ends=ends) for alert in self._standing.values()]
                for key, (alert, at) in self._ended.items():
                    if key not in self._standing and time.monotonic() - at < ENDS_TOLD_SECONDS:
                        alerts.append(alert)
            try:
                if alerts:
                    self._alertmanager.post(alerts)
            except BasculeError:
                pass
            time.sleep(2.0)
