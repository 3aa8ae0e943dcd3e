"""Where listeners are, and what one that other machines can reach must have."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from bascule.errors import UsageError
from bascule.spec.part import Contradiction, Part

# A mesh, a proxy or the pod's own network encrypts, and keeps strangers out.
Elsewhere = Literal["elsewhere"]


class Tls(Part):
    """A server's certificate; with `client_ca`, clients must show one that it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self, whose: str) -> ssl.SSLContext:
        """Raises UsageError for files that cannot be used."""
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            return context
        except (OSError, ssl.SSLError) as error:
            what = f"the TLS certificate of {whose} cannot be used: {error}"
            raise UsageError(what, f"name readable PEM files in its `tls`, now {self.certificate}") from error


class RoleTls(Tls):
    """Of Bascule's own roles, where `stack.listen` is beyond this machine. `host`: the name in the certificate, under
    which people open the console."""

    host: str = ""

    @field_validator("host")
    @classmethod
    def _host(cls, name: str) -> str:
        return check_host(name)


def check_host(name: str) -> str:
    """The name of a host alone, in small letters; empty is none."""
    if name and not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", name):
        raise ValueError(f"{name!r} is not a host; write its name alone, such as bascule.example")
    return name.lower()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener there; a name but `localhost` may lead anywhere."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def loopback_of(listen: str) -> str:
    """The address by which the parts of one machine speak to each other, of the same family."""
    if is_loopback(listen):
        return listen
    return "::1" if ":" in listen else "127.0.0.1"


def unencrypted(beats: str, tls: Tls | Elsewhere | None) -> Iterator[Contradiction]:
    """A Beats port asks for no token: where other machines can reach it, a certificate must tell who may send lines."""
    if is_loopback(beats.rpartition(":")[0]) or tls == "elsewhere":
        return
    if not isinstance(tls, Tls) or tls.client_ca is None:
        yield Contradiction(
            "other machines can reach it, and it asks no one for a certificate; declare 'tls' with a 'client_ca'",
            "beats",
        )
