"""Servers that answer a piece at a time, for every client that must not wait for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def dripping() -> Iterator[Callable[..., str]]:
    """Makes a server that sends its pieces with a pause between them, whatever it is asked; returns its URL."""
    ended = threading.Event()
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, pieces: list[bytes], pause: float) -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=send, args=(connection, pieces, pause), daemon=True).start()

    def send(connection: socket.socket, pieces: list[bytes], pause: float) -> None:
        with connection:
            connection.recv(65536)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    if ended.wait(pause):
                        return
            except OSError:
                return

    def make(pieces: list[bytes], pause: float = 0.02) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, pieces, pause), daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield make
    ended.set()
    for listener in listeners:
        listener.close()
