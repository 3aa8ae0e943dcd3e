"""What a listener that other machines can reach must have."""

from __future__ import annotations

import ssl
from pathlib import Path

from bascule.errors import UsageError
from bascule.spec.part import Part


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
