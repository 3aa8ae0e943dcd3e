"""Requests that are no user's: scrapes, probes, and the calls of one service to another through the balancer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import numpy as np
import pyarrow as pa

from bascule.logformat import AGENT, CALLER_NAMES, CLIENT
from bascule.logs.parsing.columns import Coded, Rows
from bascule.logs.parsing.versions import looked_up
from bascule.spec import Spec

INTERNAL = "internal"


@dataclass(frozen=True)
class Callers:
    """Who is internal: callers from `networks`, programs that begin with one of `agents`, requests for `paths`."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    agents: tuple[str, ...] = ()
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, spec: Spec) -> Callers:
        """As `logs.internal` says; the pages that the spec has scraped are internal too."""
        internal, services = spec.logs.internal, spec.services.values()
        pages = (found.status_path if found.kind == "nginx" else found.page for found in services)
        own = [page for page in (*pages, *(found.health_path for found in services)) if page]
        networks = tuple(ip_network(client, strict=False) for client in internal.clients)
        return cls(networks, tuple(internal.agents), frozenset(own))

    def wants(self, column: str) -> bool:
        """Whether a column is looked at."""
        return bool(self.networks if column == CLIENT else self.agents if column == AGENT else False)

    def mark(self, rows: Rows) -> Rows:
        """The rows with `caller` where one is internal, and without the columns that say who called."""
        known = np.zeros(len(rows), bool)
        for name, column in rows.columns.items():
            if test := self._test(name):
                known |= looked_up(column, lambda text, test=test: 0 if test(text) else -1) >= 0  # type: ignore[misc]
        columns = {name: column for name, column in rows.columns.items() if name not in (CLIENT, AGENT)}
        if known.any():
            columns["caller"] = Coded(np.where(known, 0, -1).astype(np.int32), pa.array([INTERNAL]))
        return rows if not known.any() and len(columns) == len(rows.columns) else replace(rows, columns=columns)

    def _test(self, column: str) -> Callable[[str], bool] | None:
        caller = CALLER_NAMES.get(column)
        if caller == CLIENT and self.networks:
            return self._is_of_network
        if caller == AGENT and self.agents:
            return lambda text: text.lstrip('["').startswith(self.agents)
        return self.paths.__contains__ if column == "endpoint" and self.paths else None

    def _is_of_network(self, text: str) -> bool:
        """Whether an address, with or without its port, is of one of the networks."""
        host = text.strip('[]"').partition("]")[0] if text.startswith("[") else text
        for candidate in (host, host.rpartition(":")[0]):
            try:
                address = ip_address(candidate)
            except ValueError:
                continue
            return any(address in network for network in self.networks)
        return False
