"""Ids replaced by keyed hashes before anything is stored, counted or sent on.

The same id gives the same pseudonym under the same key, so users can still be counted; without the key none can
be turned back, not even by trying all ids. Each distinct id of a batch is hashed once.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bascule.errors import StoreError
from bascule.logs.columns import NUMBERS, Coded, Rows

DIGITS = 16
_BYTES = DIGITS // 2


@dataclass(frozen=True)
class Pseudonyms:
    """Replaces the named columns' values, and the values that free text gives to these names."""

    key: bytes
    columns: Sequence[str]

    def of(self, identity: str) -> str:
        return blake2b(identity.encode(), key=self.key, digest_size=_BYTES).hexdigest()

    def of_all(self, values: pa.Array) -> pa.Array:
        """A pseudonym for each value."""
        keyed = blake2b(key=self.key, digest_size=_BYTES)
        digests = []
        for value in values.to_pylist():
            digest = keyed.copy()
            digest.update(value.encode())
            digests.append(digest.digest())
        return _hexadecimal(b"".join(digests), len(digests))

    def replace(self, rows: Rows) -> Rows:
        changed = {name: self._column(name, column) for name, column in rows.columns.items()}
        return replace(rows, columns=changed)

    def _column(self, name: str, column: Coded) -> Coded:
        if name in NUMBERS or not self.columns:
            return column
        if name in self.columns:
            return Coded(column.codes, self.of_all(column.values))
        touched = pc.match_substring_regex(column.values, "|".join(map(re.escape, self.columns)))
        if not pc.any(touched).as_py():
            return column
        return Coded(column.codes, pa.array([self.scrub(text) for text in column.texts()], pa.string()))

    def scrub(self, text: str) -> str:
        """Free text with the values of `user_id=...`, `"user_id": "..."` and the like replaced."""
        names = "|".join(map(re.escape, self.columns))
        pattern = rf"\b({names})([\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;}}]+)"
        return re.sub(pattern, lambda found: f"{found[1]}{found[2]}{self.of(found[3])}", text)


def _hexadecimal(digests: bytes, number: int) -> pa.Array:
    offsets = np.arange(number + 1, dtype=np.int32) * DIGITS
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digests.hex().encode())]
    return pa.Array.from_buffers(pa.string(), number, buffers)


def read_key(path: Path) -> bytes:
    """The key in a file; a random one is written there the first time, readable by its owner alone."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
        key = path.read_text().strip().encode()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"the key for pseudonyms {path} cannot be read: {error}", "mend logs.key_file") from error
    if len(key) < 16:
        raise StoreError(f"the key for pseudonyms {path} is too short", "put at least 16 characters into it")
    return key if len(key) <= 64 else blake2b(key).digest()
