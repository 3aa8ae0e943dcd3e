"""Ids replaced by keyed hashes before anything is stored, counted or sent on.

The same id gives the same pseudonym under the same key, so users can still be counted; without the key none can
be turned back, not even by trying all ids. Each distinct id of a chunk is hashed once, all of them at the same time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bascule import private
from bascule.errors import StoreError
from bascule.logformat import NUMBERS, spellings
from bascule.logs.parsing.columns import Coded, Rows, may_hold
from bascule.logs.storing.scrub import Scrubber
from bascule.logs.storing.siphash import siphash

# 60 bits: two of ten million users share one with a chance of 1 in 20,000. Twelve characters, because
# DuckDB keeps strings of up to twelve bytes in place and so counts distinct ones in half the time.
LENGTH = 12
_ALPHABET = np.frombuffer(b"0123456789abcdefghijklmnopqrstuv", np.uint8)
_MARKS = ('"', "'", "`", "[", "(", "{")  # of a value in quotes, or of several in brackets
_LONGEST = 64  # bytes; longer ids are shortened first, so that none costs more than that


@dataclass(frozen=True)
class IdPseudonyms:
    """Replaces the named columns' values, and the values that free text gives to these names."""

    key: bytes
    columns: Sequence[str]

    def of(self, identity: str) -> str:
        return str(self.of_all(pa.array([identity], pa.string()))[0].as_py())

    def of_all(self, values: pa.Array) -> pa.Array:
        """A pseudonym for each value: twelve digits in base 32."""
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > _LONGEST:
            values = pa.array([self._shortened(value) for value in values.to_pylist()], pa.string())
        return _in_base_32(siphash(values, self._hash_key))

    @cached_property
    def _hash_key(self) -> bytes:
        return blake2b(key=self.key, digest_size=16).digest()

    def _shortened(self, value: str) -> str:
        data = value.encode()
        return value if len(data) <= _LONGEST else blake2b(data, key=self.key, digest_size=_LONGEST // 2).hexdigest()

    def replace(self, rows: Rows) -> Rows:
        changed = {name: self._column(name, column) for name, column in rows.columns.items()}
        return replace(rows, columns=changed)

    def _column(self, name: str, column: Coded) -> Coded:
        if name in NUMBERS or not self.columns:
            return column
        if name in self.columns:
            if not may_hold(column.values, *_MARKS):
                return Coded(column.codes, self.of_all(column.values))
            return self._changed(column, self._scrubber.scrub_value)
        return self._changed(column, self.scrub) if may_hold(column.values, *self._names) else column

    def _changed(self, column: Coded, change: Callable[[str], str]) -> Coded:
        return Coded(column.codes, pa.array([change(text) for text in column.texts()], pa.string()))

    def scrub(self, text: str) -> str:
        """Free text with the values of `user_id=...`, `"user_id": "..."` and the like replaced."""
        return self._scrubber.scrub(text)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return spellings(self.columns)

    @cached_property
    def _scrubber(self) -> Scrubber:
        return Scrubber(self._names, self.of)


def _in_base_32(hashes: NDArray[np.uint64]) -> pa.Array:
    places = np.arange(LENGTH, dtype=np.uint64) * np.uint64(5)
    digits = _ALPHABET[(hashes[:, None] >> places) & np.uint64(31)]
    offsets = np.arange(len(hashes) + 1, dtype=np.int32) * LENGTH
    return pa.Array.from_buffers(pa.string(), len(hashes), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])


def read_key(path: Path) -> bytes:
    """The key in a file; a random one is written there the first time, readable by its owner alone."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip().encode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        what = f"the key for pseudonyms {path} cannot be read or made: {why}"
        raise StoreError(
            what, "check its permissions and the free space, or name another file as logs.key_file"
        ) from error
    if len(key) < 16:
        raise StoreError(f"the key for pseudonyms {path} is too short", "write at least 16 characters into it")
    return key if len(key) <= 64 else blake2b(key).digest()


def _make_key(path: Path) -> None:
    """All or nothing: half a key on a full disk would be refused ever after."""
    private.create(path, secrets.token_hex(32) + "\n")  # where another process was first, its key counts
