"""Signing in at a proxy before the console, which names the person in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field, field_validator

from bascule.spec.listening import check_host
from bascule.spec.part import Contradiction, Part


class ProxySignIn(Part):
    """`proxies`: addresses or networks from which the header counts. `secret_file`: what the proxy sends beside it, in
    X-Bascule-Proxy-Secret. `host`: the name that people open. Who is not among `operators` reads.
    """

    header: str = "X-Forwarded-User"
    proxies: list[str] = Field(min_length=1)
    operators: list[str] = Field(default_factory=list)
    secret_file: Path | None = None
    host: str = ""

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(each) for each in self.proxies)

    def contradictions(self) -> Iterator[Contradiction]:
        if self.secret_file is None and any(network.is_loopback or network.prefixlen == 0 for network in self.networks):
            what = "without a secret, any program on this machine can sign in as anyone; give the proxy a 'secret_file'"
            yield Contradiction(what, "proxies")

    @field_validator("header")
    @classmethod
    def _header(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,80}", name):
            raise ValueError(f"{name!r} is not the name of a header; write letters, digits and -")
        return name

    @field_validator("proxies")
    @classmethod
    def _proxies(cls, listed: list[str]) -> list[str]:
        for each in listed:
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(
                    f"{each!r} is not an address or network; write it like 10.0.0.5 or 10.0.0.0/24"
                ) from error
        return listed

    @field_validator("host")
    @classmethod
    def _host(cls, name: str) -> str:
        return check_host(name)
