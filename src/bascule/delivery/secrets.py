"""Secrets are in files of their own, never in a spec, a log or a message."""

from __future__ import annotations

from pathlib import Path

from bascule.errors import DeliveryFailed


def read_secret(path: Path) -> str:
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryFailed(
            f"the secret in {path} cannot be read: {error}",
            "check that it exists and that this user may read it",
            can_retry=False,
        ) from error
    if not secret:
        raise DeliveryFailed(f"the secret in {path} is empty", "write it into the file", can_retry=False)
    return secret
