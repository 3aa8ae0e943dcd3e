"""Receiving from Beats (and Logstash's clients): TCP, TLS and client certificates; answered once it is stored.

The protocol is at-least-once: a client that saw no answer sends its events again. Filebeat says of which file and
at which offset a line is (`log.file`, `log.offset`), so what comes twice is known and left out, after a restart
too. From a client that does not say it, an event whose answer was lost is stored twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from bascule.errors import PortBusy, StoreError
from bascule.logs.parsing.columns import Chunk, Coded, Rows
from bascule.logs.parsing.intake import Batch, Intake, Piece
from bascule.logs.parsing.values import read_time
from bascule.logs.reading.frames import BeatsEvent, Decoder, ProtocolError, answer
from bascule.spec.listening import Elsewhere, Tls

READ_BYTES = 256 << 10
MAX_CONNECTIONS = 32  # the one that has been silent longest makes room, unless events of it wait
PENDING_BYTES = 4 << 20  # a connection's events are committed at the latest when they take this, so much at once
HELD_BYTES = 16 << 20  # of all connections together, before the largest are refused
LARGE_BYTES = 1 << 20
EVENT_BYTES = 200  # what an event takes beside its text
STALLED_SECONDS = 60.0  # a client that stops within a frame is refused after this
QUIET_SECONDS = 0.5  # a client that sends less than the window it announced is answered after this
GREETING_SECONDS = 10.0  # that a client may take to encrypt its connection
LONGEST_NAME = 4096  # characters of a path, as the system allows
OFFSETS = range(1 << 63)  # of a file; what is said to be elsewhere has no place
CLOSING_SECONDS = 5.0  # that a client gets to read its last answers
ALIVE_SECONDS = 5.0  # while a commit takes longer, the client is told that we live
REMEMBERED = 200_000  # events known by their identity, so that they are not stored twice

log = logging.getLogger(__name__)
Commit = Callable[[Batch], None]


@dataclass
class Remembered:
    """The identities of the latest events, oldest forgotten first."""

    identities: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def add(self, identities: Iterable[int]) -> None:
        for identity in identities:
            self.identities[identity] = None
        while len(self.identities) > REMEMBERED:
            self.identities.popitem(last=False)

    def __contains__(self, identity: int) -> bool:
        return identity in self.identities


class EventLine(NamedTuple):
    """One event as a line. `identity` is 0 where the client does not say where the line is."""

    stream: str
    offset: int
    identity: int
    text: bytes
    time: str


_read_json = json.JSONDecoder().raw_decode


def line_of(payload: bytes, raw_wanted: bool, anonymous: str, number: int) -> EventLine:
    """An event's line: its message; the whole document where there is none, or where JSON is what the source has."""
    try:
        document, _ = _read_json(payload.decode())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return EventLine(anonymous, number, 0, _one_line(payload), "")
    message, place = document.get("message"), document.get("log")
    place = place if isinstance(place, dict) else {}
    offset = place.get("offset")
    if not isinstance(message, str) or (raw_wanted and offset is None):
        message = _written(document, payload)
    text = _one_line(message.encode(errors="replace"))
    time = str(document.get("@timestamp", ""))
    if not isinstance(offset, int) or offset not in OFFSETS:
        return EventLine(anonymous, number, 0, text, time)
    stream = _stream(document.get("agent"), place.get("file"))
    return EventLine(stream, offset, _identity(stream, offset, text), text, time)


def _written(document: Any, payload: bytes) -> str:
    """JSON without spaces that nobody needs; as it came where it is nested too deeply to be written again."""
    try:
        return json.dumps(document, ensure_ascii=False)
    except RecursionError:
        return payload.decode()


def _stream(agent: Any, file: Any) -> str:
    """Which file of which agent, as short text."""
    of_agent = agent.get("id") if isinstance(agent, dict) else None
    if not isinstance(file, dict):
        return _hashed((str(of_agent)[:LONGEST_NAME],))
    return _hashed(tuple(str(name)[:LONGEST_NAME] for name in (of_agent, *map(file.get, _FILE_NAMES))))


_FILE_NAMES = ("fingerprint", "device_id", "inode", "path")


@lru_cache(1024)
def _hashed(names: tuple[str, ...]) -> str:
    return blake2b("|".join(names).encode(errors="replace"), digest_size=8).hexdigest()


def _identity(stream: str, offset: int, text: bytes) -> int:
    digest = blake2b(f"{stream}|{offset}|".encode() + text, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _one_line(text: bytes) -> bytes:
    """A stack trace that the client joined stays one line here."""
    return text.replace(b"\n", b"\r") if b"\n" in text else text


def piece_of(lines: Sequence[EventLine], intake: Intake) -> Piece:
    """The lines of each stream together; rows without a time of their own have the event's."""
    ordered = sorted(lines, key=lambda line: line.stream)
    streams = [line.stream for line in ordered]
    chunk = Chunk(
        source=intake.name,
        stream=streams[0],
        start=ordered[0].offset,
        end=ordered[-1].offset,
        data=b"\n".join([line.text for line in ordered]) + b"\n",
        positions=np.array([line.offset for line in ordered], np.int64),
        identities=np.array([line.identity for line in ordered], np.int64),
        streams=Coded.from_list(streams),
    )
    piece = intake.piece(chunk)
    return Piece(piece.chunk, [_timed(rows, ordered) for rows in piece.rows])


def _timed(rows: Rows, lines: list[EventLine]) -> Rows:
    """Rows without a time of their own have their event's."""
    without = np.flatnonzero(rows.times == 0)
    if not len(without):
        return rows
    times = rows.times.copy()
    times[without] = [read_time(lines[number].time) or 0 for number in rows.lines[without].tolist()]
    return replace(rows, times=times)


# ---------------------------------------------------------------- serving


@dataclass(eq=False)
class BeatsReceiver:
    """Serves one address. `commit` keeps a batch or raises StoreError; `count` counts what was left out."""

    address: str
    intake: Intake
    commit: Commit
    tls: Tls | Elsewhere | None = None
    problem: Callable[[str], None] = lambda reason: None
    duplicates: Callable[[int], None] = lambda number: None
    known: Remembered = field(default_factory=Remembered)
    stalled_seconds: float = STALLED_SECONDS
    port: int = 0  # the one that is served, once it is
    connections: set[Connection] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # to unpack and commit
    worker: ThreadPoolExecutor | None = None  # while it serves
    context: ssl.SSLContext | None = None

    @property
    def held(self) -> int:
        """Bytes that connections hold in memory."""
        return sum(connection.held for connection in self.connections)

    def lag(self) -> tuple[int, float]:
        """Bytes of events received but not in the store, and for how long the oldest of them has waited (seconds)."""
        unstored = [(found.size, found.since) for found in list(self.connections) if found.size]
        now = time.monotonic()
        return sum(size for size, _ in unstored), max((now - since for _, since in unstored), default=0.0)

    def run(self, stop: threading.Event, ready: threading.Event | None = None) -> None:
        asyncio.run(self._run(stop, ready or threading.Event()))

    async def _run(self, stop: threading.Event, ready: threading.Event) -> None:
        with ThreadPoolExecutor(1, "beats") as self.worker:
            await self._listen(stop, ready)

    async def _listen(self, stop: threading.Event, ready: threading.Event) -> None:
        host, _, port = self.address.rpartition(":")
        self.intake.problem = self.problem
        if isinstance(self.tls, Tls):
            self.context = self.tls.context(f"the source {self.intake.name}")
        try:
            server = await asyncio.start_server(self._serve, host, int(port), limit=READ_BYTES)
        except OSError as error:
            raise PortBusy(
                f"Beats cannot be received at {self.address}: {error}", "change the source's `beats`"
            ) from error
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            while not stop.is_set():
                await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        try:
            self._make_room(connection)
            if self.context is not None:
                await _encrypt(writer, self.context)
            await connection.serve()
        except ProtocolError as error:
            log.warning("%s: a Beats client was refused: %s", self.intake.name, error)
            self.problem("protocol")
        except StoreError as error:
            log.error("%s: %s", self.intake.name, error)
            self.problem("store")
            await asyncio.sleep(1)  # the client sends it all again
        except OSError:
            pass  # the client went away: what it was not answered it sends again
        except asyncio.CancelledError:
            pass  # we are told to stop: likewise
        finally:
            self.connections.discard(connection)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):  # a client that reads nothing would keep it open for ever
                await asyncio.wait_for(writer.wait_closed(), CLOSING_SECONDS)
            writer.transport.abort()

    def _make_room(self, newest: Connection) -> None:
        """Raises ProtocolError when events wait on all the others."""
        if len(self.connections) <= MAX_CONNECTIONS:
            return
        silent = [other for other in self.connections if other is not newest and not other.pending]
        if not silent:
            raise ProtocolError(f"more than {MAX_CONNECTIONS} connections")
        longest = min(silent, key=lambda other: other.heard)
        self.connections.discard(longest)
        longest.writer.transport.abort()
        self.problem("connections")

    def keep(self, lines: Sequence[EventLine]) -> None:
        """Commit what is not known yet."""
        fresh: dict[int, EventLine] = {}
        for number, line in enumerate(lines):
            if line.identity == 0:
                fresh[-number - 1 - (1 << 63)] = line  # below every identity
            elif line.identity not in self.known:
                fresh.setdefault(line.identity, line)
        if len(fresh) < len(lines):
            self.duplicates(len(lines) - len(fresh))
        if fresh:
            self.commit(self.intake.batch([piece_of(list(fresh.values()), self.intake)]))
            self.known.add(line.identity for line in fresh.values() if line.identity)


async def _encrypt(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    """Raises OSError when the client goes before its connection is encrypted."""
    plain = writer.transport
    try:
        await writer.start_tls(context, ssl_handshake_timeout=GREETING_SECONDS)
    except AttributeError:  # asyncio has no transport for a client that closes meanwhile, and loses ours
        writer._transport = plain  # type: ignore[attr-defined]
        raise ConnectionAbortedError("the client closed the connection before it was encrypted") from None


@dataclass(eq=False)
class Connection:
    """One client: reads a window, has it committed, answers. `size` bytes of events wait since `since`; the client was
    `heard` last then."""

    receiver: BeatsReceiver
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    decoder: Decoder = field(default_factory=Decoder)
    name: str = field(default_factory=lambda: f"beats-{secrets.token_hex(6)}")
    number: int = 0
    pending: list[BeatsEvent] = field(default_factory=list)
    size: int = 0
    since: float = 0.0
    heard: float = field(default_factory=time.monotonic)

    @property
    def held(self) -> int:
        return self.size + EVENT_BYTES * len(self.pending) + self.decoder.buffered

    async def serve(self) -> None:
        while (data := await self._read()) != b"":
            self.heard = time.monotonic()
            if data is None:
                async with self.receiver.turn:
                    await self._commit()
            else:
                await self._take(self.decoder.feed(data))
            await self._answered()
            if self.receiver.held > HELD_BYTES and self.held > LARGE_BYTES:
                raise ProtocolError(f"{self.held} bytes of unfinished frames, while others hold as much")

    async def _take(self, portions: Iterator[list[BeatsEvent]]) -> None:
        """One connection at a time unpacks and commits, a portion in each turn: so memory is bounded and nobody waits
        for long, whatever clients send."""
        is_more = True
        while is_more:
            async with self.receiver.turn:
                is_more = await self._take_one(portions)

    async def _take_one(self, portions: Iterator[list[BeatsEvent]]) -> bool:
        """Whether there was one; nothing of it is kept while others have their turns."""
        events = await asyncio.get_running_loop().run_in_executor(self.receiver.worker, next, portions, None)
        self._add(events or ())
        if self._is_due():
            await self._commit()
        return events is not None

    async def _read(self) -> bytes | None:
        """What has come; None when events wait and nothing comes."""
        stalled = self.receiver.stalled_seconds
        patience = QUIET_SECONDS if self.pending else stalled if self.decoder.buffered else None
        try:
            return await asyncio.wait_for(self.reader.read(READ_BYTES), patience)
        except TimeoutError:
            if self.pending:
                return None
            raise ProtocolError(f"nothing came for {stalled:.0f} s within a frame") from None

    def _add(self, events: Sequence[BeatsEvent]) -> None:
        if events and not self.pending:
            self.since = time.monotonic()
        self.pending += events
        self.size += sum(map(_size, events))

    def _is_due(self) -> bool:
        enough = len(self.pending) >= self.decoder.window or self.size > PENDING_BYTES
        return bool(self.pending) and (enough or self.receiver.held > HELD_BYTES)

    async def _commit(self) -> None:
        while self.pending:
            events = self._some()
            work = asyncio.get_running_loop().run_in_executor(self.receiver.worker, self._keep, events)
            while not (await asyncio.wait({work}, timeout=ALIVE_SECONDS))[0]:
                self._answer(0)
            work.result()
            del self.pending[: len(events)]
            self.size -= sum(map(_size, events))
            self.decoder.window = max(0, self.decoder.window - len(events))
            self._answer(events[-1].sequence)

    def _some(self) -> list[BeatsEvent]:
        """The first of the pending events, as many as are committed at once."""
        size = 0
        for number, event in enumerate(self.pending):
            size += _size(event)
            if size > PENDING_BYTES:
                return self.pending[: number + 1]
        return self.pending[:]

    def _answer(self, sequence: int) -> None:
        self.writer.write(answer(sequence))

    async def _answered(self) -> None:
        """Waits until the client reads its answers, in nobody else's time. Raises ProtocolError when it does not."""
        stalled = self.receiver.stalled_seconds
        try:
            await asyncio.wait_for(self.writer.drain(), stalled)
        except TimeoutError:
            raise ProtocolError(f"it read none of its answers for {stalled:.0f} s") from None

    def _keep(self, events: Sequence[BeatsEvent]) -> None:
        raw = any(form.name == "json" for form in self.receiver.intake.parser.formats)
        lines = []
        for event in events:
            self.number += 1
            lines.append(line_of(event.payload, raw, self.name, self.number))
        self.receiver.keep(lines)


def _size(event: BeatsEvent) -> int:
    return len(event.payload)
