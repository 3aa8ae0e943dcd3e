"""What clients may take of a role: bytes, seconds, connections, turns; and the count of what was refused."""

from __future__ import annotations

import logging
import resource
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter

from bascule.conventions import REQUESTS_REFUSED

MOST_CONNECTIONS = 512
_TOLD = 1000  # sources that are remembered as told of
log = logging.getLogger("bascule.api")


def _connections() -> int:
    """Half of the descriptors that this process may have: the rest is for its files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft // 2))


@dataclass(frozen=True)
class Limits:
    """Seconds from a connection's first byte to the end of a request's head, then to the end of its body; for which a
    reader may read nothing; for which an idle connection stays open. Connections at one time. Requests of each lane
    that are worked on at one time, how many more wait for a turn, and for how many seconds.
    """

    head: float = 10.0
    body: float = 20.0
    stall: float = 30.0
    idle: float = 30.0
    connections: int = field(default_factory=_connections)
    reading: int = 4
    changing: int = 12
    queue: int = 128
    turn: float = 2.0


class Refused(Exception):
    """`status`, what is wrong and what to do about it, as they are answered, with the headers besides."""

    def __init__(self, status: int, error: str, fix: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.fix = fix
        self.headers = dict(headers or {})


class Refusals:
    """Counts refused requests by status, and logs each status once for each source."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            REQUESTS_REFUSED.name, REQUESTS_REFUSED.help, REQUESTS_REFUSED.labels, registry=registry
        )
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    def note(self, status: int, source: str, what: str) -> None:
        self._counter.labels(str(status)).inc()
        if (source, status) in self._told:
            return
        self._told[source, status] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        log.warning(
            "refused with %d, from %s: %s (logged once; the metric %s counts)",
            status,
            source,
            what,
            REQUESTS_REFUSED.name,
        )
