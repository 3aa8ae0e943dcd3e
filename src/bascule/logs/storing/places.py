"""Where a spec's logs are kept, and the key of its pseudonyms."""

from __future__ import annotations

from pathlib import Path

from bascule.logs.storing.pseudonyms import IdPseudonyms, read_key
from bascule.spec import Spec


def root_of(spec: Spec) -> Path:
    return spec.stack.state / "logs"


def pseudonyms_of(spec: Spec) -> IdPseudonyms:
    """By the declared key file, else by one of the store's own, made the first time."""
    return IdPseudonyms(read_key(spec.logs.key_file or root_of(spec) / "key"), tuple(spec.logs.pseudonymise))
