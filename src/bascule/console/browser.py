"""A headless Chromium, driven over its own debugging pipe with the standard library alone.

The pipe (file descriptors 3 and 4 of the browser) opens no port, and the browser ends when the pipe does.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from bascule.errors import ProcessFailed
from bascule.processes import programs

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-proxy-server",
    "--remote-debugging-pipe",
)
ANSWER_WITHIN = 20.0  # seconds for one command of the protocol
# What Chromium answers when the document that was asked gave way to the next one.
LEFT = (
    "Inspected target navigated or closed",
    "Execution context was destroyed",
    "Cannot find default execution context",
)


class PageLeft(ProcessFailed):
    """A page was asked while it went to another address: the next document can be asked."""


class Browser:
    """A context manager: a fresh profile, no network but what the page asks for, gone at the end."""

    def __init__(self, chromium: Path | None = None) -> None:
        self._chromium = chromium or programs.find("chromium")
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._ended = False
        self._last = 0

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="bascule-browser-", ignore_cleanup_errors=True)
        to_browser, from_us = _pipe()
        to_us, from_browser = _pipe()
        # The shell moves the two ends to the numbers that Chromium expects, then becomes Chromium.
        command = f'exec "$@" 3</dev/fd/{to_browser} 4>/dev/fd/{from_browser}'
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command, "sh", str(self._chromium), *FLAGS, f"--user-data-dir={self._profile.name}"],
            pass_fds=(to_browser, from_browser),
            env=programs.environment(self._chromium),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._out: BinaryIO = os.fdopen(from_us, "wb")
        self._reader = threading.Thread(target=self._read, args=(os.fdopen(to_us, "rb"),), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            self._out.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        self._profile.cleanup()

    def page(self, width: int = 1440, height: int = 900, *, dark: bool = False, scale: float = 1.0) -> BrowserPage:
        """A new, empty page of this size in CSS pixels."""
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = BrowserPage(self, session)
        page.prepare(width, height, dark, scale)
        return page

    def send(self, method: str, params: Mapping[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """One command and its answer."""
        with self._news:
            self._last += 1
            number = self._last
            message = {"id": number, "method": method, "params": dict(params or {})}
            message |= {"sessionId": session} if session else {}
            self._write(json.dumps(message).encode() + b"\0")
            self._news.wait_for(lambda: number in self._answers or self._ended, timeout=ANSWER_WITHIN)
            answer = self._answers.pop(number, None)
        if answer is None or "error" in answer:
            why = answer["error"]["message"] if answer else "no answer"
            failure = PageLeft if why.startswith(LEFT) else ProcessFailed
            raise failure(f"Chromium: {method}: {why}", "close other programs or try again")
        result: dict[str, Any] = answer["result"]
        return result

    def events(self, session: str) -> list[dict[str, Any]]:
        """What this page reported so far."""
        with self._news:
            return [event for event in self._events if event.get("sessionId") == session]

    def _write(self, message: bytes) -> None:
        try:
            self._out.write(message)
            self._out.flush()
        except OSError as error:
            raise ProcessFailed("Chromium exited unexpectedly", "start it by hand to see the reason") from error

    def _read(self, pipe: BinaryIO) -> None:
        with pipe:
            for message in _messages(pipe):
                with self._news:
                    if "id" in message:
                        self._answers[message["id"]] = message
                    else:
                        self._events.append(message)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class BrowserPage:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def prepare(self, width: int, height: int, dark: bool, scale: float) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")
        self.resize(width, height, scale)
        self.prefer("dark" if dark else "light")

    def resize(self, width: int, height: int, scale: float = 1.0) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Pretend that the reader's system prefers `light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._send("Emulation.setEmulatedMedia", {"features": [feature]})

    def pretend_paper(self, width: int) -> None:
        """Lay the page out as on a sheet of this width."""
        self.resize(width, 740)
        self._send("Emulation.setEmulatedMedia", {"media": "print"})

    def in_timezone(self, name: str) -> None:
        self._send("Emulation.setTimezoneOverride", {"timezoneId": name})

    def open(self, url: str) -> None:
        """Go there; returns when the document is parsed and its scripts ran."""
        answer = self._send("Page.navigate", {"url": url})
        if answer.get("errorText"):
            raise ProcessFailed(f"Chromium cannot open {url}: {answer['errorText']}", "check that it is served")
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; it waits for asynchronous results."""
        params = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        params |= {"allowUnsafeEvalBlockedByCSP": False}
        answer = self._send("Runtime.evaluate", params)
        if "exceptionDetails" in answer:
            why = answer["exceptionDetails"].get("exception", {}).get("description")
            raise ProcessFailed(f"JavaScript failed: {why}", "check the expression, or the page's own scripts")
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 15.0) -> Any:
        """The first truthy value of an expression, on this document or the next; ProcessFailed when none in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(PageLeft):
                value = self.evaluate(expression)
                if value:
                    return value
            time.sleep(0.05)
        raise ProcessFailed(
            f"the page was not as expected within {seconds:g} s: {expression}", "open it by hand to see why"
        )

    def text(self, selector: str) -> str:
        """What a reader reads in an element."""
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def close(self) -> None:
        self._send("Page.close")

    def click(self, selector: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self._send(
                "Input.dispatchKeyEvent", event | ({"text": "\r"} if key == "Enter" and kind == "keyDown" else {})
            )

    def screenshot(self, out: Path, *, whole: bool = False) -> Path:
        """A PNG of what is seen, or of the whole page."""
        params: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self._send("Page.getLayoutMetrics")["cssContentSize"]
            params["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        out.write_bytes(base64.b64decode(self._send("Page.captureScreenshot", params)["data"]))
        return out

    def complaints(self) -> list[str]:
        """Errors on the console, uncaught exceptions, violations of the content-security-policy."""
        return [text for event in self._browser.events(self._session) if (text := _complaint(event))]

    def requests(self) -> list[str]:
        """Every address the page asked for."""
        events = self._browser.events(self._session)
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def _send(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._browser.send(method, params, self._session)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers above those that Chromium takes for itself."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


def _messages(pipe: BinaryIO) -> Any:
    """Messages are JSON, each ended by a zero byte."""
    rest = b""
    while chunk := os.read(pipe.fileno(), 1 << 16):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from (json.loads(message) for message in whole)


def _complaint(event: Mapping[str, Any]) -> str:
    params = event["params"]
    match event["method"]:
        case "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            return str(details.get("exception", {}).get("description") or details["text"])
        case "Log.entryAdded" if params["entry"]["level"] == "error":
            return f"{params['entry']['text']} ({params['entry'].get('url', '')})"
        case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
            return " ".join(str(each.get("value", each.get("description"))) for each in params["args"])
        case _:
            return ""
