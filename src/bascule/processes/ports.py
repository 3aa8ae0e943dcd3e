"""TCP ports: whether one can be listened on, who holds it if not, and finding a free one."""

from __future__ import annotations

import errno
import itertools
import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bascule.errors import PortBusy

__all__ = ["Owner", "check", "free", "free_together", "owner"]

LISTENING = "0A"  # the state's code in /proc/net/tcp

FREE = range(20_000, 32_000)
STEP, LAST = 100, 65_535


_candidates = itertools.cycle(random.Random().sample(FREE, len(FREE)))  # a seed of the shared one has no effect


@dataclass(frozen=True)
class Owner:
    """Who listens on a port. `pid` is None when the process belongs to somebody whose processes we may not see."""

    pid: int | None
    command: str
    uid: int

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})" if self.pid else f"a process of user {_user(self.uid)}"


def check(listen: str, port: int, who: str, setting: str = "") -> None:
    """Make sure that `who` can listen on the port. Raises PortBusy, which says who holds it and how to change it.

    `setting` is the key to change in the spec, by default `stack.ports.<who>`.
    """
    problem = _problem(listen, port)
    if problem is None:
        return
    fix = f"change {setting or f'stack.ports.{who}'} in the spec"
    if problem == errno.EADDRINUSE:
        holder = owner(port)
        raise PortBusy(
            f"port {port} on {listen}, wanted for {who}, is taken by {holder or 'another process'}",
            f"stop that process, or {fix}",
        )
    if problem == errno.EACCES:
        raise PortBusy(f"port {port}, wanted for {who}, needs root", f"{fix} to one above 1023")
    raise PortBusy(f"{who} cannot listen on {listen}:{port}: {os.strerror(problem)}", f"{fix}, or stack.listen")


def free(listen: str = "127.0.0.1") -> int:
    """A port that is free now, never the same twice in one process.

    Below the range that the system takes for outgoing connections: one of those could hold the port of a program
    that is down for a moment.
    """
    for port in itertools.islice(_candidates, len(FREE)):
        if _problem(listen, port) is None:
            return port
    raise PortBusy(f"no port of {listen} from {FREE[0]} to {FREE[-1]} is free", "stop the programs that use them")


def free_together(wanted: Mapping[str, int], listen: str = "127.0.0.1") -> dict[str, int]:
    """The wanted ports, all moved by the same hundreds until none is taken.

    Raises PortBusy where that goes on beyond the ports that there are.
    """
    for step in range(0, LAST - max(wanted.values()), STEP):
        moved = {who: port + step for who, port in wanted.items()}
        if all(_problem(listen, port) is None for port in moved.values()):
            return moved
    raise PortBusy(
        f"no ports of {listen} are free for all of {', '.join(wanted)}",
        "stop the programs that use them, or change stack.ports in the spec",
    )


def owner(port: int) -> Owner | None:
    """Who listens on a port of this machine; None when nobody does or the system does not tell (macOS)."""
    for uid, inode in _listeners(port):
        pid = _holder(inode)
        return Owner(pid, _command(pid) if pid else "", uid)
    return None


def _problem(listen: str, port: int) -> int | None:
    """The error number of listening on the address, None when it works."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as probe:
        # Connections that are only winding down (TIME_WAIT) do not hold a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen, port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
    return None


def _listeners(port: int) -> Iterator[tuple[int, str]]:
    """(uid, inode) of each socket that listens on the port."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield int(fields[7]), fields[9]


def _holder(inode: str) -> int | None:
    wanted = f"socket:[{inode}]"
    for folder in Path("/proc").glob("[0-9]*/fd"):
        # Processes end while we look, and those of others may not be looked into.
        with suppress(OSError):
            if any(os.readlink(entry) == wanted for entry in folder.iterdir()):
                return int(folder.parent.name)
    return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    return " ".join(words).strip()[:120] or "a process"


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
