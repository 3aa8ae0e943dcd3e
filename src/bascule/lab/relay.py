"""A relay between the load balancer and a service: a network that is slow and loses packets, as TCP meets it.

Every piece of a stream comes later by `delay`; one in so many (`loss`) by RETRANSMISSION_SECONDS more, and what is
behind it waits. No right of root's and no module of the kernel is needed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random

PIECE = 65536
RETRANSMISSION_SECONDS = 0.25
START_SECONDS = 5.0


@dataclass(frozen=True)
class Network:
    """`delay`: seconds each way; `loss`: the share of pieces that are sent again."""

    delay: float
    loss: float


@contextmanager
def relayed(target: str, network: Network, seed: int = 1) -> Iterator[str]:
    """host:port, on a free port of loopback, at which the target (host:port) answers through such a network."""
    relay = _Relay(target, network, Random(seed))
    thread = threading.Thread(target=lambda: asyncio.run(relay.serve()), name="relay", daemon=True)
    thread.start()
    try:
        yield relay.address.result(START_SECONDS)
    finally:
        relay.stop()
        thread.join(START_SECONDS)


class _Relay:
    def __init__(self, target: str, network: Network, luck: Random) -> None:
        self._target, self._network, self._luck = target, network, luck
        self._stop: Callable[[], object] = lambda: None
        self.address: Future[str] = Future()

    async def serve(self) -> None:
        """Until it is stopped; connections that are open then end."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.address.set_result(f"{host}:{port}")
        await stopped.wait()
        server.close()

    def stop(self) -> None:
        """From another thread."""
        self._stop()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the relay is stopped
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each piece at its time: those on their way do not wait for each other, but for what was lost before them."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        writing = asyncio.create_task(self._write(due, writer))
        clock = asyncio.get_running_loop().time
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                lost = self._luck.random() < self._network.loss
                due.put_nowait((clock() + self._network.delay + lost * RETRANSMISSION_SECONDS, piece))
        due.put_nowait((clock() + self._network.delay, b""))
        await writing

    async def _write(self, due: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        with suppress(OSError):
            while True:
                at, piece = await due.get()
                await asyncio.sleep(max(0.0, at - clock()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        writer.close()
