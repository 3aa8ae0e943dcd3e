"""Beats with real clients: pylogbeat and python-logstash-async, plain and over TLS, into the durable store."""

from __future__ import annotations

import json
import logging
import socket
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from logstash_async.handler import AsynchronousLogstashHandler
from logstash_async.transport import BeatsTransport
from pylogbeat import PyLogBeatClient

from bascule.errors import StoreError
from bascule.logs import (
    BeatsReceiver,
    Intake,
    LogReader,
    LogStore,
    Parser,
    VersionFinder,
    built_in,
    identities,
    open_store,
)
from bascule.logs.reading.beats import MAX_CONNECTIONS
from bascule.spec import load
from bascule.spec.listening import Tls

pytestmark = pytest.mark.integration
SPEC = load("supersmartmatch")
LINE = (
    "2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u{0} endpoint=/n/{0}"
    " response_time=0.02 status=200"
)


def event(number: int, place: bool = True) -> dict[str, object]:
    document: dict[str, object] = {"@timestamp": "2026-01-31T12:00:01.000Z", "message": LINE.format(number)}
    if place:
        where = {"offset": number * 100, "file": {"path": "/var/log/app.log", "inode": "7", "device_id": "1"}}
        document |= {"log": where, "agent": {"id": "a"}}
    return document


@dataclass
class Served:
    store: LogStore
    receiver: BeatsReceiver
    stop: threading.Event = field(default_factory=threading.Event)
    refuse: bool = False
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)

    def commit(self, batch) -> None:
        if self.refuse:
            raise StoreError("the store refuses")
        self.store.commit(batch, [])

    def count(self, number: int) -> None:
        self.duplicates += number

    def numbers(self) -> list[int]:
        rows = LogReader(self.store.root).query("select split_part(endpoint, '/', 3)::int as n from logs order by n")
        return [row["n"] for row in rows]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[tuple[Served, threading.Thread]] = []

    def start(tls: Tls | None = None, formats: tuple[str, ...] = ("api_call",), **more: float) -> Served:
        intake = Intake("beats", Parser(tuple(built_in(name) for name in formats)), VersionFinder.of(SPEC))
        store = open_store(tmp_path / "logs")
        served = Served(store, BeatsReceiver("127.0.0.1:0", intake, lambda batch: served.commit(batch), tls, **more))
        served.receiver.duplicates, served.receiver.problem = served.count, served.problems.append
        served.receiver.known.add(identities(store.folder, 1000))
        ready = threading.Event()
        thread = threading.Thread(target=served.receiver.run, args=(served.stop, ready))
        thread.start()
        assert ready.wait(10)
        started.append((served, thread))
        return served

    def end(served: Served, thread: threading.Thread) -> None:
        if not served.stop.is_set():
            served.stop.set()
            thread.join(10)
            served.store.close()

    start.end = lambda: [end(*pair) for pair in started]  # type: ignore[attr-defined]
    yield start
    start.end()  # type: ignore[attr-defined]


def client(served: Served, **more: object) -> PyLogBeatClient:
    return PyLogBeatClient("127.0.0.1", served.receiver.port, timeout=10, **more)


def test_what_pylogbeat_was_answered_is_in_the_store(serve):
    """Several windows on one connection, packed frames."""
    served = serve()
    with client(served) as beats:
        for start in range(0, 300, 100):
            beats.send([event(number) for number in range(start, start + 100)])
            assert served.numbers() == list(range(start + 100))
    row = LogReader(served.store.root).query(
        "select \"offset\", version, response_time, user_id from logs where endpoint = '/n/7'"
    )
    assert row == [{"offset": 700, "version": "v2", "response_time": 0.02, "user_id": "u7"}]


def test_events_sent_again_are_stored_once_also_after_a_restart(serve):
    """Filebeat sends again what it saw no answer for; where a line stands tells that it is the same."""
    served = serve()
    with client(served) as beats:
        beats.send([event(number) for number in range(50)])
        beats.send([event(number) for number in range(25, 75)])
    assert served.numbers() == list(range(75))
    assert served.duplicates == 25
    serve.end()
    again = serve()
    with client(again) as beats:
        beats.send([event(number) for number in range(60, 80)])
    assert again.numbers() == list(range(80))
    assert again.duplicates == 15


def test_events_without_a_place_are_stored_as_often_as_they_come(serve):
    """At least once: nothing tells that two are the same."""
    served = serve()
    with client(served) as beats:
        beats.send([event(1, place=False), event(1, place=False)])
    assert served.numbers() == [1, 1]


def test_a_window_that_stays_partial_is_answered(serve):
    """Plain frames; the client announces ten events and sends three."""
    served = serve()
    with socket.create_connection(("127.0.0.1", served.receiver.port), timeout=10) as connection:
        connection.sendall(b"2W" + struct.pack(">I", 10))
        for number in range(3):
            payload = json.dumps(event(number)).encode()
            connection.sendall(b"2J" + struct.pack(">II", number + 1, len(payload)) + payload)
        assert connection.recv(6) == b"2A" + struct.pack(">I", 3)
    assert served.numbers() == [0, 1, 2]


def test_nothing_is_answered_while_the_store_refuses_and_nothing_is_lost(serve):
    """The client sends it all again."""
    served = serve()
    served.refuse = True
    with client(served) as beats, pytest.raises(Exception):  # noqa: B017 - the client raises what it likes
        beats.send([event(1)])
    assert served.problems == ["store"]
    served.refuse = False
    with client(served) as beats:
        beats.send([event(1)])
    assert served.numbers() == [1]


def test_events_that_are_not_stored_yet_are_the_lag(serve):
    """Bytes, and the age of the oldest; none once they are stored."""
    served = serve()
    entered, go = threading.Event(), threading.Event()
    commit = served.receiver.commit

    def slow(batch) -> None:
        entered.set()
        assert go.wait(10)
        commit(batch)

    served.receiver.commit = slow
    assert served.receiver.lag() == (0, 0.0)
    with client(served) as beats:
        sender = threading.Thread(target=beats.send, args=([event(1), event(2)],))
        sender.start()
        assert entered.wait(10)
        size, age = served.receiver.lag()
        assert size > 2 * len(LINE)
        assert age > 0
        go.set()
        sender.join(10)
    assert served.numbers() == [1, 2]
    assert served.receiver.lag() == (0, 0.0)


def test_a_client_that_stops_within_a_frame_is_turned_away(serve):
    """It would hold memory for ever."""
    served = serve(stalled_seconds=0.1)
    with socket.create_connection(("127.0.0.1", served.receiver.port), timeout=10) as connection:
        connection.sendall(b"2J" + struct.pack(">II", 1, 100) + b"{")
        assert connection.recv(1) == b""
    assert served.problems == ["protocol"]


@pytest.mark.parametrize("hostile", [b"GET / HTTP/1.1\r\n\r\n", b"2C" + struct.pack(">I", 1 << 31), None])
def test_a_hostile_client_is_turned_away_and_others_are_served(serve, hostile):
    """Another protocol, an oversize frame, a bomb."""
    bomb = zlib.compress(bytes(30 << 20))
    data = hostile or b"2C" + struct.pack(">I", len(bomb)) + bomb
    served = serve()
    with socket.create_connection(("127.0.0.1", served.receiver.port), timeout=10) as connection:
        connection.sendall(data)
        assert connection.recv(1) == b""
    with client(served) as beats:
        beats.send([event(1)])
    assert (served.numbers(), served.problems) == ([1], ["protocol"])


def test_tls_with_client_certificates(serve, tmp_path: Path):
    """Who shows none is turned away."""
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", "basicConstraints=critical,CA:TRUE",
             "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    served = serve(
        Tls(certificate=tmp_path / "server.pem", key=tmp_path / "server.key", client_ca=tmp_path / "client.pem")
    )
    shown = {"keyfile": str(tmp_path / "client.key"), "certfile": str(tmp_path / "client.pem")}
    with client(served, ssl_enable=True, ca_certs=str(tmp_path / "server.pem"), **shown) as beats:
        beats.send([event(number) for number in range(5)])
    assert served.numbers() == list(range(5))
    with pytest.raises(Exception), client(served, ssl_enable=True, ca_certs=str(tmp_path / "server.pem")) as beats:  # noqa: B017
        beats.send([event(9)])
    assert served.numbers() == list(range(5))


@pytest.mark.parametrize("offset", [2**63, -1, 2**200, True, 1.5, "7", None, [], {"a": 1}])
def test_an_event_that_says_an_impossible_place_is_answered_and_kept(serve, offset: object):
    """Unanswered, Filebeat would send it for ever, and everything after it would wait."""
    served = serve()
    hostile = event(1)
    hostile["log"]["offset"] = offset
    with client(served) as beats:
        beats.send([event(0), hostile, event(2)])
    assert served.numbers() == [0, 1, 2]


def test_an_event_that_breaks_the_reader_is_kept_as_text_and_answered(serve):
    """A defect of ours must not keep the others from being answered."""
    served = serve()
    parser = served.receiver.intake.parser

    def breaking(data: bytes, begins: Collection[int]):
        assert b"/n/3 " not in data
        return parser.parse(data, begins)

    served.receiver.intake.parser = SimpleNamespace(parse=breaking, formats=parser.formats)
    with client(served) as beats:
        beats.send([event(number) for number in range(6)])
    assert served.numbers() == [0, 1, 2, 4, 5, None]
    assert LogReader(served.store.root).query("select count(*) as n from logs") == [{"n": 6}]
    assert served.problems == ["unreadable"]


def test_events_of_very_many_files_are_read_at_once(serve):
    """Each with its own name and place: a reading for each file would take a minute, in which nobody is answered."""
    served, parsed = serve(), []
    parser = served.receiver.intake.parser

    def counting(data: bytes, begins: Collection[int]):
        parsed.append(len(begins))
        return parser.parse(data, begins)

    served.receiver.intake.parser = SimpleNamespace(parse=counting, formats=parser.formats)
    with client(served) as beats:
        beats.send([event(number) | {"agent": {"id": f"a{number}"}} for number in range(300)])
    assert parsed == [299]
    assert served.numbers() == list(range(300))
    (told,) = LogReader(served.store.root).query("select count(distinct stream) as streams from logs")
    assert told == {"streams": 300}


def test_a_line_continues_no_line_of_another_file(serve):
    """Two traces that arrive together are two rows, each with its own lines."""
    served = serve()
    lines = ["Traceback (most recent call last):", "  one", "  two"]
    events = [event(0) | {"message": line, "agent": {"id": agent}} for line in lines for agent in ("a", "b")]
    for place, each in enumerate(events):
        each["log"] = {"offset": place, "file": {"path": "/a"}}
    with client(served) as beats:
        beats.send(events)
    rows = LogReader(served.store.root).query("select message, format from logs")
    assert rows == [{"message": "\n".join(lines), "format": "trace"}] * 2


def test_a_client_that_reads_no_answer_holds_up_nobody_and_is_ended(serve, eventually):
    """Each of its frames is answered, until nothing more fits between the two."""
    served = serve(stalled_seconds=0.2)
    frames = zlib.compress(b"2J" + struct.pack(">II", 1, len(payload := json.dumps(event(0)).encode())) + payload)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        deaf.connect(("127.0.0.1", served.receiver.port))
        eventually(lambda: served.receiver.connections)
        (connection,) = served.receiver.connections
        connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        connection.writer.transport.set_write_buffer_limits(0)
        deaf.settimeout(10)
        deaf.sendall((b"2W" + struct.pack(">I", 1) + b"2C" + struct.pack(">I", len(frames)) + frames) * 2000)
        with client(served) as beats:
            beats.send([event(1)])
        eventually(lambda: served.problems, seconds=60)
    assert set(served.problems) == {"protocol"}
    assert served.numbers() == [0, 1]


def test_clients_that_are_silent_make_room_for_those_that_send(serve):
    """Idle, or stopped within a frame: the longest silent goes, and one whose events wait never does."""
    served = serve()
    with ExitStack() as held:
        for number in range(3 * MAX_CONNECTIONS):
            address = ("127.0.0.1", served.receiver.port)
            held.enter_context(socket.create_connection(address)).sendall(b"2J"[: number % 3])
        with client(served) as beats:
            beats.send([event(0)])
    assert served.numbers() == [0]
    assert set(served.problems) == {"connections"}


def test_clients_that_never_begin_to_encrypt_make_room_too(serve, tmp_path: Path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=server",
         "-keyout", tmp_path / "server.key", "-out", tmp_path / "server.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    served = serve(Tls(certificate=tmp_path / "server.pem", key=tmp_path / "server.key"))
    with ExitStack() as held:
        for _ in range(2 * MAX_CONNECTIONS):
            held.enter_context(socket.create_connection(("127.0.0.1", served.receiver.port)))
        with client(served, ssl_enable=True, ca_certs=str(tmp_path / "server.pem")) as beats:
            beats.send([event(0)])
    for _ in range(3):
        socket.create_connection(("127.0.0.1", served.receiver.port)).close()
    with client(served, ssl_enable=True, ca_certs=str(tmp_path / "server.pem")) as beats:
        beats.send([event(1)])
    assert served.numbers() == [0, 1]


def test_pythons_logstash_handler_is_received(serve):
    """Its events are documents of their own: format json."""
    served = serve(formats=("json",))
    handler = AsynchronousLogstashHandler(
        "127.0.0.1", served.receiver.port, None,
        transport=BeatsTransport("127.0.0.1", served.receiver.port, timeout=10, ssl_enable=False, ssl_verify=False,
                                 ssl_verify_flags=None, keyfile=None, certfile=None, ca_certs=None),
    )  # fmt: skip
    logger = logging.getLogger("test-logs-beats")
    logger.addHandler(handler)
    logger.warning("it is %s", "late")
    handler.flush()
    end = time.monotonic() + 20
    while not (rows := LogReader(served.store.root).query("select message, level from logs")):
        assert time.monotonic() < end
        time.sleep(0.05)
    logger.removeHandler(handler)
    handler.close()
    assert rows == [{"message": "it is late", "level": "WARNING"}]
