"""Certificates as Prometheus and Alertmanager are told of them."""

from __future__ import annotations

from bascule.transport import Credentials


def tls_config(known: Credentials) -> dict[str, str]:
    """Who vouches for a server, and what is shown to it; empty for a server that the system's own list vouches for."""
    files = {"ca_file": known.ca, "cert_file": known.certificate, "key_file": known.key}
    return {name: str(file) for name, file in files.items() if file}
