"""Readiness by asking: conditions for `Program.ready`, and waiting for one."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

__all__ = ["answers", "listens", "responds", "wait_until"]

# Never through a proxy: these are processes of our own, on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str, timeout: float = 1.0) -> Callable[[], bool]:
    """A condition: the URL answers with a status below 400."""

    def is_ready() -> bool:
        try:
            with _opener.open(url, timeout=timeout):
                return True
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    return is_ready


def responds(url: str, timeout: float = 3.0) -> Callable[[], bool]:
    """A condition: the URL answers, whatever it says; a program that is busy starting is not hung."""

    def is_alive() -> bool:
        try:
            with _opener.open(url, timeout=timeout):
                return True
        except urllib.error.HTTPError:
            return True
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    return is_alive


def listens(host: str, port: int, timeout: float = 1.0) -> Callable[[], bool]:
    """A condition: something accepts connections on the port."""

    def is_ready() -> bool:
        try:
            with socket.create_connection((host, port), timeout=timeout):
                return True
        except OSError:
            return False

    return is_ready


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Ask until the condition holds; False when it did not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
