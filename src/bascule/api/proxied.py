"""Who has signed in at a proxy before the console: the name in a header, from the proxy's own addresses alone."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from starlette.datastructures import Headers

from bascule.api.tokens import Seat, Session, read_token
from bascule.spec.sign_in import ProxySignIn

LONGEST_NAME = 200
SECRET_HEADER = "X-Bascule-Proxy-Secret"


@dataclass(frozen=True)
class TrustedProxy:
    """A header of anybody else is as good as none: it names nobody, and hides nobody."""

    declared: ProxySignIn

    def session(self, headers: Headers, peer: str) -> Session | None:
        """`peer`: the address that the connection comes from. The secret is read for each request, as tokens are."""
        if not self._is_proxy(headers, peer):
            return None
        names = headers.getlist(self.declared.header)
        if len(names) != 1 or not _is_name(names[0]):  # two are the proxy's and somebody's own
            return None
        seat = Seat.OPERATOR if names[0] in self.declared.operators else Seat.VIEWER
        return Session(names[0], seat)

    def _is_proxy(self, headers: Headers, peer: str) -> bool:
        if not any(_address(peer) in network for network in self.declared.networks):
            return False
        if self.declared.secret_file is None:
            return True
        secret, given = read_token(self.declared.secret_file), headers.getlist(SECRET_HEADER)
        return bool(secret) and len(given) == 1 and hmac.compare_digest(given[0].encode(), secret.encode())


def _address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address that came in over IPv6 is the IPv4 address; what is none is nowhere."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return ipaddress.IPv6Address(0)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()
