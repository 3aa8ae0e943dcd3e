"""A Redis Cluster of three masters, one with a replica: real redis-servers in cluster mode, on loopback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import redis
from redis.cluster import RedisCluster as ClusterClient

from bascule.errors import ProcessFailed
from bascule.processes import ports, programs
from bascule.processes.ready import listens, wait_until
from bascule.processes.supervisor import Program, Supervisor

LOOPBACK = "127.0.0.1"
MASTERS, NODES = 3, 4
SLOTS = 16384
NODE_TIMEOUT_MS = 2000  # without an answer, until a master counts as failed
JOIN_SECONDS = 30.0
PAUSE_SECONDS = 0.1
logger = logging.getLogger(__name__)


class RedisCluster:
    """A context manager: the cluster is whole when it has started. The last node replicates the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [ports.free() for _ in range(NODES)]
        self._buses = [ports.free() for _ in range(NODES)]
        self._supervisor = Supervisor(logger.warning, grace=2.0)

    @property
    def addresses(self) -> tuple[str, ...]:
        """host:port of each node."""
        return tuple(f"{LOOPBACK}:{port}" for port in self._ports)

    def __enter__(self) -> Self:
        with self._supervisor.starting():
            for number in range(NODES):
                self.start(number)
            self._join()
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.close()

    def start(self, number: int) -> None:
        """Start a node; one that was killed comes back with what it knew."""
        home, port = self._folder / str(number), self._ports[number]
        home.mkdir(parents=True, exist_ok=True)
        own = ["--bind", LOOPBACK, "--port", str(port), "--dir", str(home), "--save", "", "--maxmemory", "16mb"]
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self._buses[number])]
        cluster += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0"]
        argv = [str(programs.find("redis-server")), *own, *cluster]
        log = self._folder / f"{number}.log"
        self._supervisor.start(Program(_name(number), argv, log=log, ready=listens(LOOPBACK, port)))

    def kill(self, number: int) -> None:
        self._supervisor.kill(_name(number))

    def is_running(self, number: int) -> bool:
        return self._supervisor.is_running(_name(number))

    def master_of(self, slot: int = 0) -> int:
        """The node that serves a slot now, as a node that runs sees it."""
        told = next(self._ask(number, "SLOTS") for number in range(NODES) if self.is_running(number))
        port = next(int(each[2][1]) for each in told if each[0] <= slot <= each[1])
        return self._ports.index(port)

    @property
    def is_whole(self) -> bool:
        """Whether every node that runs sees a cluster that serves."""
        return all("cluster_state:ok" in _text(self._ask(n, "INFO")) for n in range(NODES) if self.is_running(n))

    def client(self) -> ClusterClient:
        return ClusterClient(host=LOOPBACK, port=self._ports[0], socket_timeout=1.0)

    def _join(self) -> None:
        for number in range(1, NODES):
            self._ask(0, "MEET", LOOPBACK, self._ports[number], self._buses[number])
        for number in range(MASTERS):
            first, last = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            self._ask(number, "ADDSLOTSRANGE", first, last)
        master = _text(self._ask(0, "MYID"))
        joined = wait_until(lambda: self._replicates(master) and self.is_whole, JOIN_SECONDS, pause=0.1)
        if not joined or not wait_until(self._is_synchronised, JOIN_SECONDS, pause=0.1):
            raise ProcessFailed("the Redis Cluster did not become whole", f"look into {self._folder}")

    def _replicates(self, master: str) -> bool:
        try:
            return bool(self._ask(NODES - 1, "REPLICATE", master))
        except redis.ResponseError:
            return False  # it has not heard of its master yet

    def _is_synchronised(self) -> bool:
        """Whether the replica has its master's data; one that never had any does not take over."""
        with redis.Redis(LOOPBACK, self._ports[NODES - 1], socket_timeout=2.0) as node:
            return bool(node.info("replication")["master_link_status"] == "up")

    def _ask(self, number: int, *command: Any) -> Any:
        with redis.Redis(LOOPBACK, self._ports[number], socket_timeout=2.0) as node:
            return node.execute_command("CLUSTER", *command)


@contextmanager
def sessions_kept(cluster: RedisCluster) -> Iterator[None]:
    """A user's sessions: one is written and read again ten times a second. While a slot has no master, it waits."""
    ended = threading.Event()

    def keep() -> None:
        client, number = cluster.client(), 0
        while not ended.wait(PAUSE_SECONDS):
            number = (number + 1) % 1000
            try:
                client.set(f"session:{number}", "1", ex=600)
                client.get(f"session:{number}")
            except redis.RedisError as error:
                logger.warning("session %s: %s", number, error)

    thread = threading.Thread(target=keep, name="sessions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5.0)


def _name(number: int) -> str:
    return f"sessions-{number}"


def _text(answer: Any) -> str:
    if isinstance(answer, dict):
        return "\n".join(f"{key}:{value}" for key, value in answer.items())
    return answer.decode() if isinstance(answer, bytes) else str(cast(object, answer))
