"""Apprise waits as long as a receiver lets it: an attempt is a process that ends with its time, or with its sender."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from bascule.delivery import Courier, Delivery, Message, Outbox, Policy, Result, channels_of, deliver_now
from bascule.delivery.line import Line
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import AppriseUrl, Receiver, Webhook

MESSAGE = Message("key-1", "V2 is worse", "12 % errors")


class Listener:
    """Takes every connection, sends its pieces with a pause between them, and is told when the other side hangs up."""

    def __init__(self, pieces: list[bytes], pause: float):
        self.pieces, self.pause = pieces, pause
        self.asked, self.hung_up, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            self.asked.set()
            for piece in self.pieces:
                connection.sendall(piece)
                if self.ended.wait(self.pause):
                    return
            while not self.ended.is_set():
                if select.select([connection], [], [], 0.1)[0] and not connection.recv(65536):
                    break
        self.hung_up.set()

    def close(self) -> None:
        self.ended.set()
        self.socket.close()


@pytest.fixture
def listener() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(*pieces: bytes, pause: float = 0.0) -> Listener:
        made.append(Listener([*pieces], pause))
        return made[-1]

    yield make
    for one in made:
        one.close()


HEAD = b"HTTP/1.1 200 OK\r\n"
SILENT = ()
DRIPPING = (HEAD + b"\r\n", *[b"x"] * 600)


def by_apprise(one: Listener, folder) -> Receiver:
    """`rto`: the library waits a minute for each piece of the answer."""
    (folder / "url").write_text(f"json://127.0.0.1:{one.port}/secret?rto=60&cto=60")
    return Receiver(apprise=AppriseUrl(url_file=folder / "url"))


@pytest.mark.parametrize("pieces", [SILENT, DRIPPING], ids=["silent", "dripping"])
def test_an_attempt_that_is_cut_leaves_nothing_behind(listener, tmp_path, eventually, pieces):
    one, line = listener(*pieces, pause=0.1), Line(60.0, 60.0)
    (send,) = channels_of(by_apprise(one, tmp_path)).values()
    with ThreadPoolExecutor(1) as pool:
        attempt = pool.submit(send, MESSAGE, line)
        eventually(one.asked.is_set, 30)
        assert not one.hung_up.is_set()
        line.cut()
        eventually(one.hung_up.is_set)
        with pytest.raises(DeliveryFailed, match="ended with status -9"):
            attempt.result(10)


def test_an_attempt_has_a_time_in_all(listener, tmp_path, eventually):
    one = listener(*DRIPPING, pause=0.1)
    (done,) = deliver_now("teams", by_apprise(one, tmp_path), MESSAGE, Policy((), timeout=60.0, limit=1.5))
    assert (done.result, done.detail) == (Result.DOUBTFUL, "the attempt timed out after 1.5 s")
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "attempt"])


def test_the_others_are_told_meanwhile_and_what_is_owed_stays_owed(listener, tmp_path, eventually):
    slow, well = listener(*SILENT), listener(HEAD + b"Content-Length: 0\r\n\r\n")
    outbox, heard = Outbox(tmp_path / "deliveries.sqlite"), list[Delivery]()
    receivers = {
        "teams": by_apprise(slow, tmp_path),
        "well": Receiver(webhook=Webhook(url=f"http://127.0.0.1:{well.port}/")),
    }
    courier = Courier(receivers, outbox, Policy((), timeout=60.0, limit=60.0), heard.append)
    courier.start()
    try:
        courier.owe("teams", MESSAGE)
        eventually(slow.asked.is_set, 30)
        courier.owe("well", MESSAGE)
        eventually(lambda: [done.receiver for done in heard] == ["well"])
        assert [(owed.receiver, owed.attempts) for owed in outbox.owed()] == [("teams", 0)]
        slow.close()
        eventually(lambda: [(owed.receiver, owed.attempts) for owed in outbox.owed()] == [("teams", 1)])
    finally:
        courier.close()
        slow.close()
        outbox.close()


@contextmanager
def running(program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", program, *arguments])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_process_of_an_attempt_ends_with_a_sender_that_is_killed(listener, tmp_path, eventually):
    one = listener(*SILENT)
    by_apprise(one, tmp_path)
    program = (
        "import sys; from pathlib import Path; from bascule.delivery import Message, Policy, deliver_now;"
        "from bascule.spec.receivers import AppriseUrl, Receiver;"
        "deliver_now('x', Receiver(apprise=AppriseUrl(url_file=Path(sys.argv[1]))), Message('k', 's', 't'),"
        " Policy((), 60.0, 60.0))"
    )
    with running(program, str(tmp_path / "url")) as sender:
        eventually(one.asked.is_set, 30)
        assert not one.hung_up.is_set()
        sender.send_signal(signal.SIGKILL)
        eventually(one.hung_up.is_set)


def test_the_process_of_an_attempt_ends_in_time_while_its_sender_is_stopped(listener, tmp_path, eventually):
    one = listener(*SILENT)
    by_apprise(one, tmp_path)
    program = (
        "import sys; from pathlib import Path; from bascule.delivery.by_apprise import send_by_apprise;"
        "from bascule.delivery.line import Line; from bascule.delivery.message import Message;"
        "from bascule.spec.receivers import AppriseUrl;"
        "send_by_apprise(AppriseUrl(url_file=Path(sys.argv[1])), Message('k', 's', 't'), Line(60.0, 8.0))"
    )
    with running(program, str(tmp_path / "url")) as sender:
        eventually(one.asked.is_set, 30)
        sender.send_signal(signal.SIGSTOP)
        eventually(one.hung_up.is_set, 30)


def test_an_answer_without_end_costs_the_sender_no_memory(listener, tmp_path):
    endless = listener(HEAD + b"\r\n", *[b"x" * (1 << 24)] * 10_000)
    (done,) = deliver_now("teams", by_apprise(endless, tmp_path), MESSAGE, Policy((), 60.0, 60.0))
    assert done.result is Result.FAILED
    assert "secret" not in done.detail
