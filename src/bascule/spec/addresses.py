"""Addresses and names that go into other programs' configuration: refused here, where the line is known."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

__all__ = ["Label", "ListenAddress", "Url", "bracketed", "check_target", "check_url", "is_target"]

_HOST = re.compile(r"[^\s:/\[\]@?#\\]+|\[[0-9A-Fa-f:.]+\]")  # none of what separates the parts of a URL
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_target(text: str) -> bool:
    """Whether it is a scrape target: `host:port` or `[::1]:port`."""
    host, _, port = text.rpartition(":")
    is_host = host.isprintable() and _HOST.fullmatch(host) is not None
    return is_host and _PORT.fullmatch(port) is not None and 0 < int(port) < 65536


def check_target(text: str) -> str:
    """A scrape target. Raises ValueError for anything else."""
    if not is_target(text):
        raise ValueError(f"{text!r} is not an address; write it like 127.0.0.1:5070")
    return text


def check_url(text: str) -> str:
    """The http or https URL of a server."""
    if not _is_url(text):
        raise ValueError(f"{text!r} is not a URL; write it like http://127.0.0.1:9090")
    return text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port  # ValueError beyond 65535
    except ValueError:
        return False
    known = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return known and not any(character.isspace() or not character.isprintable() for character in text)


def check_label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a label's name; write letters, digits and _, such as user_segment")
    return text


def check_listen(text: str) -> str:
    """An address of this machine to listen on."""
    if text != "localhost":
        try:
            ipaddress.ip_address(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not an IP address; write 127.0.0.1, or one of this machine") from error
    return text


def bracketed(host: str) -> str:
    """A host as it is written in a URL: `[::1]` for `::1`."""
    return f"[{host}]" if ":" in host else host


Url = Annotated[str, AfterValidator(check_url)]
Label = Annotated[str, AfterValidator(check_label)]
ListenAddress = Annotated[str, AfterValidator(check_listen)]
